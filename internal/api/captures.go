package api

import (
	"bytes"
	"errors"
	"net/http"

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

// readCapture finds {bundle, hmacKey?} in a body without copying the bundle or
// reading more of it than concerns us: what else is in it is between the SDK
// and QE.
func readCapture(p store.Purpose, body []byte) (resumer.Capture, error) {
	c := resumer.Capture{Purpose: p}
	var faults []fault
	for name, value := range members(body) {
		switch name {
		case "bundle":
			if value[0] != '{' {
				return c, errMalformed("/bundle", "type")
			}
			c.Bundle = value
		case "hmacKey":
			if err := unmarshal(value, &c.HMACKey); err != nil {
				return c, errMalformed("/hmacKey", "type")
			}
			if len(c.HMACKey.Reveal()) > maxHMACKey {
				faults = append(faults, fault{"/hmacKey", "max"})
			}
		default:
			return c, unmarshal(body, new(struct {
				Bundle, HMACKey pii.Bytes
			}))
		}
	}
	return c, errors.Join()
}

var _ = bytes.Equal
