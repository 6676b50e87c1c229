package api

import (
	"bytes"
	"errors"
	"net/http"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/store"
)

// issueChallenge passes on QE's challenge as it came: the SDK reads it, not we.
func (s *server) issueChallenge(p store.Purpose) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := decodeEmpty(s, w, r); err != nil {
			return err
		}
		id, err := pathID(r)
		if err != nil {
			return err
		}
		challenge, err := s.Requests.Challenge(r.Context(), caller(r).ClientID, id, p)
		if err != nil {
			return s.refusal(r, id, err)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(challenge.Raw) // nobody is left to tell
		return nil
	}
}

func (s *server) submitCapture(p store.Purpose) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := s.read(w, r)
		if err != nil {
			return err
		}
		capture, err := readCapture(p, body)
		if err != nil {
			return err
		}
		id, err := pathID(r)
		if err != nil {
			return err
		}
		v, err := s.Requests.SubmitCapture(r.Context(), caller(r).ClientID, id, capture, caller(r).actor())
		if err != nil {
			return s.refusal(r, id, err)
		}
		return writeView(w, http.StatusAccepted, v)
	}
}

// maxHMACKey is the longest hmacKey, in characters.
const maxHMACKey = 1024

// readCapture finds {bundle, hmacKey?} in a body without copying the bundle.
// Of the bundle it reads what concerns us; the rest is between the SDK and QE.
func readCapture(p store.Purpose, body []byte) (resumer.Capture, error) {
	c := resumer.Capture{Purpose: p}
	for name, value := range members(body) {
		switch name {
		case "bundle":
			c.Bundle = value
		case "hmacKey":
			if err := unmarshal(value, &c.HMACKey); err != nil {
				return c, errMalformed("/hmacKey", "type")
			}
			if utf8.RuneCountInString(c.HMACKey.Reveal()) > maxHMACKey {
				return c, errInvalid(fault{"/hmacKey", "max"})
			}
		default:
			return c, errInvalid(fault{pointerTo(jsontext.Pointer("").AppendToken(name)), "unknown"})
		}
	}
	switch {
	case c.Bundle == nil:
		return c, errInvalid(fault{"/bundle", "required"})
	case c.Bundle[0] != '{':
		return c, errMalformed("/bundle", "type")
	}
	return c, readBundle(&c)
}

func readBundle(c *resumer.Capture) error {
	frames := "required" // the rule broken so far
	for name, value := range members(c.Bundle) {
		switch name {
		case "frames":
			switch {
			case value[0] != '[':
				return errMalformed("/bundle/frames", "type")
			case len(bytes.TrimSpace(value[1:len(value)-1])) == 0:
				frames = "min"
			default:
				frames = ""
			}
		case "flashChallengeNonce":
			if value[0] != '"' || unmarshal(value, &c.Nonce) != nil {
				return errMalformed("/bundle/flashChallengeNonce", "type")
			}
		}
	}
	if frames != "" {
		return errInvalid(fault{"/bundle/frames", frames})
	}
	if !isText(c.Nonce) {
		c.Nonce = "" // nobody issues such a nonce, and the database takes no NUL
	}
	return nil
}

// verdictRequest is what Dukcapil said, from a client that asks it itself. A
// valid one needs the photo: QE enrols it.
type verdictRequest struct {
	Valid  *bool      `json:"valid" validate:"required"`
	Photo  pii.Secret `json:"photo" validate:"omitempty,max=2796204,photo"` // base64 of at most 2 MiB
	Raw    jsonObject `json:"raw"`
	Reason pii.Secret `json:"reason" validate:"omitempty,max=200,text"`
}

// jsonObject is an object kept as it came.
type jsonObject struct{ pii.Bytes }

// UnmarshalJSON refuses what is no object; null is none at all.
func (o *jsonObject) UnmarshalJSON(data []byte) error {
	if data[0] != '{' && data[0] != 'n' {
		return errors.New("not an object")
	}
	return o.Bytes.UnmarshalJSON(data)
}

func (v verdictRequest) verdict() *pii.Verdict {
	return &pii.Verdict{Valid: *v.Valid, Photo: v.Photo, Raw: pii.NewSecret(string(v.Raw.Reveal())), Reason: v.Reason}
}

func (s *server) putVerdict(w http.ResponseWriter, r *http.Request) error {
	verdict, err := decode[verdictRequest](s, w, r)
	if err != nil {
		return err
	}
	id, err := pathID(r)
	if err != nil {
		return err
	}
	v, err := s.Requests.SupplyVerdict(r.Context(), caller(r).ClientID, id, *verdict.verdict(), caller(r).actor())
	if err != nil {
		return s.refusal(r, id, err)
	}
	return writeView(w, http.StatusOK, v)
}
