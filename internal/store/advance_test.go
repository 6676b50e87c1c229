package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/store"
)

func TestAdvance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create("app-1")
	f := fsm.Facts{CustomerID: "cus_1"}
	w.move(&store.Move{Row: o, Event: fsm.Passed, Facts: f, Actor: "system", Evidence: fsm.RegisterEvidence{CustomerID: "cus_1"}})
	if o.State != fsm.AwaitingKTP || o.Version != 2 || o.Facts.CustomerID != "cus_1" || o.DueAt != nil || o.Lease != never {
		t.Errorf("%+v", state(o))
	}
	w.same(o)
	events, err := w.st.Events(t.Context(), client, o.ID)
	must(t, err)
	if e := events[1]; e.Seq != 2 || e.Event != fsm.Passed || e.From != fsm.Registering || e.To != fsm.AwaitingKTP ||
		e.Actor != "system" || string(e.Payload) != `{"customerId":"cus_1"}` || e.Commitment != nil {
		t.Errorf("%+v", e)
	}
}

// TestAdvanceEveryEdge makes every move of the table by hand and compares what
// is at hand afterwards with what a reader finds.
func TestAdvanceEveryEdge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, e := range fsm.Edges() {
		o := w.at(string(e.From)+"/"+string(e.Event), e.From)
		f := o.Facts
		f.Dukcapil = fsm.DukcapilValid
		w.move(&store.Move{Row: o, Event: e.Event, Facts: f, Actor: actor})
		if o.State != e.To || o.DeclineReason != e.Reason || (e.To.Status() == fsm.StatusApproved) != (o.Level == fsm.Premium) {
			t.Errorf("%s by %s: %s, %q, %q", e.From, e.Event, o.State, o.DeclineReason, o.Level)
		}
		w.same(o)
	}
}

// TestAdvancePersonal: what was read and what is to be recorded arrives, and
// goes when it is no longer needed.
func TestAdvancePersonal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.at("app-1", fsm.CheckingDukcapil)
	w.move(&store.Move{Row: o, Event: fsm.Passed, Facts: o.Facts, Actor: actor, Identity: &identity, Verdict: &verdict, Personal: verdict})
	w.same(o)
	if got := w.get(o); got.Identity.NIK.Reveal() != nik || got.Verdict == nil || !got.Verdict.Photo.Equal(verdict.Photo) {
		t.Error("identity or verdict did not come back")
	}
	w.move(&store.Move{Row: o, Event: fsm.Passed, Facts: o.Facts, Actor: actor, DropVerdict: true})
	w.same(o)
	if got := w.get(o); got.Verdict != nil || got.Identity.NIK.Reveal() != nik {
		t.Error("the verdict outlives its recording, or the identity does not")
	}
}

// TestAdvanceRefused: of a move that is not made, nothing is written.
func TestAdvanceRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lease := uuid.New()
	leased := func(app string) *store.Onboarding {
		o := w.at(app, fsm.VerifyingKTP)
		w.sql(`UPDATE onboardings SET lease = $2, due_at = now() + interval '1 hour' WHERE id = $1`, o.ID, lease)
		return w.get(o)
	}
	for _, tc := range []struct {
		name   string
		change func(m *store.Move)
		want   error
	}{
		{"an old version", func(m *store.Move) { m.Row.Version-- }, store.ErrMoved},
		{"a version to come", func(m *store.Move) { m.Row.Version++ }, store.ErrMoved},
		{"another state", func(m *store.Move) { m.Row.State = fsm.VerifyingSelfie }, store.ErrMoved},
		{"somebody else's claim", func(m *store.Move) { m.Claim = uuid.New() }, store.ErrMoved},
		{"a claim that has passed", func(*store.Move) {
			w.sql(`UPDATE onboardings SET due_at = now() - interval '1 second' WHERE lease = $1`, lease)
		}, store.ErrMoved},
		{"a claim that was given back", func(*store.Move) {
			w.sql(`UPDATE onboardings SET lease = NULL WHERE lease = $1`, lease)
		}, store.ErrMoved},
		{"no such row", func(m *store.Move) { m.Row.ID[3]++ }, store.ErrMoved},
		{"another bucket", func(m *store.Move) { m.Row.ID[15]++ }, store.ErrMoved},
		{"outside the table", func(m *store.Move) { m.Event = fsm.Approve }, fsm.ErrIllegal},
		{"an unknown event", func(m *store.Move) { m.Event = "teleport" }, fsm.ErrIllegal},
	} {
		o := leased(tc.name)
		sub := submission(store.KTP, 2, "nonce", "bundle")
		must(t, w.st.RecordChallenge(t.Context(), o.ID, store.KTP, "nonce", "fc_1", time.Now().Add(time.Hour)))
		m := &store.Move{Row: o, Event: fsm.Referred, Facts: o.Facts, Actor: actor, Claim: lease, Identity: &identity, Submission: sub}
		tc.change(m)
		before := *o
		w.unchanged(func() {
			if err := w.advance(m); err == nil {
				t.Errorf("%s: moved", tc.name)
			} else {
				wantErr(t, err, tc.want)
			}
		})
		if o.State != before.State || o.Version != before.Version || o.Lease != before.Lease {
			t.Errorf("%s: the caller's row changed", tc.name)
		}
	}
}

// TestAdvanceUnderItsClaim is the counterpart: with the claim it goes.
func TestAdvanceUnderItsClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("app-1")
	rows, err := w.st.Claim(t.Context(), 1, time.Hour)
	must(t, err)
	o := rows[0]
	w.move(&store.Move{Row: o, Claim: o.Lease, Event: fsm.Passed, Facts: o.Facts, Actor: actor})
	w.same(o)
}

// TestAdvanceOnceOnly: of many who believe the same, one is right.
func TestAdvanceOnceOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.at("app-1", fsm.AwaitingKTP)
	const n = 8
	errs := [n]error{}
	var wg sync.WaitGroup
	for i := range n {
		row := *o
		wg.Go(func() {
			errs[i] = w.st.Advance(t.Context(), &store.Move{Row: &row, Event: fsm.Submitted, Facts: row.Facts, Actor: actor,
				Submission: submission(store.KTP, 1, "nonce", string(rune('a'+i)))})[0]
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			wantErr(t, err, store.ErrMoved)
		}
	}
	if captures := one[int](w, `SELECT count(*) FROM captures`); won != 1 || captures != 1 {
		t.Errorf("%d moves, %d captures", won, captures)
	}
	w.same(w.get(o))
}

// TestAdvanceMany: each move has its own outcome.
func TestAdvanceMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b, c := w.create("app-a"), w.create("app-b"), w.create("app-c")
	b.Version++
	errs := w.st.Advance(t.Context(),
		&store.Move{Row: a, Event: fsm.Passed, Facts: a.Facts, Actor: actor},
		&store.Move{Row: b, Event: fsm.Passed, Facts: b.Facts, Actor: actor},
		&store.Move{Row: c, Event: fsm.Cancel, Facts: c.Facts, Actor: actor})
	if len(errs) != 3 || errs[0] != nil || errs[2] != nil {
		t.Fatalf("%v", errs)
	}
	wantErr(t, errs[1], store.ErrMoved)
	w.same(a)
	w.same(c)
}

// TestStamp: events carry the injected clock, to the microsecond that Postgres
// keeps, so that the chain can be recomputed.
func TestStamp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.FixedZone("WIB", 7*3600))
	st, err := store.Open(t.Context(), w.db.URL, keyring(t, 0), store.Options{Now: func() time.Time { return at }})
	must(t, err)
	t.Cleanup(st.Close)
	o, _, err := st.Create(t.Context(), w.application("app-1"))
	must(t, err)
	events, err := st.Events(t.Context(), client, o.ID)
	must(t, err)
	if want := time.Date(2026, 1, 1, 20, 4, 5, 678901000, time.UTC); !events[0].At.Equal(want) || store.VerifyChain(events) != 0 {
		t.Errorf("stamped %v, want %v", events[0].At, want)
	}
}

// TestWatch: a move that was made wakes who waits for it, and nobody else.
func TestWatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, other := w.create("app-1"), w.create("app-2")
	moved, stop := w.st.Watch(o.ID)
	defer stop()
	again, stopAgain := w.st.Watch(o.ID)
	stopAgain() // one poll giving up does not cost another one its news
	otherMoved, stopOther := w.st.Watch(other.ID)
	defer stopOther()
	select {
	case <-moved:
		t.Error("woken by nothing")
	default:
	}
	w.move(&store.Move{Row: o, Event: fsm.Passed, Facts: o.Facts, Actor: actor})
	<-moved
	<-again
	select {
	case <-otherMoved:
		t.Error("woken by somebody else's move")
	default:
	}
	next, stopNext := w.st.Watch(o.ID)
	defer stopNext()
	if err := w.advance(&store.Move{Row: &store.Onboarding{ID: o.ID}, Event: fsm.Passed}); err == nil {
		t.Fatal("moved")
	}
	select {
	case <-next:
		t.Error("woken by a move that was not made")
	default:
	}
}

// unsealable is evidence that cannot be sealed.
type unsealable struct{}

func (unsealable) Plaintext() ([]byte, error) { return nil, pii.ErrPlaintext }

func TestAdvanceUnencodable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create("app-1")
	w.unchanged(func() {
		if err := w.advance(&store.Move{Row: o, Event: fsm.Passed, Actor: actor, Personal: unsealable{}}); err == nil {
			t.Error("moved without its evidence")
		}
		if err := w.advance(&store.Move{Row: o, Event: fsm.Passed, Actor: actor, Evidence: func() {}}); err == nil {
			t.Error("moved without its evidence")
		}
	})
}

// TestLockedRowHoldsUpNobody: a row that somebody else has locked costs the
// others of its batch nothing.
func TestLockedRowHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	locked, free := w.create("locked"), w.create("free")
	tx, err := w.db.Pool.Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM onboardings WHERE id = $1 FOR UPDATE`, locked.ID)
	must(t, err)
	move := func(o *store.Onboarding) *store.Move {
		return &store.Move{Row: o, Event: fsm.Passed, Facts: o.Facts, Actor: actor}
	}
	errs := w.st.Advance(t.Context(), move(locked), move(free))
	must(t, tx.Rollback(t.Context()))
	wantErr(t, errs[0], store.ErrUnavailable)
	must(t, errs[1])
	must(t, w.st.Advance(t.Context(), move(locked))[0])
}
