package resumer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/sandbox"
	"github.com/gerbang-id/gerbang/internal/store"
)

// run starts the poll, as the service does.
func (w *world) run() {
	go w.r.Run(context.WithoutCancel(w.t.Context())) // ends at Drain
}

// await blocks until the onboarding is as wanted; the deadline is the test's.
func (w *world) await(id uuid.UUID, wanted func(*store.Onboarding) bool) *store.Onboarding {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 60*time.Second)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond) // parking is no move, so nobody announces it
	defer again.Stop()
	for {
		moved, stop := w.st.Watch(id)
		o := w.get(id)
		if wanted(o) {
			stop()
			return o
		}
		select {
		case <-moved:
		case <-again.C:
		case <-ctx.Done():
			w.t.Fatalf("%s is still in %s, attempt %d, parked %q, last error %q", id, o.State, o.Attempts, o.ParkCause, o.LastError)
		}
		stop()
	}
}

// play answers every capture until the onboarding ends, as a customer whose app
// asks again when there is no challenge to be had.
func (w *world) play(id uuid.UUID) *store.Onboarding {
	w.t.Helper()
	for {
		o := w.await(id, func(o *store.Onboarding) bool { return o.State.Kind() == fsm.Final || o.State.Expires() })
		p := store.KTP
		switch o.State {
		case fsm.AwaitingKTP:
		case fsm.AwaitingSelfie:
			p = store.Face
		default:
			return o
		}
		var unavailable *resumer.VendorUnavailable
		c, err := w.tryCapture(id, p)
		for errors.As(err, &unavailable) {
			c, err = w.tryCapture(id, p)
		}
		must(w.t, err)
		_, err = w.r.SubmitCapture(w.t.Context(), client, id, c, "key:test")
		must(w.t, err)
	}
}

var faultyCalls = []string{
	"customers.create", "ktp.challenge", "ktp.capture", "face.challenge", "step-up",
	"dukcapil.verify", "dukcapil.ingest", "screenings.create", "evaluate",
}

// TestTransientFaults: whatever a vendor does wrong, twice each, every
// onboarding ends where it would have ended, and no effect is done twice.
func TestTransientFaults(t *testing.T) {
	t.Parallel()
	for _, f := range []sandbox.Fault{
		{Kind: sandbox.FaultStatus, Status: 500}, {Kind: sandbox.FaultStatus, Status: 503}, {Kind: sandbox.FaultStatus, Status: 429},
		{Kind: sandbox.FaultStatusAfter, Status: 500}, {Kind: sandbox.FaultResetBefore}, {Kind: sandbox.FaultResetAfter},
		{Kind: sandbox.FaultHangAfter}, {Kind: sandbox.FaultTruncated}, {Kind: sandbox.FaultHTML},
	} {
		name := f.Kind
		if f.Status != 0 {
			name += strings.Repeat("x", f.Status/100) // a name per status
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(_ *fsm.Policy, c *resumer.Config) { c.PollInterval = 20 * time.Millisecond; c.MaxAttempts = 8 })
			w.run()
			for _, call := range faultyCalls {
				t.Run(call, func(t *testing.T) {
					t.Parallel()
					w := w.in(t)
					app := "app-" + call
					f := f
					f.Call, f.Count, f.ExternalID = call, 2, app
					w.fault(f)
					v, _, err := w.r.Create(t.Context(), application(app, "Citra Biasa "+call, nil))
					must(t, err)
					o := w.play(v.ID)
					if o.State != fsm.Approved || o.Level != fsm.Premium {
						t.Errorf("ended in %s at %q", o.State, o.Level)
					}
					w.checkInvariants(v.ID)
				})
			}
		})
	}
}

// TestPermanentFaultParks: a refusal that would be repeated is an operator's,
// shows as processing to the customer, and goes on when sent on.
func TestPermanentFaultParks(t *testing.T) {
	t.Parallel()
	for state, call := range callOf {
		if call == "dukcapil.verify" {
			continue // the registry's refusals never hold a customer
		}
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.fault(sandbox.Fault{Call: call, Kind: sandbox.FaultStatus, Status: 403, Count: 1})
			id := w.create(plain, nil)
			for w.get(id).State != state {
				w.drive1(id)
			}
			o := w.get(id)
			if o.ParkedAt == nil || !strings.HasSuffix(o.ParkCause, call+":403") || o.State.Status() != fsm.StatusProcessing {
				t.Fatalf("parked %v for %q in %s", o.ParkedAt, o.ParkCause, o.State)
			}
			e, err := w.r.Explain(t.Context(), client, id)
			must(t, err)
			if e.WaitingFor != "operator" || e.ParkCause != o.ParkCause || e.LastError == "" {
				t.Errorf("explanation: %+v", e)
			}
			dry, err := w.r.RetryParked(t.Context(), client, o.ParkCause, true, "key:op")
			must(t, err)
			if dry.Matched != 1 || dry.Retried != 0 || w.get(id).ParkedAt == nil {
				t.Errorf("dry run: %+v", dry)
			}
			if none, err := w.r.RetryParked(t.Context(), "somebody-else", o.ParkCause, false, "key:op"); err != nil || none.Matched != 0 {
				t.Errorf("another client retried our row: %+v, %v", none, err)
			}
			did, err := w.r.RetryParked(t.Context(), client, o.ParkCause, false, "key:op")
			must(t, err)
			if did.Retried != 1 {
				t.Errorf("retried: %+v", did)
			}
			w.drive(id, path{})
			if o := w.get(id); o.State != fsm.Approved || o.Level != fsm.Premium {
				t.Errorf("ended in %s at %q", o.State, o.Level)
			}
			w.checkInvariants(id)
		})
	}
}

// drive1 makes one move.
func (w *world) drive1(id uuid.UUID) {
	w.t.Helper()
	switch w.get(id).State {
	case fsm.AwaitingKTP:
		w.capture(id, store.KTP)
	case fsm.AwaitingSelfie:
		w.capture(id, store.Face)
	default:
		w.tick(id)
	}
}

// TestAttemptsRunOut: a fault that stays parks after the attempts, and one
// retry of the operator gives them all back.
func TestAttemptsRunOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *fsm.Policy, c *resumer.Config) { c.MaxAttempts = 3 })
	w.fault(sandbox.Fault{Call: "customers.create", Kind: sandbox.FaultStatus, Status: 500, Count: 3})
	id := w.create(plain, nil)
	w.tick(id)
	if o := w.get(id); o.ParkedAt != nil || o.Attempts != 2 {
		t.Fatalf("after two attempts: parked %v, attempts %d", o.ParkedAt, o.Attempts)
	}
	w.tick(id)
	if o := w.get(id); o.ParkedAt == nil || o.ParkCause != "identity.customers.create:500" {
		t.Fatalf("after three attempts: parked for %q", o.ParkCause)
	}
	w.tick(id)
	if o := w.get(id); o.Attempts != 3 {
		t.Fatalf("a parked row was claimed: attempt %d", o.Attempts)
	}
	_, err := w.r.Retry(t.Context(), client, id, "key:op")
	must(t, err)
	if _, err := w.r.Retry(t.Context(), client, id, "key:op"); !errors.Is(err, resumer.ErrInvalidState) {
		t.Errorf("a second retry: %v", err)
	}
	w.tick(id)
	if o := w.get(id); o.State != fsm.AwaitingKTP {
		t.Errorf("after the retry: %s", o.State)
	}
	w.checkInvariants(id)
}

// TestRowThatKillsItsProcess: attempts count at the claim, so a row whose
// worker never comes back parks as well.
func TestRowThatKillsItsProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *fsm.Policy, c *resumer.Config) { c.MaxAttempts = 3 })
	w.fault(sandbox.Fault{Call: "customers.create", Kind: sandbox.FaultStatus, Status: 500, Count: 1})
	id := w.create(plain, nil)
	for range 2 { // claimed, and then the process dies
		_, err := w.db.Pool.Exec(t.Context(), `UPDATE onboardings SET due_at = now() WHERE id = $1`, id)
		must(t, err)
		_, err = w.st.Claim(t.Context(), 1, time.Millisecond)
		must(t, err)
	}
	w.tick(id)
	if o := w.get(id); o.ParkCause != "attempts_exhausted" {
		t.Errorf("parked for %q at attempt %d", o.ParkCause, o.Attempts)
	}
}

// TestPatienceOfVendors: a 429 costs no attempt, and is not asked again before
// the vendor's time.
func TestPatienceOfVendors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fault(sandbox.Fault{Call: "customers.create", Kind: sandbox.FaultStatus, Status: 429, RetryAfter: 7, Count: 1})
	id := w.create(plain, nil)
	o := w.get(id)
	if o.Attempts != 0 || o.DueAt == nil || o.DueAt.Sub(o.DBNow()) < 6*time.Second {
		t.Errorf("attempts %d, due in %v", o.Attempts, o.DueAt.Sub(o.DBNow()))
	}
	if o.LastError != "identity.customers.create:429" {
		t.Errorf("last error %q", o.LastError)
	}
}

// TestDukcapilBudget: the registry never holds a customer beyond its budget,
// counted from the moment the state was entered, over crashes too.
func TestDukcapilBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fault(sandbox.Fault{Call: "dukcapil.verify", Kind: sandbox.FaultStatus, Status: 503})
	id := w.create(plain, nil)
	for w.get(id).State != fsm.CheckingDukcapil {
		w.drive1(id)
	}
	w.age(id, 21*time.Second)
	w.tick(id)
	o := w.get(id)
	if o.State != fsm.Upgrading || o.Facts.Dukcapil != fsm.DukcapilDeferred || o.Level != fsm.Standard {
		t.Fatalf("%s, %q, level %q", o.State, o.Facts.Dukcapil, o.Level)
	}
	w.tick(id) // the outage goes on: asked again, later each time
	if o := w.get(id); o.State != fsm.Upgrading || o.ParkedAt != nil || o.LastError == "" {
		t.Fatalf("%s, parked %v, last error %q", o.State, o.ParkedAt, o.LastError)
	}
	w.sb.ClearFaults()
	w.drive(id, path{})
	if o := w.get(id); o.Level != fsm.Premium {
		t.Errorf("level %q after the upgrade", o.Level)
	}
	w.checkInvariants(id)
}

// TestChallengeRunsOutAtTheVendor: an outage that outlives the challenge costs
// the customer another capture, but no attempt, and parks nothing.
func TestChallengeRunsOutAtTheVendor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fault(sandbox.Fault{Call: "ktp.capture", Kind: sandbox.FaultStatus, Status: 503, Count: 1})
	w.fault(sandbox.Fault{Call: "ktp.capture", Kind: sandbox.FaultStatus, Status: 422, Count: 1})
	id := w.create(plain, nil)
	w.capture(id, store.KTP)
	_, err := w.db.Pool.Exec(t.Context(), `UPDATE challenges SET expires_at = now() WHERE onboarding_id = $1`, id)
	must(t, err)
	w.tick(id)
	if o := w.get(id); o.State != fsm.AwaitingKTP {
		t.Fatalf("in %s, parked for %q", o.State, o.ParkCause)
	}
	w.drive(id, path{})
	if o := w.get(id); o.Level != fsm.Premium {
		t.Errorf("level %q", o.Level)
	}
}
