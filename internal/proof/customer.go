package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/sandbox"
	"github.com/gerbang-id/gerbang/internal/store"
)

// Case is one customer: who they are, what they and the staff do, and how that
// must end, whatever happens to servers and vendors meanwhile.
type Case struct {
	App     string // application id, unique in its stack
	Person  string // a test person of the sandbox, or an invented name that passes everything
	Verdict bool   // the client brings Dukcapil's verdict
	Cancel  string // withdraw when the app is asked for this: capture_ktp, capture_selfie, review
	Parks   bool   // is expected to park, and to be sent on by an operator
	Faults  []sandbox.Fault
	Want    Outcome
}

// Outcome is how a case must end.
type Outcome struct {
	State   fsm.State
	Level   fsm.Level
	Reason  fsm.DeclineReason
	KTPs    int              // captures, when no answer is lost for good
	Selfies int              // likewise
	Reviews []fsm.ReviewKind // cases decided, in order
}

// Play lives a case from the form to its end through the HTTP interface, as the
// customer's app and the staff would: every call is repeated until it has a
// definite answer. It fails when the onboarding parks unexpectedly, waits for
// nobody, or has not ended when ctx does.
func (s *Stack) Play(ctx context.Context, c Case) error {
	if err := s.play(ctx, c); err != nil {
		return fmt.Errorf("%s (%s): %w", c.App, c.Person, err)
	}
	return nil
}

func (s *Stack) play(ctx context.Context, c Case) error {
	for _, f := range c.Faults {
		f.ExternalID = c.App
		if err := s.Vendors.AddFault(f); err != nil {
			return err
		}
	}
	v, err := s.apply(ctx, c)
	if err != nil {
		return err
	}
	id, err := uuid.Parse(v.ID)
	if err != nil {
		return err
	}
	if c.Verdict {
		if err := s.supplyVerdict(ctx, v.ID); err != nil {
			return err
		}
	}
	for !v.final() {
		if err := s.act(ctx, c, v, id); err != nil {
			return err
		}
		if v, err = s.poll(ctx, v); err != nil {
			return fmt.Errorf("%w; %s", err, s.where(id))
		}
	}
	return nil
}

// act does what an onboarding waits for, if it is a person.
func (s *Stack) act(ctx context.Context, c Case, v view, id uuid.UUID) error {
	waiting := v.NextAction.Type
	if v.Status == "in_review" {
		waiting = "review"
	}
	if c.Cancel != "" && c.Cancel == waiting {
		return s.cancel(ctx, v.ID)
	}
	switch waiting {
	case "review":
		return s.decide(ctx, id)
	case "capture_ktp":
		return s.capture(ctx, v.ID, "ktp", func(ch sandbox.FlashChallenge) json.RawMessage {
			return sandbox.SampleKTPBundle(ch, time.Now(), nil)
		})
	case "capture_selfie":
		return s.capture(ctx, v.ID, "face", func(ch sandbox.FlashChallenge) json.RawMessage {
			return sandbox.SampleFaceBundle(ch, time.Now())
		})
	}
	return s.overlook(ctx, c, id)
}

// overlook is the operator's eye on an onboarding that is being worked on.
func (s *Stack) overlook(ctx context.Context, c Case, id uuid.UUID) error {
	o, err := s.Store.Get(ctx, client, id)
	switch {
	case err != nil:
		return err
	case o.ParkedAt != nil && c.Parks:
		retry := call{key: s.Keys.Operator, method: http.MethodPost, path: "/onboardings/" + id.String() + "/retry"}
		a, err := s.do(ctx, retry)
		if err == nil && a.status >= 400 && a.status != http.StatusConflict { // 409: sent on already
			err = retry.unexpected(a)
		}
		return err
	case o.ParkedAt != nil:
		return fmt.Errorf("parked in %s for %s", o.State, o.ParkCause)
	case o.State.Kind() == fsm.Work && o.DueAt == nil:
		return fmt.Errorf("in %s and due at no time: nobody will ever come for it", o.State)
	case o.State.Kind() == fsm.Work && o.DueAt.Sub(o.DBNow()) > tooLate:
		return fmt.Errorf("in %s and not due before %v are over", o.State, o.DueAt.Sub(o.DBNow()))
	}
	return nil
}

// tooLate is later than any lease, retry or wait of a [Stack]'s servers ends.
const tooLate = 20 * time.Second

// where says how things stand, for an error.
func (s *Stack) where(id uuid.UUID) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.T.Context()), 5*time.Second)
	defer cancel()
	o, err := s.Store.Get(ctx, client, id)
	if err != nil {
		return err.Error()
	}
	due := "never"
	if o.DueAt != nil {
		due = "in " + o.DueAt.Sub(o.DBNow()).String()
	}
	return fmt.Sprintf("in %s, version %d, attempt %d, due %s, leased %t, last error %q",
		o.State, o.Version, o.Attempts, due, o.Lease != uuid.Nil, o.LastError)
}

// apply hands in the form, which agrees with the KTP the sandbox will show.
func (s *Stack) apply(ctx context.Context, c Case) (v view, err error) {
	ktp := sandbox.DocumentOf(c.App, c.Person)
	q := call{key: s.Keys.Frontend, method: http.MethodPost, path: "/onboardings", body: map[string]any{
		"applicationId": c.App, "fullName": c.Person, "nik": ktp.NIK, "dateOfBirth": ktp.DateOfBirth,
		"email": "someone@example.com", "phone": "+628110000000",
		"consent": map[string]string{"version": "1", "acceptedAt": "2026-01-02T03:04:05Z"},
	}}
	a, err := s.do(ctx, q)
	if err != nil {
		return v, err
	}
	err = q.read(a, &v, http.StatusCreated, http.StatusOK)
	return v, err
}

// poll waits for a version other than v's, for at most [longPoll].
func (s *Stack) poll(ctx context.Context, v view) (view, error) {
	q := call{
		key: s.Keys.Frontend, method: http.MethodGet, path: "/onboardings/" + v.ID + "?wait=" + strconv.Itoa(longPoll),
		header: map[string]string{"If-None-Match": strconv.Quote(strconv.FormatInt(v.Version, 10))},
	}
	a, err := s.do(ctx, q)
	if err != nil || a.status == http.StatusNotModified {
		return v, err
	}
	var fresh view
	err = q.read(a, &fresh, http.StatusOK)
	return fresh, err
}

// capture asks for a challenge and hands in a bundle for it, the very same one
// until it has an answer. A refusal is for the next look at the onboarding.
func (s *Stack) capture(ctx context.Context, id, kind string, bundle func(sandbox.FlashChallenge) json.RawMessage) error {
	ask := call{key: s.Keys.SDK, method: http.MethodPost, path: "/onboardings/" + id + "/" + kind + "/challenge"}
	a, err := s.do(ctx, ask)
	if err != nil || a.status == http.StatusConflict {
		return err // 409: it is not asked for any more
	}
	var challenge sandbox.FlashChallenge
	if err := ask.read(a, &challenge, http.StatusCreated); err != nil {
		return err
	}
	hand := call{
		key: s.Keys.SDK, method: http.MethodPost, path: "/onboardings/" + id + "/" + kind + "/capture",
		body: map[string]json.RawMessage{"bundle": bundle(challenge)},
	}
	a, err = s.do(ctx, hand)
	switch {
	case err != nil:
		return err
	case a.status == http.StatusAccepted, a.status == http.StatusConflict, a.code() == "challenge_expired":
		return nil
	}
	return hand.unexpected(a)
}

// supplyVerdict hands in what the registry told the client itself.
func (s *Stack) supplyVerdict(ctx context.Context, id string) error {
	// A PNG of one pixel.
	const photo = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	q := call{
		key: s.Keys.SDK, method: http.MethodPut, path: "/onboardings/" + id + "/dukcapil-verdict",
		body: map[string]any{"valid": true, "photo": photo, "raw": map[string]string{"RESPONSE_CODE": "01"}},
	}
	a, err := s.do(ctx, q)
	if err == nil && a.status != http.StatusOK {
		err = q.unexpected(a)
	}
	return err
}

func (s *Stack) cancel(ctx context.Context, id string) error {
	q := call{key: s.Keys.Frontend, method: http.MethodPost, path: "/onboardings/" + id + "/cancel"}
	a, err := s.do(ctx, q)
	if err == nil && a.status != http.StatusOK {
		err = q.unexpected(a)
	}
	return err
}

// decide has an analyst claim the open review of an onboarding, read it and
// approve it; a sign-off has another one.
func (s *Stack) decide(ctx context.Context, id uuid.UUID) error {
	o, err := s.Store.Get(ctx, client, id)
	if err != nil {
		return err
	}
	r, err := s.Store.OpenReview(ctx, o)
	if errors.Is(err, store.ErrNotFound) {
		return nil // decided meanwhile, or a moment ago
	}
	if err != nil {
		return err
	}
	key := s.Keys.Analyst
	if r.Kind == fsm.ReviewSignoff {
		key = s.Keys.Signoff
	}
	path := "/reviews/" + r.ID.String()
	claim := call{key: key, method: http.MethodPost, path: path + "/claim"}
	a, err := s.do(ctx, claim)
	if err != nil || a.status == http.StatusConflict {
		return err
	}
	read := call{key: key, method: http.MethodGet, path: path}
	if a, err = s.do(ctx, read); err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return read.unexpected(a)
	}
	q := call{
		key: key, method: http.MethodPatch, path: path, header: map[string]string{"If-Match": a.header.Get("ETag")},
		body: map[string]string{"decision": "approve", "reasonCode": "looked_at", "note": "decided by the proof"},
	}
	if a, err = s.do(ctx, q); err != nil {
		return err
	}
	switch a.status {
	case http.StatusOK, http.StatusConflict, http.StatusPreconditionFailed:
		return nil // 409, 412: the answer to an earlier try was lost
	}
	return q.unexpected(a)
}

// PlayAll plays the cases at the same time and returns what went wrong. The
// first error ends them all: they would only wait for each other's servers.
func (s *Stack) PlayAll(ctx context.Context, cases []Case) (wrong []error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var playing sync.WaitGroup
	for _, c := range cases {
		playing.Go(func() {
			err := s.Play(ctx, c)
			if err == nil || errors.Is(err, context.Canceled) {
				return
			}
			cancel()
			mu.Lock()
			defer mu.Unlock()
			wrong = append(wrong, err)
		})
	}
	playing.Wait()
	return wrong
}
