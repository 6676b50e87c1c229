package store_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/store"
)

// openReview makes an onboarding wait at a desk.
func (w *world) openReview(app string, s fsm.State) (*store.Onboarding, store.Review) {
	w.t.Helper()
	o := w.at(app, s)
	r, err := w.st.OpenReview(w.t.Context(), o)
	must(w.t, err)
	return o, r
}

func (w *world) review(id uuid.UUID) store.Review {
	w.t.Helper()
	r, err := w.st.Review(w.t.Context(), client, id)
	must(w.t, err)
	return r
}

func TestReviewOpens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, s := range fsm.States() {
		o := w.at(string(s), s)
		r, err := w.st.OpenReview(t.Context(), o)
		if s.Review() == "" {
			wantErr(t, err, store.ErrNotFound)
			continue
		}
		must(t, err)
		if r.Kind != s.Review() || r.State != store.ReviewOpen || r.OnboardingID != o.ID || r.ClientID != client || r.Version != o.Version ||
			store.Bucket(r.ID) != store.Bucket(o.ID) || r.ClaimedBy != "" || r.Decision != "" || r.DecidedAt != nil {
			t.Errorf("%s: %+v", s, r)
		}
		w.near("sla", &r.SLAAt, fsm.DefaultPolicy().Reviews[s.Review()].SLA)
		if got := w.review(r.ID); got != r {
			t.Errorf("%+v, want %+v", got, r)
		}
	}
}

func TestReviewDecided(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, r := w.openReview("app-1", fsm.AMLReview)
	w.move(&store.Move{Row: o, Event: fsm.ApproveHit, Facts: o.Facts, Actor: "person:sari", Reviewed: &store.Reviewed{
		ReviewID: r.ID, Decision: fsm.DecisionApprove, ReasonCode: "looked_at", Reviewer: "sari", Note: pii.NewSecret("seen her papers")}})
	got := w.review(r.ID)
	if got.State != store.ReviewDecided || got.Decision != fsm.DecisionApprove || got.DecidedBy != "sari" || got.ReasonCode != "looked_at" ||
		got.DecidedAt == nil || got.Version != o.Version {
		t.Errorf("%+v", got)
	}
	note, err := w.st.ReviewNote(t.Context(), o, r.ID)
	if err != nil || note.Reveal() != "seen her papers" {
		t.Errorf("note lost: %v", err)
	}
	next, err := w.st.OpenReview(t.Context(), o) // the sign-off is the next desk's
	if err != nil || next.Kind != fsm.ReviewSignoff || next.ID == r.ID {
		t.Errorf("%+v, %v", next, err)
	}
	if note, err := w.st.ReviewNote(t.Context(), o, next.ID); err != nil || !note.IsZero() {
		t.Errorf("a note from nowhere: %v", err)
	}
	_, err = w.st.ReviewNote(t.Context(), o, uuid.New())
	wantErr(t, err, store.ErrNotFound)
	w.same(o)
}

// TestReviewDecidedOnce: a decision carries the version it was made on and the
// review it is about; neither may have passed.
func TestReviewDecidedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, r := w.openReview("app-1", fsm.KTPReview)
	other, foreign := w.openReview(neighbour("app-1"), fsm.KTPReview)
	decide := func(o *store.Onboarding, id uuid.UUID, e fsm.Event, d fsm.ReviewDecision) error {
		return w.advance(&store.Move{Row: o, Event: e, Facts: o.Facts, Actor: "person:sari",
			Reviewed: &store.Reviewed{ReviewID: id, Decision: d, ReasonCode: "looked_at", Reviewer: "sari"}})
	}
	stale := *o
	must(t, decide(o, r.ID, fsm.Recapture, fsm.DecisionRecapture))
	w.unchanged(func() { wantErr(t, decide(&stale, r.ID, fsm.Approve, fsm.DecisionApprove), store.ErrMoved) })
	for _, e := range []fsm.Event{fsm.Submitted, fsm.Referred} { // the same customer at the same desk again
		w.move(&store.Move{Row: o, Event: e, Facts: o.Facts, Actor: actor})
	}
	w.unchanged(func() { // the decision is about the first visit
		wantErr(t, decide(o, r.ID, fsm.Approve, fsm.DecisionApprove), store.ErrMoved)
		wantErr(t, decide(o, foreign.ID, fsm.Approve, fsm.DecisionApprove), store.ErrMoved)
		wantErr(t, decide(o, uuid.New(), fsm.Approve, fsm.DecisionApprove), store.ErrMoved)
	})
	second, err := w.st.OpenReview(t.Context(), o)
	must(t, err)
	must(t, decide(o, second.ID, fsm.Reject, fsm.DecisionReject))
	w.same(o)
	if w.review(foreign.ID).State != store.ReviewOpen || w.get(other).State != fsm.KTPReview {
		t.Error("somebody else's review was decided")
	}
}

// neighbour is another application of the same client, in the same bucket.
func neighbour(app string) string {
	bucket := func(app string) byte { return sha256.Sum256([]byte(client + "\x00" + app))[0] }
	for i := 0; ; i++ {
		if other := fmt.Sprintf("neighbour-%d", i); bucket(other) == bucket(app) {
			return other
		}
	}
}

func TestReviewWithdrawn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, r := w.openReview("app-1", fsm.FraudReview)
	w.move(&store.Move{Row: o, Event: fsm.VerdictSupplied, Facts: o.Facts, Actor: actor})
	if got := w.review(r.ID); got.State != store.ReviewOpen {
		t.Errorf("a note closed the review: %s", got.State)
	}
	w.move(&store.Move{Row: o, Event: fsm.Cancel, Facts: o.Facts, Actor: actor})
	if got := w.review(r.ID); got.State != store.ReviewWithdrawn || got.Decision != "" || got.Version != o.Version {
		t.Errorf("%+v", got)
	}
	_, err := w.st.ClaimReview(t.Context(), client, r.ID, "sari", time.Minute)
	wantErr(t, err, store.ErrMoved)
}

func TestReviewClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, r := w.openReview("app-1", fsm.KTPReview)
	claim := func(person string, d time.Duration) (store.Review, error) {
		return w.st.ClaimReview(t.Context(), client, r.ID, person, d)
	}
	got, err := claim("sari", 10*time.Minute)
	must(t, err)
	if got.ClaimedBy != "sari" {
		t.Errorf("%+v", got)
	}
	w.near("claim", got.ClaimedUntil, 10*time.Minute)
	w.unchanged(func() {
		_, err := claim("budi", time.Hour)
		wantErr(t, err, store.ErrClaimed)
		wantErr(t, w.st.ReleaseReview(t.Context(), client, r.ID, "budi"), store.ErrClaimed)
	})
	got, err = claim("sari", 20*time.Minute) // renewed
	must(t, err)
	w.near("renewed", got.ClaimedUntil, 20*time.Minute)

	w.sql(`UPDATE reviews SET claimed_until = now() - interval '1 second'`) // the database's clock decides
	if got := w.review(r.ID); got.ClaimedBy != "" || got.ClaimedUntil != nil {
		t.Errorf("a claim that ran out shows: %+v", got)
	}
	must(t, w.st.ReleaseReview(t.Context(), client, r.ID, "budi")) // nobody's is alive: nothing to do
	got, err = claim("budi", time.Minute)
	if err != nil || got.ClaimedBy != "budi" {
		t.Errorf("%+v, %v", got, err)
	}
	must(t, w.st.ReleaseReview(t.Context(), client, r.ID, "budi"))
	if got := w.review(r.ID); got.ClaimedBy != "" {
		t.Errorf("released, and still %s's", got.ClaimedBy)
	}
	if _, err := claim("sari", time.Minute); err != nil {
		t.Errorf("after a release: %v", err)
	}
}

func TestReviewOfAnotherClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, r := w.openReview("app-1", fsm.KTPReview)
	w.unchanged(func() {
		_, err := w.st.Review(t.Context(), "other", r.ID)
		wantErr(t, err, store.ErrNotFound)
		_, err = w.st.ClaimReview(t.Context(), "other", r.ID, "sari", time.Minute)
		wantErr(t, err, store.ErrNotFound)
		wantErr(t, w.st.ReleaseReview(t.Context(), "other", r.ID, "sari"), store.ErrNotFound)
		_, err = w.st.Review(t.Context(), client, uuid.New())
		wantErr(t, err, store.ErrNotFound)
	})
	if got, err := w.st.Review(t.Context(), "", r.ID); err != nil || got.OnboardingID != o.ID {
		t.Errorf("without a client: %v", err)
	}
}

func TestReviewsList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	desks := []fsm.State{fsm.KTPReview, fsm.KTPReview, fsm.FraudReview, fsm.AMLReview, fsm.DukcapilReview}
	ids, onboardings := []uuid.UUID{}, []*store.Onboarding{}
	for i, s := range desks {
		o, r := w.openReview(fmt.Sprintf("app-%d", i), s)
		ids, onboardings = append(ids, r.ID), append(onboardings, o)
	}
	// The second and third were opened in the same instant.
	w.sql(`UPDATE reviews SET opened_at = (SELECT opened_at FROM reviews WHERE id = $1) WHERE id = $2`, ids[1], ids[2])
	if ids[1].String() > ids[2].String() {
		ids[1], ids[2] = ids[2], ids[1]
	}
	n := w.application("foreign")
	n.ClientID = "other"
	foreign := w.createAs(n)
	for _, e := range route(fsm.Registering, fsm.KTPReview) {
		w.move(&store.Move{Row: foreign, Event: e, Facts: foreign.Facts, Actor: actor})
	}
	w.move(&store.Move{Row: onboardings[4], Event: fsm.Cancel, Facts: onboardings[4].Facts, Actor: actor})
	w.move(&store.Move{Row: onboardings[3], Event: fsm.Reject, Facts: onboardings[3].Facts, Actor: actor,
		Reviewed: &store.Reviewed{ReviewID: ids[3], Decision: fsm.DecisionReject, ReasonCode: "hit", Reviewer: "sari"}})
	for i, person := range []string{"sari", "budi"} {
		_, err := w.st.ClaimReview(t.Context(), client, ids[i], person, time.Hour)
		must(t, err)
	}
	w.sql(`UPDATE reviews SET claimed_until = now() WHERE claimed_by = 'budi'`)

	list := func(f store.ReviewFilter) []store.Review {
		t.Helper()
		if f.ClientID == "" {
			f.ClientID = client
		}
		if f.Limit == 0 {
			f.Limit = 100
		}
		got, err := w.st.Reviews(t.Context(), f)
		must(t, err)
		return got
	}
	idsOf := func(rs []store.Review) (out []uuid.UUID) {
		for _, r := range rs {
			out = append(out, r.ID)
		}
		return out
	}
	var ktp []uuid.UUID
	for _, id := range ids {
		if w.review(id).Kind == fsm.ReviewKTP {
			ktp = append(ktp, id)
		}
	}
	for _, tc := range []struct {
		what string
		f    store.ReviewFilter
		want []uuid.UUID
	}{
		{"all, oldest first", store.ReviewFilter{}, ids},
		{"open", store.ReviewFilter{State: store.ReviewOpen}, ids[:3]},
		{"decided", store.ReviewFilter{State: store.ReviewDecided}, ids[3:4]},
		{"withdrawn", store.ReviewFilter{State: store.ReviewWithdrawn}, ids[4:]},
		{"of a kind", store.ReviewFilter{Kind: fsm.ReviewKTP}, ktp},
		{"sari's", store.ReviewFilter{Assignee: "sari"}, ids[:1]},
		{"budi's, whose claim ran out", store.ReviewFilter{Assignee: "budi"}, nil},
		{"of an onboarding", store.ReviewFilter{Onboarding: onboardings[3].ID}, ids[3:4]},
		{"of another client's onboarding", store.ReviewFilter{Onboarding: foreign.ID}, nil},
		{"the first two", store.ReviewFilter{Limit: 2}, ids[:2]},
	} {
		if got := idsOf(list(tc.f)); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.what, got, tc.want)
		}
	}
	var paged []uuid.UUID
	var after *store.Position
	for range len(ids) + 1 {
		page := list(store.ReviewFilter{Limit: 1, After: after})
		if len(page) == 0 {
			break
		}
		paged = append(paged, page[0].ID)
		after = &store.Position{At: page[0].OpenedAt, ID: page[0].ID}
	}
	if !slices.Equal(paged, ids) {
		t.Errorf("page by page: %v, want %v", paged, ids)
	}
}
