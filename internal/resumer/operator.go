package resumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
)

// Retry implements Requests.
func (r *Resumer) Retry(ctx context.Context, clientID string, id uuid.UUID, actor string) (store.View, error) {
	return r.retryMoved(ctx, clientID, id, func(o *store.Onboarding) (store.View, error) {
		if o.ParkedAt == nil {
			return o.View(), ErrInvalidState
		}
		return r.unpark(ctx, o, actor)
	})
}

func (r *Resumer) unpark(ctx context.Context, o *store.Onboarding, actor string) (store.View, error) {
	m := &store.Move{
		Row: o, Event: fsm.RetryRequested, Facts: o.Facts, Actor: actor,
		Evidence: map[string]string{"cause": o.ParkCause}, DueIn: new(time.Duration),
	}
	if err := r.Store.Advance(ctx, m)[0]; err != nil {
		return store.View{}, err
	}
	crashpoint.Hit("unpark-committed")
	r.Log.Info("sent on by an operator", "onboarding_id", o.ID, "state", o.State, "version", o.Version)
	r.wake(0)
	return o.View(), nil
}

// retryBatch is how many parked rows one request handles.
const retryBatch = 10_000

// RetryParked implements Requests.
func (r *Resumer) RetryParked(ctx context.Context, clientID, cause string, dryRun bool, actor string) (RetryResult, error) {
	ids, err := r.Store.Parked(ctx, clientID, cause, retryBatch)
	if err != nil {
		return RetryResult{}, err
	}
	out := RetryResult{Matched: len(ids), IDs: ids[:min(len(ids), 100)]}
	if dryRun {
		return out, nil
	}
	for _, id := range ids {
		switch _, err := r.Retry(ctx, clientID, id, actor); {
		case err == nil:
			out.Retried++
		case !errors.Is(err, ErrInvalidState): // sent on or cancelled meanwhile: nothing to do
			return out, err
		}
	}
	return out, nil
}

// Explain implements Requests.
func (r *Resumer) Explain(ctx context.Context, clientID string, id uuid.UUID) (Explanation, error) {
	o, err := r.Store.Get(ctx, clientID, id)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{
		ID: o.ID, State: o.State, Version: o.Version, Since: o.StateSince, DueAt: o.DueAt, Attempts: o.Attempts,
		ParkedAt: o.ParkedAt, ParkCause: o.ParkCause, LastError: o.LastError, LastErrorAt: o.LastErrorAt,
	}
	if boundedAttempts(o.State) && o.State.Kind() == fsm.Work {
		e.AttemptsLeft = max(r.MaxAttempts-o.Attempts, 0)
	}
	e.WaitingFor, e.NextAction = blocking(o)
	return e, nil
}

// blocking says who has to act, and what happens next.
func blocking(o *store.Onboarding) (waitingFor, nextAction string) {
	switch {
	case o.ParkedAt != nil:
		return "operator", "An operator removes the cause and sends the onboarding on: POST /onboardings/{id}/retry."
	case o.State.Kind() == fsm.Final:
		return "nobody", "Nothing: the onboarding has ended."
	case o.State.Review() != "":
		return "analyst", fmt.Sprintf("An analyst decides the open %s review.", o.State.Review())
	case o.State.Expires():
		return "customer", "The customer hands in a capture before the deadline, or the onboarding expires."
	case o.State == fsm.Upgrading:
		return "vendor", "Dukcapil is asked again at dueAt, until the policy's upgrade deadline."
	case o.Lease != uuid.Nil:
		return "vendor", "An attempt is running; if its process died, another takes over at dueAt."
	default:
		return "vendor", "The next attempt starts at dueAt."
	}
}
