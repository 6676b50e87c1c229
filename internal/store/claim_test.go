package store_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
)

func (w *world) claim(n int) []*store.Onboarding {
	w.t.Helper()
	rows, err := w.st.Claim(w.t.Context(), n, time.Hour)
	must(w.t, err)
	return rows
}

// due makes a row due, unleased, some time from now.
func (w *world) due(o *store.Onboarding, in time.Duration) {
	w.t.Helper()
	w.sql(`UPDATE onboardings SET due_at = now() + $2 * interval '1 microsecond', lease = NULL WHERE id = $1`, o.ID, in.Microseconds())
}

func TestClaimTakesWhatIsDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want []string
	for _, s := range fsm.States() {
		o := w.at(string(s), s)
		if s.Kind() == fsm.Final {
			continue
		}
		w.due(o, -time.Minute)
		if s.Kind() == fsm.Work || s.Expires() {
			want = append(want, string(s))
		}
	}
	w.due(w.create("not yet"), time.Hour)
	w.sql(`UPDATE onboardings SET due_at = NULL, parked_at = now(), park_cause = 'forbidden' WHERE id = $1`, w.create("parked").ID)
	var got []string
	rows := w.claim(100)
	for _, o := range rows {
		got = append(got, o.ApplicationID)
		if o.Attempts != 1 || o.Lease == never || o.Lease != rows[0].Lease {
			t.Errorf("%+v", state(o))
		}
		if left := o.DueAt.Sub(o.DBNow()); left > time.Hour || left < 44*time.Minute {
			t.Errorf("leased for %v", left)
		}
		w.same(o)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("claimed %v, want %v", got, want)
	}
	if again := w.claim(100); len(again) != 0 {
		t.Errorf("%d rows claimed twice", len(again))
	}
}

func TestClaimTakesTheOldest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 5 {
		w.due(w.create(fmt.Sprintf("app-%d", i)), -time.Duration(i+1)*time.Minute)
	}
	var got []string
	for _, o := range w.claim(2) {
		got = append(got, o.ApplicationID)
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"app-3", "app-4"}) {
		t.Errorf("claimed %v", got)
	}
}

// TestClaimLeavesANewerBinarysRows: a state this binary does not know is none
// of its business.
func TestClaimLeavesANewerBinarysRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create("app-1")
	w.sql(`ALTER TABLE onboardings DROP CONSTRAINT onboardings_state_known, DISABLE TRIGGER onboardings_legal_move`)
	w.sql(`UPDATE onboardings SET state = 'reviewing_video', due_at = now() - interval '1 minute' WHERE id = $1`, o.ID)
	w.unchanged(func() {
		if rows := w.claim(10); len(rows) != 0 {
			t.Errorf("claimed a row in %s", rows[0].State)
		}
	})
}

// TestClaimSkipsWhatIsLocked: a claimer never waits for another one.
func TestClaimSkipsWhatIsLocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	locked := w.create("locked")
	free := w.create("free")
	tx, err := w.db.Pool.Begin(t.Context())
	must(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), `SELECT FROM onboardings WHERE id = $1 FOR UPDATE`, locked.ID)
	must(t, err)
	if rows := w.claim(10); len(rows) != 1 || rows[0].ID != free.ID {
		t.Errorf("claimed %d rows", len(rows))
	}
}

func TestClaimersShareNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 40
	for i := range n {
		w.create(fmt.Sprintf("app-%d", i))
	}
	var mu sync.Mutex
	holders := map[uuid.UUID]uuid.UUID{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				rows, err := w.st.Claim(t.Context(), 3, time.Hour)
				if err != nil {
					t.Error(err)
				}
				if len(rows) == 0 {
					return
				}
				mu.Lock()
				for _, o := range rows {
					if other, taken := holders[o.ID]; taken {
						t.Errorf("%s claimed by %s and %s", o.ID, other, o.Lease)
					}
					holders[o.ID] = o.Lease
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if missed := len(w.claim(n)); len(holders)+missed != n { // a claimer may find every row locked and leave
		t.Errorf("%d rows claimed, %d left, of %d", len(holders), missed, n)
	}
}

// TestZombie: a claim that has passed to another can do nothing any more.
func TestZombie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("app-1")
	zombie := w.claim(1)[0]
	w.sql(`UPDATE onboardings SET due_at = now() - interval '1 second' WHERE id = $1`, zombie.ID)
	holder := w.claim(1)[0]
	if holder.ID != zombie.ID || holder.Lease == zombie.Lease || holder.Attempts != 2 {
		t.Fatalf("%+v", state(holder))
	}
	w.unchanged(func() {
		wantErr(t, w.advance(&store.Move{Row: zombie, Claim: zombie.Lease, Event: fsm.Passed, Actor: actor}), store.ErrMoved)
		wantErr(t, w.st.Postpone(t.Context(), zombie, time.Hour, "timeout", false), store.ErrMoved)
		wantErr(t, w.st.Park(t.Context(), zombie, "forbidden", "forbidden"), store.ErrMoved)
	})
	w.move(&store.Move{Row: holder, Claim: holder.Lease, Event: fsm.Passed, Actor: actor})
	w.unchanged(func() { // nor can the holder give back what it has moved on
		holder.Lease, holder.Version = zombie.Lease, 1
		wantErr(t, w.st.Postpone(t.Context(), holder, time.Hour, "timeout", false), store.ErrMoved)
		wantErr(t, w.st.Park(t.Context(), holder, "forbidden", "forbidden"), store.ErrMoved)
	})
}

// TestClaimGoesOnPastABrokenRow: one row that does not open is named, and holds
// up no other.
func TestClaimGoesOnPastABrokenRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good, broken := w.create("good"), w.create("broken")
	w.sql(`UPDATE onboardings SET applicant = 'x', due_at = now() - interval '1 hour' WHERE id = $1`, broken.ID)
	rows, err := w.st.Claim(t.Context(), 10, time.Hour)
	wantErr(t, err, store.ErrSealed)
	if err == nil || !strings.Contains(err.Error(), broken.ID.String()) {
		t.Errorf("which one? %v", err)
	}
	if len(rows) != 1 || rows[0].ID != good.ID {
		t.Errorf("%d rows claimed", len(rows))
	}
	if parked, err := w.st.Parked(t.Context(), client, "sealed", 10); err != nil || len(parked) != 1 || parked[0] != broken.ID {
		t.Errorf("parked: %v, %v", parked, err)
	}
	if b, err := w.st.Backlog(t.Context()); err != nil || b.Parked != 1 {
		t.Errorf("backlog: %+v, %v", b, err)
	}
}

func TestPostpone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []struct {
		cause    string
		free     bool
		attempts int
	}{{"timeout", false, 1}, {"rate_limited", true, 0}, {"", true, 0}} {
		o := w.create("app" + tc.cause)
		w.claim(1)
		o = w.get(o)
		must(t, w.st.Postpone(t.Context(), o, 10*time.Minute, tc.cause, tc.free))
		got := w.get(o)
		if got.Lease != never || got.Attempts != tc.attempts || got.LastError != tc.cause || (got.LastErrorAt == nil) != (tc.cause == "") || got.Version != 1 {
			t.Errorf("%q: %+v", tc.cause, state(got))
		}
		w.near("due", got.DueAt, 10*time.Minute)
		wantErr(t, w.st.Postpone(t.Context(), o, 0, "", false), store.ErrMoved) // given back already
	}
}

// TestGivenBackLate: a lease that ran out and that nobody took can still be
// given back, so that its backoff and its cause are kept.
func TestGivenBackLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("app-1")
	o := w.claim(1)[0]
	w.sql(`UPDATE onboardings SET due_at = now() - interval '1 second' WHERE id = $1`, o.ID)
	must(t, w.st.Postpone(t.Context(), o, time.Hour, "timeout", false))
	if got := w.get(o); got.LastError != "timeout" {
		t.Errorf("%+v", state(got))
	}
}

func TestPark(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("app-1")
	o := w.claim(1)[0]
	must(t, w.st.Park(t.Context(), o, "forbidden", "forbidden: 403"))
	got := w.get(o)
	if got.State != fsm.Registering || got.ParkCause != "forbidden" || got.LastError != "forbidden: 403" || got.LastErrorAt == nil ||
		got.DueAt != nil || got.Lease != never || got.Attempts != 1 || got.Version != 1 {
		t.Errorf("%+v", state(got))
	}
	w.near("parked", got.ParkedAt, 0)
	wantErr(t, w.st.Park(t.Context(), o, "forbidden", ""), store.ErrMoved)
}

func TestParked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	parked := func(clientID, app, cause string, ago time.Duration) uuid.UUID {
		n := w.application(app)
		n.ClientID = clientID
		o := w.createAs(n)
		w.sql(`UPDATE onboardings SET due_at = NULL, park_cause = $2, parked_at = now() - $3 * interval '1 microsecond' WHERE id = $1`, o.ID, cause, ago.Microseconds())
		return o.ID
	}
	a := parked(client, "a", "forbidden", time.Hour)
	b := parked(client, "b", "forbidden", 2*time.Hour)
	c := parked("other", "c", "forbidden", 3*time.Hour)
	parked(client, "d", "timeout", 4*time.Hour)
	w.create("e")
	for _, tc := range []struct {
		client, cause string
		limit         int
		want          []uuid.UUID
	}{
		{client, "forbidden", 10, []uuid.UUID{b, a}}, {client, "forbidden", 1, []uuid.UUID{b}},
		{"", "forbidden", 10, []uuid.UUID{c, b, a}}, {"other", "forbidden", 10, []uuid.UUID{c}}, {client, "unheard_of", 10, nil},
	} {
		got, err := w.st.Parked(t.Context(), tc.client, tc.cause, tc.limit)
		must(t, err)
		if !slices.Equal(got, tc.want) {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}

func TestNIKOnboarded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen := func(clientID string, want bool, when string) {
		t.Helper()
		n := w.application("asks " + when)
		n.ClientID = clientID
		got, err := w.st.NIKOnboarded(t.Context(), w.createAs(n), nik)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", when, got, err)
		}
	}
	o := w.at("first", fsm.VerifyingKTP)
	w.move(&store.Move{Row: o, Event: fsm.Passed, Facts: o.Facts, Actor: actor, Identity: &identity})
	seen(client, false, "before its approval")
	for _, e := range route(o.State, fsm.Upgrading) {
		w.move(&store.Move{Row: o, Event: e, Facts: o.Facts, Actor: actor})
	}
	seen(client, true, "approved provisionally")
	w.move(&store.Move{Row: o, Event: fsm.GaveUp, Facts: o.Facts, Actor: actor})
	seen(client, true, "approved")
	seen("other", false, "of another client")
	if own, err := w.st.NIKOnboarded(t.Context(), o, nik); own || err != nil {
		t.Errorf("it is its own double: %v, %v", own, err)
	}
	if other, err := w.st.NIKOnboarded(t.Context(), w.create("another"), "9999994101900002"); other || err != nil {
		t.Errorf("another NIK: %v, %v", other, err)
	}
	declined := w.at("declined", fsm.VerifyingKTP)
	w.move(&store.Move{Row: declined, Event: fsm.Failed, Facts: declined.Facts, Actor: actor,
		Identity: ptr(identityWith("9999994101900003"))})
	if got, err := w.st.NIKOnboarded(t.Context(), w.create("after a decline"), "9999994101900003"); got || err != nil {
		t.Errorf("a declined customer counts: %v, %v", got, err)
	}
}
