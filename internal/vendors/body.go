package vendors

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"

	"github.com/gerbang-id/gerbang/internal/pii"
)

// Body is a JSON object written by hand, because json.Marshal re-encodes a
// RawMessage (it drops spaces and escapes <, >, & and U+2028) and a signed
// bundle must arrive byte for byte. Members keep the order they are added in.
type Body struct {
	parts [][]byte
	size  int64
	bad   bool
}

// NewBody starts an empty object.
func NewBody() *Body {
	b := &Body{}
	b.add([]byte("{"))
	return b
}

func (b *Body) add(p []byte) {
	b.parts = append(b.parts, p)
	b.size += int64(len(p))
}

// Set adds a member with any value that encodes as JSON.
func (b *Body) Set(name string, value any) *Body {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		b.bad = true
		return b
	}
	return b.raw(name, bytes.TrimRight(buf.Bytes(), "\n"))
}

// SetSecret adds a text about a person, or a credential, unless it is empty.
func (b *Body) SetSecret(name string, secret pii.Secret) *Body { return b.SetIf(name, secret.Reveal()) }

// SetIf adds a text member unless it is empty.
func (b *Body) SetIf(name, value string) *Body {
	if value == "" {
		return b
	}
	return b.Set(name, value)
}

// SetObject adds a member whose value is a JSON object, byte for byte. Bytes
// that are not one object spoil the body: spliced in, they could add members of
// their own.
func (b *Body) SetObject(name string, object []byte) *Body {
	if trimmed := bytes.TrimLeft(object, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' || !json.Valid(object) {
		b.bad = true
		return b
	}
	return b.raw(name, object)
}

// SetBody adds a nested object; inner must not be used afterwards.
func (b *Body) SetBody(name string, inner *Body) *Body {
	b.bad = b.bad || inner.bad
	return b.raw(name, inner.bytes())
}

// SetList adds an array of objects, which must not be used afterwards.
func (b *Body) SetList(name string, objects []*Body) *Body {
	list := make([][]byte, len(objects))
	for i, o := range objects {
		b.bad = b.bad || o.bad
		list[i] = o.bytes()
	}
	return b.raw(name, slices.Concat([]byte("["), bytes.Join(list, []byte(",")), []byte("]")))
}

func (b *Body) raw(name string, value []byte) *Body {
	key, _ := json.Marshal(name)
	if len(b.parts) > 1 {
		key = append([]byte(","), key...)
	}
	b.add(append(key, ':'))
	b.add(value)
	return b
}

func (b *Body) bytes() []byte { return append(bytes.Join(b.parts, nil), '}') }

// reader gives the whole object anew each time it is called.
func (b *Body) reader() io.ReadCloser {
	readers := make([]io.Reader, 0, len(b.parts)+1)
	for _, p := range b.parts {
		readers = append(readers, bytes.NewReader(p))
	}
	return io.NopCloser(io.MultiReader(append(readers, bytes.NewReader([]byte("}")))...))
}

func (b *Body) length() int64 { return b.size + 1 }
