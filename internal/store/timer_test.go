package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
)

// TestTimer: after a move a row is held, due later, or at rest.
func TestTimer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	claim := uuid.New()
	for _, tc := range []struct {
		name     string
		change   func(*store.Move)
		lease    uuid.UUID
		attempts int
		due      time.Duration // 0: not at all
	}{
		{"at rest", func(*store.Move) {}, never, 0, 0},
		{"due later", func(m *store.Move) { m.DueIn = ptr(24 * time.Hour) }, never, 0, 24 * time.Hour},
		{"held by a new claim", func(m *store.Move) { m.Hold, m.HoldBy = time.Hour, claim }, claim, 1, time.Hour},
	} {
		o := w.create(tc.name)
		w.sql(`UPDATE onboardings SET attempts = 7, last_error = 'timeout', last_error_at = now() WHERE id = $1`, o.ID)
		m := &store.Move{Row: w.get(o), Event: fsm.Passed, Facts: o.Facts, Actor: actor}
		tc.change(m)
		w.move(m)
		o = m.Row
		w.same(o)
		if o.Lease != tc.lease || o.Attempts != tc.attempts || o.LastError != "" {
			t.Errorf("%s: %+v", tc.name, state(o))
		}
		if tc.due != 0 {
			w.near(tc.name, o.DueAt, tc.due)
		} else if o.DueAt != nil {
			t.Errorf("%s: due at %v", tc.name, o.DueAt)
		}
	}
}

// TestLeaseIsRenewedByHalf: due_at stands in an index, so a chain of steps
// writes it only when less than half of the lease is left.
func TestLeaseIsRenewedByHalf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const hold = time.Hour
	for _, tc := range []struct {
		left    time.Duration
		same    bool // the chain goes on under its own claim
		renewed bool
	}{
		{40 * time.Minute, true, false},
		{31 * time.Minute, true, false},
		{29 * time.Minute, true, true},
		{time.Minute, true, true},
		{40 * time.Minute, false, true}, // another holder: its lease starts now
	} {
		name := fmt.Sprintf("%v left, same claim %v", tc.left, tc.same)
		o := w.create(name)
		claim := uuid.New()
		w.sql(`UPDATE onboardings SET lease = $2, due_at = now() + $3 * interval '1 microsecond', attempts = 3 WHERE id = $1`,
			o.ID, claim, tc.left.Microseconds())
		o = w.get(o)
		before := *o.DueAt
		m := &store.Move{Row: o, Claim: claim, Event: fsm.Passed, Facts: o.Facts, Actor: actor, Hold: hold, HoldBy: claim}
		if !tc.same {
			m.HoldBy = uuid.New()
		}
		w.move(m)
		w.same(o)
		if o.Lease != m.HoldBy || o.Attempts != 1 {
			t.Errorf("%s: %+v", name, state(o))
		}
		if tc.renewed {
			w.near(name, o.DueAt, hold)
		} else if !o.DueAt.Equal(before) {
			t.Errorf("%s: due_at was written", name)
		}
	}
}

// TestLeaseEnds: what this process believes of a lease's end is never later
// than what the database holds, however the row was come by.
func TestLeaseEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	check := func(how string, o *store.Onboarding) {
		t.Helper()
		if o.DueAt == nil || o.LeaseEnds().After(*o.DueAt) {
			t.Errorf("%s: believed until %v, really until %v", how, o.LeaseEnds(), o.DueAt)
		}
		if lost := o.DueAt.Sub(o.LeaseEnds()); lost > time.Second {
			t.Errorf("%s: %v of the lease are not used", how, lost)
		}
		w.near(how+", clock", ptr(o.DBNow()), 0)
	}
	n := w.application("app-1")
	n.Lease, n.LeaseFor = uuid.New(), time.Hour
	created := w.createAs(n)
	check("created", created)
	check("read", w.get(created))
	w.move(&store.Move{Row: created, Claim: n.Lease, Event: fsm.Passed, Facts: created.Facts, Actor: actor, Hold: time.Hour, HoldBy: uuid.New()})
	check("advanced", created)
	w.create("app-2")
	rows, err := w.st.Claim(t.Context(), 1, time.Hour)
	must(t, err)
	check("claimed", rows[0])
	if o := w.create("app-3"); !o.LeaseEnds().IsZero() {
		t.Error("a row that nobody holds has a lease")
	}
}

// TestNoteKeepsTheStep: a note beside a running step leaves lease, deadline,
// attempts and parking to whoever has them, and still grows the version.
func TestNoteKeepsTheStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	note := func(o *store.Onboarding) *store.Move {
		f := o.Facts
		f.VerdictSupplied = true
		return &store.Move{Row: o, Event: fsm.VerdictSupplied, Facts: f, Actor: actor, Verdict: &verdict, Personal: verdict}
	}
	leased, parked := w.at("leased", fsm.VerifyingKTP), w.at("parked", fsm.VerifyingKTP)
	lease := uuid.New()
	w.sql(`UPDATE onboardings SET lease = $2, due_at = now() + interval '1 hour', attempts = 3, last_error = 'timeout', last_error_at = now() WHERE id = $1`, leased.ID, lease)
	w.sql(`UPDATE onboardings SET parked_at = now(), park_cause = 'forbidden', attempts = 5, last_error = 'forbidden', last_error_at = now() WHERE id = $1`, parked.ID)
	for _, o := range []*store.Onboarding{w.get(leased), w.get(parked)} {
		before := state(o)
		version, chain := o.Version, one[[]byte](w, `SELECT chain_head FROM onboardings WHERE id = $1`, o.ID)
		w.move(note(o))
		w.same(o)
		after := state(o)
		for _, kept := range []string{"state", "lease", "attempts", "lastError", "lastErrorAt", "parked", "cause", "due", "stateSince", "statusSince"} {
			if before[kept] != after[kept] {
				t.Errorf("%s: the note changed %s from %v to %v", o.ApplicationID, kept, before[kept], after[kept])
			}
		}
		if o.Version != version+1 || string(chain) == string(one[[]byte](w, `SELECT chain_head FROM onboardings WHERE id = $1`, o.ID)) {
			t.Errorf("%s: the note left no trace", o.ApplicationID)
		}
	}
	// Who held the row has an old version now, reads again, and goes on under its lease.
	o := w.get(leased)
	o.Version--
	wantErr(t, w.advance(&store.Move{Row: o, Claim: lease, Event: fsm.Passed, Facts: o.Facts, Actor: actor}), store.ErrMoved)
	o = w.get(leased)
	w.move(&store.Move{Row: o, Claim: lease, Event: fsm.Passed, Facts: o.Facts, Actor: actor})
}

// TestNoteSendsOn: an operator's retry is a note that makes the row due.
func TestNoteSendsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.at("app-1", fsm.VerifyingKTP)
	w.sql(`UPDATE onboardings SET parked_at = now(), park_cause = 'forbidden', attempts = 5, last_error = 'forbidden', last_error_at = now() WHERE id = $1`, o.ID)
	o = w.get(o)
	w.move(&store.Move{Row: o, Event: fsm.RetryRequested, Facts: o.Facts, Actor: actor, DueIn: new(time.Duration)})
	w.same(o)
	if o.State != fsm.VerifyingKTP || o.ParkedAt != nil || o.ParkCause != "" || o.Attempts != 0 || o.LastError != "" {
		t.Errorf("%+v", state(o))
	}
	w.near("due", o.DueAt, 0)
}

// TestNoteAtTheEnd: a final row keeps its reason and its level.
func TestNoteAtTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, s := range []fsm.State{fsm.Declined, fsm.Approved, fsm.Expired} {
		o := w.at(string(s), s)
		reason, level := o.DeclineReason, o.Level
		w.move(&store.Move{Row: o, Event: fsm.VerdictSupplied, Facts: o.Facts, Actor: actor})
		w.same(o)
		if o.DeclineReason != reason || o.Level != level {
			t.Errorf("%s: %q %q", s, o.DeclineReason, o.Level)
		}
	}
}
