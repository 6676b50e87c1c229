package resumer

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

// later is a step's wish to be asked again: no failure of the row.
type later struct {
	delay time.Duration
	cause string
	free  bool // costs no attempt
}

func (l *later) Error() string { return "later: " + l.cause }

// boundedAttempts: a late upgrade is bounded by its deadline, the registry by
// its budget; everything else by a number of attempts.
func boundedAttempts(s fsm.State) bool { return s != fsm.Upgrading && s != fsm.CheckingDukcapil }

// fail decides what becomes of a row whose step gave no answer.
func (r *Resumer) fail(o *store.Onboarding, err error) {
	var wait *later
	var v *vendors.Error
	switch {
	case errors.Is(err, vendors.ErrLeasePassed):
		r.Log.Warn("lease passed; the row is somebody else's", "onboarding_id", o.ID, "state", o.State)
	case r.work.Err() != nil || errors.Is(err, context.Canceled): // cut off while draining
		r.postpone(o, 0, "", true)
	case errors.As(err, &wait):
		r.postpone(o, wait.delay, wait.cause, wait.free)
	case errors.As(err, &v) && !v.Retryable():
		r.park(o, v.Cause(), v.Error())
	case errors.As(err, &v) && v.Status == 429:
		// The vendor is busy, not the row at fault: no attempt is spent.
		r.postpone(o, max(v.RetryAfter, r.backoff(o.Attempts)), v.Cause(), true)
	case errors.As(err, &v):
		r.giveUpOrRetry(o, v.Cause(), v.RetryAfter)
	case errors.Is(err, store.ErrUnavailable):
		r.Log.Error("step failed", "onboarding_id", o.ID, "state", o.State, "attempt", o.Attempts, "error", err)
		r.sitOut(o)
	default:
		r.Log.Error("step failed", "onboarding_id", o.ID, "state", o.State, "attempt", o.Attempts, "error", err)
		r.giveUpOrRetry(o, "internal", 0)
	}
}

func (r *Resumer) giveUpOrRetry(o *store.Onboarding, cause string, atLeast time.Duration) {
	if o.Attempts >= r.MaxAttempts && boundedAttempts(o.State) {
		r.park(o, cause, cause)
		return
	}
	r.postpone(o, max(r.backoff(o.Attempts), atLeast), cause, false)
}

// sitOut gives a row back whose step the database did not take, a full disk for
// example. That is not the row's doing: however long it lasts, nothing parks.
// Should the move have been committed after all, the row is not given back.
func (r *Resumer) sitOut(o *store.Onboarding) {
	const patience = 5 // as after so many attempts
	r.postpone(o, r.backoff(patience), "", true)
}

// backoff is capped exponential with full jitter: anywhere between nothing and
// the cap of this attempt, so that an outage does not end in a storm.
func (r *Resumer) backoff(attempt int) time.Duration {
	return time.Duration(rand.Int64N(int64(exponential(r.RetryBase, r.RetryMax, attempt)) + 1))
}

func exponential(base, limit time.Duration, attempt int) time.Duration {
	d := base
	for i := 1; i < attempt && d < limit; i++ {
		d *= 2
	}
	return min(d, limit)
}

// outside is a context for giving a row back: it outlives the end of the work.
func (r *Resumer) outside() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.work), 5*time.Second)
}

func (r *Resumer) postpone(o *store.Onboarding, delay time.Duration, cause string, free bool) {
	ctx, cancel := r.outside()
	defer cancel()
	if cause != "" && !free {
		r.metrics.failed.WithLabelValues(string(o.State), cause).Inc()
		r.Log.Warn("step postponed", "onboarding_id", o.ID, "state", o.State, "attempt", o.Attempts, "cause", cause, "delay", delay)
	}
	if err := r.Store.Postpone(ctx, o, delay, cause, free); err != nil && !errors.Is(err, store.ErrMoved) {
		r.Log.Error("row not given back; its lease will pass", "onboarding_id", o.ID, "error", err)
	}
	r.wake(delay)
}

// park is an alert: a person has to look before this row goes on.
func (r *Resumer) park(o *store.Onboarding, cause, lastError string) {
	ctx, cancel := r.outside()
	defer cancel()
	r.metrics.parked.WithLabelValues(string(o.State), cause).Inc()
	r.Log.Error("parked", "onboarding_id", o.ID, "state", o.State, "attempt", o.Attempts, "cause", cause)
	if err := r.Store.Park(ctx, o, cause, lastError); err != nil && !errors.Is(err, store.ErrMoved) {
		r.Log.Error("row not parked; its lease will pass", "onboarding_id", o.ID, "error", err)
	}
}
