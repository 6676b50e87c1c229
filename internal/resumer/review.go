package resumer

import (
	"context"
	"errors"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
)

// Decide implements Requests. Of two analysts on one case one wins: the other
// holds a version that has passed.
func (r *Resumer) Decide(ctx context.Context, q ReviewRequest) (store.Review, error) {
	rev, err := r.decide(ctx, q)
	if errors.Is(err, store.ErrMoved) {
		// Perhaps only a verdict was noted meanwhile, and the case is as it was.
		rev, err = r.decide(ctx, q)
	}
	if errors.Is(err, store.ErrMoved) {
		err = ErrStaleVersion
	}
	return rev, err
}

func (r *Resumer) decide(ctx context.Context, q ReviewRequest) (store.Review, error) {
	rev, err := r.Store.Review(ctx, q.ClientID, q.ReviewID)
	if err != nil {
		return rev, err
	}
	switch {
	case rev.Version != q.Version:
		return rev, ErrStaleVersion
	case rev.State != store.ReviewOpen:
		return rev, ErrInvalidState
	case rev.ClaimedBy != "" && rev.ClaimedBy != q.Person:
		return rev, store.ErrClaimed
	}
	o, err := r.Store.Get(ctx, q.ClientID, rev.OnboardingID)
	if err != nil {
		return rev, err
	}
	if o.State.Review() != rev.Kind {
		return rev, ErrStaleVersion
	}
	if !o.Policy.AllowsReason(rev.Kind, q.Decision, q.ReasonCode) {
		return rev, ErrReasonNotListed
	}
	e := fsm.ReviewEvidence{ReviewID: rev.ID.String(), Decision: q.Decision, ReasonCode: q.ReasonCode, Reviewer: q.Person}
	d, err := fsm.DecideReview(o.Case(), e)
	if err != nil {
		return rev, err
	}
	m := &store.Move{
		Row: o, Event: d.Event, Facts: d.Facts, Actor: q.Actor, Evidence: e,
		Reviewed: &store.Reviewed{
			ReviewID: rev.ID, Decision: q.Decision, ReasonCode: q.ReasonCode, Reviewer: q.Person, Note: q.Note,
		},
	}
	crashpoint.Hit("review-before-decision")
	if _, err := r.move(ctx, m); err != nil {
		return rev, err
	}
	crashpoint.Hit("review-decided")
	return r.Store.Review(ctx, q.ClientID, q.ReviewID)
}
