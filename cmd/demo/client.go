package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// What the demo reads of the service's answers; openapi.yaml describes them.
type (
	view struct {
		ID         string `json:"id"`
		Status     string `json:"status"`
		NextAction struct {
			Type string `json:"type"`
		} `json:"nextAction"`
		KYCLevel      string    `json:"kycLevel"`
		Upgrade       *struct{} `json:"upgrade"`
		DeclineReason string    `json:"declineReason"`
		Version       int64     `json:"version"`
	}
	events struct {
		Items []struct {
			To string `json:"to"`
		} `json:"items"`
	}
	reviews struct {
		Items []struct {
			ID           string `json:"id"`
			OnboardingID string `json:"onboardingId"`
		} `json:"items"`
	}
	explanation struct {
		Parked *struct {
			Cause string `json:"cause"`
		} `json:"parked"`
	}
	problem struct {
		Code string `json:"code"`
	}
)

// final: nothing will happen to this onboarding any more.
func (v view) final() bool {
	switch v.Status {
	case "approved":
		return v.Upgrade == nil
	case "declined", "expired", "cancelled":
		return true
	}
	return false
}

// request is one call of the API.
type request struct {
	key     string
	method  string // GET where empty
	path    string
	header  map[string]string
	body    any         // sent as JSON; nil: none
	into    any         // filled from an answer with a body
	got     http.Header // filled with the answer's
	refused string      // the problem's code, where a refusal is what is wanted
}

// do makes a call. Anything but success, a 304 or the wanted refusal is an
// error.
func (c *customer) do(ctx context.Context, r request) error {
	if r.method == "" {
		r.method = http.MethodGet
	}
	var body io.Reader
	if r.body != nil {
		// A bundle must arrive as it was signed: of a RawMessage json.Marshal
		// only takes the spaces between tokens, and ours has none.
		text, err := json.Marshal(r.body)
		if err != nil {
			return fmt.Errorf("%s %s: %w", r.method, r.path, err)
		}
		body = bytes.NewReader(text)
	}
	q, err := http.NewRequestWithContext(ctx, r.method, c.server.url+r.path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	q.Header.Set("Authorization", "Bearer "+r.key)
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.header {
		q.Header.Set(name, value)
	}
	answer, err := c.stack.client.Do(q)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	return r.read(answer, text)
}

func (r request) read(answer *http.Response, text []byte) error {
	var p problem
	failed := answer.StatusCode >= 400
	if failed {
		_ = json.Unmarshal(text, &p) // what is no problem has no code
	}
	if p.Code != r.refused || (failed && r.refused == "") {
		return fmt.Errorf("%s %s: %s %s", r.method, r.path, answer.Status, text)
	}
	for name, values := range answer.Header {
		if r.got != nil {
			r.got[name] = values
		}
	}
	if failed || r.into == nil || len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, r.into); err != nil {
		return fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	return nil
}

// again waits a moment before something is asked once more. False: time is up.
func again(ctx context.Context) bool {
	select {
	case <-time.After(100 * time.Millisecond):
		return true
	case <-ctx.Done():
		return false
	}
}
