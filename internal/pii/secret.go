package pii

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what every value of this package prints as.
const Redacted = "[redacted]"

// redacted, embedded, gives a type its silence: it answers for every way the
// standard library turns a value into text. The zero-length func array makes
// the type, and so whatever embeds it, impossible to compare with ==, which
// would compare pointers.
type redacted struct{ _ [0]func() }

// Format answers every fmt verb, flags and widths included.
func (redacted) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, Redacted) }

func (redacted) String() string               { return Redacted }
func (redacted) GoString() string             { return Redacted }
func (redacted) LogValue() slog.Value         { return slog.StringValue(Redacted) }
func (redacted) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
func (redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// Secret is a text that must not be printed. The zero value is the empty text.
type Secret struct {
	redacted
	text *string
}

// NewSecret hides s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{text: &s}
}

// Reveal returns the text itself: for sealing, for a vendor's request, and for
// the analyst who decides a case.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the text is empty.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Equal reports whether both hide the same text.
func (s Secret) Equal(o Secret) bool { return s.Reveal() == o.Reveal() }

// UnmarshalJSON reads a JSON string, so that a wire type may have Secret
// fields. Like the standard library, it leaves the value alone on null and
// returns a *json.UnmarshalTypeError, which names the kind of value found and
// never the value, on anything else.
func (s *Secret) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	if text != nil {
		*s = NewSecret(*text)
	}
	return nil
}

// UnmarshalText takes text as it is. It never fails.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// Bytes is a document that must not be printed: a capture bundle, a photo.
// The zero value is empty.
type Bytes struct {
	redacted
	// Two pointers deep: given a verb that does not fit, fmt follows one to
	// print a slice, even in an unexported field.
	data **[]byte
}

// NewBytes hides data, without copying it; the caller must not change it later.
func NewBytes(data []byte) Bytes {
	if len(data) == 0 {
		return Bytes{}
	}
	pointer := &data
	return Bytes{data: &pointer}
}

// Reveal returns the bytes themselves, which the caller must not change.
func (b Bytes) Reveal() []byte {
	if b.data == nil {
		return nil
	}
	return **b.data
}

// IsZero reports whether there are no bytes.
func (b Bytes) IsZero() bool { return len(b.Reveal()) == 0 }

// Equal reports whether both hide the same bytes.
func (b Bytes) Equal(o Bytes) bool { return bytes.Equal(b.Reveal(), o.Reveal()) }

// UnmarshalJSON keeps the JSON text byte for byte, whatever it is, as
// json.RawMessage does: bundles are signed, and must not be encoded again.
// A null is no bytes at all.
func (b *Bytes) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*b = Bytes{}
		return nil
	}
	*b = NewBytes(bytes.Clone(data))
	return nil
}
