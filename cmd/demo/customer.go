package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// customer is a role of the cast on its way through the service.
type customer struct {
	role
	application string
	stack       *stack
	server      *process
	felt        func() // their outage, if they have one; may be called again
	changed     func()

	mu    sync.Mutex // guards what the progress shows
	id    string
	view  view
	path  []string // states, in order
	begun time.Time
	took  time.Duration // set when they have ended
	err   error
}

func newCustomer(s *stack, r role, i int) *customer {
	c := &customer{role: r, application: fmt.Sprintf("DEMO-%02d", i+1), stack: s, server: s.servers[0], felt: func() {}}
	if r.hasty {
		c.server = s.servers[1]
	}
	if r.outage != nil {
		s.felt.Add(1)
		c.felt = sync.OnceFunc(s.felt.Done)
	}
	return c
}

// live plays the role from the form to the end, and compares.
func (c *customer) live(ctx context.Context, changed func()) {
	c.changed = changed
	c.mu.Lock()
	c.begun = time.Now()
	c.mu.Unlock()
	err := c.play(ctx)
	c.felt()
	if err == nil {
		err = c.compare()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took, c.err = time.Since(c.begun), err
}

func (c *customer) play(ctx context.Context) error {
	if c.outage != nil {
		fault := *c.outage
		fault.ExternalID = c.application
		if err := c.stack.vendors.AddFault(fault); err != nil {
			return err
		}
	}
	if err := c.apply(ctx); err != nil {
		return err
	}
	for _, s := range c.steps {
		if err := s(ctx, c); err != nil {
			return err
		}
	}
	return c.await(ctx, "the end", func() bool { return c.view.final() })
}

// compare holds what happened against the role.
func (c *customer) compare() error {
	got, want := strings.Join(c.path, " → "), strings.Join(c.want.path, " → ")
	switch {
	case got != want:
		return fmt.Errorf("the path should have been %s", want)
	case c.outcome() != c.want.outcome:
		return fmt.Errorf("the outcome should have been %s", c.want.outcome)
	case c.view.KYCLevel != c.want.level:
		return fmt.Errorf("the level should have been %q", c.want.level)
	}
	return nil
}

// outcome is the public status, with its reason where there is one.
func (c *customer) outcome() string {
	if c.view.DeclineReason != "" {
		return c.view.Status + ": " + c.view.DeclineReason
	}
	return c.view.Status
}

// state is the newest one known.
func (c *customer) state() string {
	if len(c.path) == 0 {
		return ""
	}
	return c.path[len(c.path)-1]
}

// apply hands in the form, which agrees with the KTP the sandbox will show.
func (c *customer) apply(ctx context.Context) error {
	ktp := sandbox.DocumentOf(c.application, c.name)
	number := strings.TrimPrefix(c.application, "DEMO-")
	v, err := c.move(ctx, request{key: c.stack.keys.frontend, method: http.MethodPost, path: "/onboardings", body: map[string]any{
		"applicationId": c.application, "fullName": c.name, "nik": ktp.NIK, "dateOfBirth": ktp.DateOfBirth,
		"email": "demo" + number + "@example.com", "phone": "+62811000000" + number,
		"clientIp": "192.0.2.1", "userAgent": "gerbang-demo",
		"consent": map[string]string{"version": "1", "acceptedAt": time.Now().UTC().Format(time.RFC3339)},
	}})
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.id = v.ID
	c.mu.Unlock()
	return c.seen(ctx, v)
}

// move makes a call that answers with the public view.
func (c *customer) move(ctx context.Context, r request) (v view, err error) {
	r.into = &v
	return v, c.do(ctx, r)
}

// seen takes a newer view, and the states that led to it, into account.
func (c *customer) seen(ctx context.Context, v view) error {
	var trail events
	if err := c.do(ctx, request{key: c.stack.keys.auditor, path: "/onboardings/" + c.id + "/events", into: &trail}); err != nil {
		return err
	}
	var path []string
	for _, e := range trail.Items {
		if len(path) == 0 || path[len(path)-1] != e.To { // a note moves nothing
			path = append(path, e.To)
		}
	}
	c.mu.Lock()
	c.view, c.path = v, path
	c.mu.Unlock()
	c.changed()
	return nil
}

// await follows the onboarding until something is so. An end before that is an
// error.
func (c *customer) await(ctx context.Context, what string, so func() bool) error {
	for !so() {
		if c.view.final() {
			return fmt.Errorf("ended as %s while %s was awaited", c.outcome(), what)
		}
		v, err := c.move(ctx, request{
			key: c.stack.keys.frontend, path: "/onboardings/" + c.id + "?wait=10",
			header: map[string]string{"If-None-Match": strconv.Quote(strconv.FormatInt(c.view.Version, 10))},
		})
		if err != nil {
			return fmt.Errorf("await %s: %w", what, err)
		}
		if v.ID == "" {
			continue // 304: nothing new
		}
		if err := c.seen(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// capture answers the vendor's challenge with a bundle, as an SDK would.
func (c *customer) capture(ctx context.Context, kind, action string, bundle func(sandbox.FlashChallenge) json.RawMessage) error {
	if err := c.await(ctx, action, func() bool { return c.view.NextAction.Type == action }); err != nil {
		return err
	}
	path := "/onboardings/" + c.id + "/" + kind
	var challenge sandbox.FlashChallenge
	if err := c.do(ctx, request{key: c.stack.keys.sdk, method: http.MethodPost, path: path + "/challenge", into: &challenge}); err != nil {
		return err
	}
	v, err := c.move(ctx, request{
		key: c.stack.keys.sdk, method: http.MethodPost, path: path + "/capture",
		body: map[string]json.RawMessage{"bundle": bundle(challenge)},
	})
	if err != nil {
		return err
	}
	return c.seen(ctx, v)
}
