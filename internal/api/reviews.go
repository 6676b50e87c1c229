package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/store"
)

// claimLease is how long a claimed review stays with its analyst without being
// claimed again: a long look at a case, and no lost day when somebody leaves.
const claimLease = 15 * time.Minute

// reviewView is a case as the queue shows it.
type reviewView struct {
	ID           uuid.UUID           `json:"id"`
	OnboardingID uuid.UUID           `json:"onboardingId"`
	Kind         fsm.ReviewKind      `json:"kind"`
	State        store.ReviewState   `json:"state"`
	ClaimedBy    *string             `json:"claimedBy"`
	ClaimedUntil *time.Time          `json:"claimedUntil"`
	OpenedAt     time.Time           `json:"openedAt"`
	AgeSeconds   int64               `json:"ageSeconds"` // until now, or until it was decided
	SLAAt        time.Time           `json:"slaAt"`
	Overdue      bool                `json:"overdue"`
	Decision     *fsm.ReviewDecision `json:"decision"`
	ReasonCode   *string             `json:"reasonCode"`
	DecidedBy    *string             `json:"decidedBy"`
	DecidedAt    *time.Time          `json:"decidedAt"`
	Version      int64               `json:"version"`
}

func reviewOf(r store.Review, now time.Time) reviewView {
	end := now
	if r.DecidedAt != nil {
		end = *r.DecidedAt
	}
	return reviewView{
		ID: r.ID, OnboardingID: r.OnboardingID, Kind: r.Kind, State: r.State,
		ClaimedBy: orNull(r.ClaimedBy), ClaimedUntil: utc(r.ClaimedUntil),
		OpenedAt: r.OpenedAt.UTC(), AgeSeconds: max(0, int64(end.Sub(r.OpenedAt).Seconds())),
		SLAAt: r.SLAAt.UTC(), Overdue: r.State != store.ReviewWithdrawn && end.After(r.SLAAt),
		Decision: orNull(r.Decision), ReasonCode: orNull(r.ReasonCode), DecidedBy: orNull(r.DecidedBy),
		DecidedAt: utc(r.DecidedAt), Version: r.Version,
	}
}

func (s *server) listReviews(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r, "kind", "state", "assignee", "limit", "cursor")
	limit := q.number("limit", 1, maxPage, defaultPage)
	filter := store.ReviewFilter{
		ClientID: caller(r).ClientID,
		Kind:     oneOf(q, "kind", fsm.ReviewKinds(), ""),
		State:    oneOf(q, "state", []store.ReviewState{store.ReviewOpen, store.ReviewDecided, store.ReviewWithdrawn}, store.ReviewOpen),
		Assignee: q.text("assignee", "text", isText),
		Limit:    limit + 1,
		After:    q.after(),
	}
	if filter.Assignee == "me" {
		filter.Assignee = caller(r).person()
	}
	if err := q.err(); err != nil {
		return err
	}
	found, err := s.Store.Reviews(r.Context(), filter)
	if err != nil {
		return err
	}
	now := time.Now()
	return writePage(w, r, found, limit,
		func(v store.Review) reviewView { return reviewOf(v, now) },
		func(v store.Review) string { return cursorAfter(store.Position{At: v.OpenedAt, ID: v.ID}) })
}

func writeReview(w http.ResponseWriter, v store.Review) error {
	w.Header().Set("ETag", etag(v.Version))
	return writeJSON(w, http.StatusOK, reviewOf(v, time.Now()))
}

func (s *server) claimReview(w http.ResponseWriter, r *http.Request) error {
	if err := decodeEmpty(s, w, r); err != nil {
		return err
	}
	id, err := pathID(r)
	if err != nil {
		return err
	}
	v, err := s.Store.ClaimReview(r.Context(), caller(r).ClientID, id, caller(r).person(), claimLease)
	if errors.Is(err, store.ErrMoved) {
		return errReviewClosed
	}
	if err != nil {
		return err
	}
	return writeReview(w, v)
}

func (s *server) releaseReview(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if err := s.Store.ReleaseReview(r.Context(), caller(r).ClientID, id, caller(r).person()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

type decisionRequest struct {
	Decision   fsm.ReviewDecision `json:"decision" validate:"required,oneof=approve reject recapture"`
	ReasonCode string             `json:"reasonCode" validate:"required,word"`
	Note       pii.Secret         `json:"note" validate:"max=2000"`
}

func (s *server) decideReview(w http.ResponseWriter, r *http.Request) error {
	in, err := decode[decisionRequest](s, w, r)
	if err != nil {
		return err
	}
	version, err := matchVersion(r.Header.Get("If-Match"))
	if err != nil {
		return err
	}
	id, err := pathID(r)
	if err != nil {
		return err
	}
	me := caller(r)
	review, err := s.Store.Review(r.Context(), me.ClientID, id)
	if err != nil {
		return err
	}
	if review.Kind == fsm.ReviewSignoff {
		if err := me.require(ReviewsSignoff); err != nil {
			return err
		}
	}
	decided, err := s.Requests.Decide(r.Context(), resumer.ReviewRequest{
		ClientID: me.ClientID, ReviewID: id, Version: version, Decision: in.Decision, ReasonCode: in.ReasonCode,
		Note: in.Note, Person: me.person(), Actor: me.actor(),
	})
	switch {
	case errors.Is(err, resumer.ErrInvalidState), errors.Is(err, store.ErrMoved), errors.Is(err, fsm.ErrIllegal):
		return errReviewClosed
	case err != nil:
		return err
	}
	return writeReview(w, decided)
}
