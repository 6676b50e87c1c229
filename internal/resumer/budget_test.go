package resumer_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/sandbox"
	"github.com/gerbang-id/gerbang/internal/store"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

// TestBulkScreening: many onboardings share few calls, and no call is refused.
func TestBulkScreening(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *fsm.Policy, c *resumer.Config) {
		c.PollInterval, c.Limits = 50*time.Millisecond, map[string]int{vendors.BucketScreenings: 20}
	})
	w.sb.SetLimits(map[string]int{vendors.BucketScreenings: 20})
	w.run()
	var ids []uuid.UUID
	for n := range 40 {
		v, _, err := w.r.Create(t.Context(), application("bulk-"+string(rune('a'+n%26))+string(rune('a'+n/26)), "Dewi Biasa", nil))
		must(t, err)
		ids = append(ids, v.ID)
	}
	done := make(chan struct{})
	for _, id := range ids {
		go func() { w.play(id); done <- struct{}{} }()
	}
	for range ids {
		<-done
	}
	calls, subjects := 0, 0
	for _, e := range w.sb.Journal() {
		if e.Call == "screenings.create" {
			calls++
			subjects += e.Done
		}
	}
	if subjects != 40 || calls > 20 || w.sb.Effects().RateLimited[vendors.BucketScreenings] != 0 {
		t.Errorf("%d screenings in %d calls, %d refused", subjects, calls, w.sb.Effects().RateLimited[vendors.BucketScreenings])
	}
}

// TestBulkTakenApart: one subject's failure is that subject's alone.
func TestBulkTakenApart(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]sandbox.Fault{
		"by position":      {Kind: sandbox.FaultSubjectError, ExternalID: "part-b", Count: 1},
		"refused whole":    {Kind: sandbox.FaultStatus, Status: 422, Count: 1},
		"answer lost":      {Kind: sandbox.FaultResetAfter, Count: 1},
		"truncated answer": {Kind: sandbox.FaultTruncated, Count: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(_ *fsm.Policy, c *resumer.Config) {
				c.PollInterval, c.Linger = 20*time.Millisecond, 200*time.Millisecond
			})
			w.fault(sandbox.Fault{Call: "screenings.create", Kind: sandbox.FaultStatus, Status: 503})
			var ids []uuid.UUID
			for _, app := range []string{"part-a", "part-b", "part-c"} {
				v, _, err := w.r.Create(t.Context(), application(app, "Dewi Biasa "+app, nil))
				must(t, err)
				w.r.Idle()
				ids = append(ids, v.ID)
				for w.get(v.ID).State != fsm.ScreeningAML {
					w.drive1(v.ID)
				}
			}
			w.sb.ClearFaults()
			f.Call = "screenings.create"
			w.fault(f)
			_, err := w.db.Pool.Exec(t.Context(), `UPDATE onboardings SET due_at = now()`)
			must(t, err)
			w.run()
			for _, id := range ids {
				o := w.await(id, func(o *store.Onboarding) bool { return o.State.Kind() == fsm.Final || o.ParkedAt != nil })
				if o.State != fsm.Approved {
					t.Errorf("%s in %s, parked for %q", o.ApplicationID, o.State, o.ParkCause)
				}
				w.checkInvariants(id)
			}
		})
	}
}

// TestOutage: when a product gives no answers at all, its breaker opens, rows
// wait without spending attempts, and all goes on when it is back.
func TestOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *fsm.Policy, c *resumer.Config) {
		c.PollInterval, c.RetryBase, c.RetryMax = 5*time.Millisecond, 200*time.Millisecond, 400*time.Millisecond
		c.MaxAttempts = 6
	})
	w.run()
	w.fault(sandbox.Fault{Call: "customers.create", Kind: sandbox.FaultStatus, Status: 503})
	var ids []uuid.UUID
	for n := range 30 {
		v, _, err := w.r.Create(t.Context(), application("out-"+string(rune('a'+n)), "Dewi Biasa", nil))
		must(t, err)
		ids = append(ids, v.ID)
	}
	calls := func() (n int) {
		for _, e := range w.sb.Journal() {
			if e.Call == "customers.create" {
				n++
			}
		}
		return n
	}
	_, err := w.sb.Await(t.Context(), func(e sandbox.Entry) bool { return e.Seq > 24 })
	must(t, err)
	w.sb.ClearFaults()
	for _, id := range ids {
		w.await(id, func(o *store.Onboarding) bool { return o.State == fsm.AwaitingKTP && o.ParkedAt == nil })
	}
	if n := calls(); n > 6*30 {
		t.Errorf("%d calls for 30 customers", n)
	}
}

// TestLimitSharedByReplicas: two processes together stay within one limit.
func TestLimitSharedByReplicas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	granted := 0
	for n := range 30 {
		tokens, err := w.st.TakeTokens(t.Context(), "shared", 1+n%3, 25)
		must(t, err)
		granted += tokens.Granted
		if tokens.Granted == 0 && (tokens.RetryIn < 55*time.Second || tokens.RetryIn > 62*time.Second) {
			t.Errorf("ask again in %v", tokens.RetryIn)
		}
	}
	if granted != 25 {
		t.Errorf("%d granted of 25", granted)
	}
	must(t, w.st.BlockGate(t.Context(), "blocked", 7*time.Second))
	tokens, err := w.st.TakeTokens(t.Context(), "blocked", 1, 25)
	must(t, err)
	if tokens.Granted != 0 || tokens.RetryIn > 7*time.Second || tokens.RetryIn < 5*time.Second {
		t.Errorf("blocked gate: %+v", tokens)
	}
}
