package api

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"mime"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is how deep a request may nest, bundles included: deeper than any
// SDK goes, and shallow enough for every parser behind us.
const maxDepth = 32

// read takes a request's JSON object into memory, once. What is too large is
// refused unread where its length is declared, and cut off where it is not.
func (s *server) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" || r.Header.Get("Content-Encoding") != "" {
		return nil, errMediaType
	}
	if r.ContentLength > s.MaxBody {
		return nil, errTooLarge
	}
	// Room for all of it and the read that finds the end, so that it never has
	// to be copied to somewhere larger.
	body := bytes.NewBuffer(make([]byte, 0, max(r.ContentLength, 0)+bytes.MinRead))
	callOf(r).patience.Stop() // the server's own limit bounds an upload
	defer s.grant(r, 0)
	_, err = body.ReadFrom(http.MaxBytesReader(w, r.Body, s.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, errTooLarge
	case err != nil: // the client went away or sent less than it declared
		return nil, errMalformed("", "incomplete")
	}
	if err := checkObject(body.Bytes()); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}

// checkObject reads over a body once and refuses what is not exactly one JSON
// object in valid UTF-8, without duplicate members and not too deep. Go's own
// decoder would take the last of two members; a vendor's may take the first.
func checkObject(body []byte) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(body))
	for first := true; ; first = false {
		token, err := dec.ReadToken()
		switch {
		case errors.Is(err, jsontext.ErrDuplicateName):
			return errMalformed("", "duplicate")
		case err != nil:
			return errMalformed("", "json")
		case first && token.Kind() != '{':
			return errMalformed("", "object")
		case dec.StackDepth() > maxDepth:
			return errMalformed("", "depth")
		case dec.StackDepth() == 0:
			if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
				return errMalformed("", "trailing")
			}
			return nil
		}
	}
}

// decode reads a body into T, whose tags say what is valid. Members T does not
// have are refused, and so are those that differ in case.
func decode[T any](s *server, w http.ResponseWriter, r *http.Request) (T, error) {
	var t T
	body, err := s.read(w, r)
	if err != nil {
		return t, err
	}
	if err := unmarshal(body, &t); err != nil {
		return t, err
	}
	return t, validate(t)
}

// decodeEmpty is for requests that say everything by their path: no body, or an
// object without members.
func decodeEmpty(s *server, w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	_, err := decode[struct{}](s, w, r)
	return err
}

// unmarshal reads JSON that checkObject has passed. The decoder's own error
// would quote the value.
func unmarshal(data []byte, into any) error {
	err := json.Unmarshal(data, into, json.RejectUnknownMembers(true))
	var semantic *json.SemanticError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &semantic) && errors.Is(semantic.Err, json.ErrUnknownName):
		return errInvalid(fault{pointerTo(semantic.JSONPointer), "unknown"})
	case errors.As(err, &semantic):
		return errMalformed(pointerTo(semantic.JSONPointer), "type")
	}
	return errMalformed("", "json")
}

// pointerTo is the place of a fault. An unknown member's name is the client's
// own text; a long one is not worth sending back.
func pointerTo(p jsontext.Pointer) string {
	const longest = 200
	for len(p) > longest {
		p = p.Parent()
	}
	return string(p)
}

// members yields the members of an object that checkObject has passed, as
// slices of the same memory: a bundle is megabytes, and signed byte for byte.
func members(object []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		dec := jsontext.NewDecoder(bytes.NewBuffer(object), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		if _, err := dec.ReadToken(); err != nil {
			return
		}
		for dec.PeekKind() == '"' {
			name, err := dec.ReadToken()
			if err != nil {
				return
			}
			key := name.String()
			value, err := dec.ReadValue()
			if err != nil {
				return
			}
			end := dec.InputOffset()
			if !yield(key, object[end-int64(len(value)):end:end]) {
				return
			}
		}
	}
}
