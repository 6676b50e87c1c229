package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// view is what an app reads of an onboarding.
type view struct {
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

// call is one request of an app.
type call struct {
	key, method, path string
	header            map[string]string
	body              any
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// code is the problem's code, if the answer is one.
func (a answer) code() string {
	var p struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(a.body, &p) // what is no problem has no code
	return p.Code
}

// longestPause is how long an app waits at most before it asks again, whatever
// Retry-After says: these customers are in a hurry.
const longestPause = 200 * time.Millisecond

// longPoll is how long a poll may hang, in seconds.
const longPoll = 1

// http is shared by all apps; a server that was stopped must not hold them up.
var apps = &http.Client{Timeout: (longPoll + 2) * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// do sends a call until a server gives a definite answer: anything but 503, 429
// or a connection that broke. Every call of an app may be sent again.
func (s *Stack) do(ctx context.Context, c call) (answer, error) {
	var body []byte
	if c.body != nil {
		var err error
		if body, err = json.Marshal(c.body); err != nil {
			return answer{}, err
		}
	}
	for {
		p, err := s.pick(ctx)
		if err != nil {
			return answer{}, fmt.Errorf("%s %s: %w", c.method, c.path, err)
		}
		a, err := s.once(ctx, p, c, body)
		wait := 10 * time.Millisecond
		switch {
		case err != nil && ctx.Err() != nil:
			return answer{}, fmt.Errorf("%s %s: %w", c.method, c.path, context.Cause(ctx))
		case err != nil: // it died, or was stopped, or is closing
		case a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests:
			seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
			if err != nil {
				s.note("%s %s by %s: %d without Retry-After", c.method, c.path, p.Name, a.status)
			}
			wait = min(time.Duration(seconds)*time.Second, longestPause)
		case a.status >= 500:
			s.note("%s %s by %s: %d %s", c.method, c.path, p.Name, a.status, a.body)
		default:
			return a, nil
		}
		if err := pause(ctx, wait); err != nil {
			return answer{}, fmt.Errorf("%s %s: %w", c.method, c.path, err)
		}
	}
}

// once sends a call to one server, and lets go when that is stopped or killed.
func (s *Stack) once(ctx context.Context, p *Process, c call, body []byte) (answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // who hears that a server hangs need not wait
		select {
		case <-p.Fired():
			cancel()
		case <-ctx.Done():
		}
	}()
	req, err := http.NewRequestWithContext(ctx, c.method, p.URL+c.path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	resp, err := apps.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, text}, err
}

// note keeps an answer that no client should have seen.
func (s *Stack) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.odd = append(s.odd, fmt.Sprintf(format, args...))
}

// Odd are the answers so far that no client should have seen: a 500, a 503
// without Retry-After.
func (s *Stack) Odd() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.odd...)
}

// unexpected is the error of an answer that the app cannot go on with.
func (c call) unexpected(a answer) error {
	return fmt.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
}

// read decodes an answer with one of the statuses.
func (c call) read(a answer, into any, statuses ...int) error {
	for _, status := range statuses {
		if a.status == status {
			return json.Unmarshal(a.body, into)
		}
	}
	return c.unexpected(a)
}
