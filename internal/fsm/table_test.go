package fsm_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/gerbang-id/gerbang/internal/fsm"
)

// allEvents holds every event of the package, notes included.
var allEvents = []fsm.Event{
	fsm.Submitted, fsm.Expire, fsm.Cancel, fsm.Passed, fsm.PassedVerdictSupplied, fsm.PassedWithoutDukcapil,
	fsm.PassedFinal, fsm.PassedProvisional, fsm.Referred, fsm.Failed, fsm.Retry, fsm.Recapture, fsm.Deferred,
	fsm.GaveUp, fsm.Approve, fsm.ApproveHit, fsm.ApproveFinal, fsm.ApproveProvisional, fsm.Reject,
	fsm.Created, fsm.VerdictSupplied, fsm.RetryRequested,
}

var notes = []fsm.Event{fsm.VerdictSupplied, fsm.RetryRequested}

type pair struct {
	from  fsm.State
	event fsm.Event
}

func edges(t *testing.T) map[pair]fsm.Edge {
	t.Helper()
	m := map[pair]fsm.Edge{}
	for _, e := range fsm.Edges() {
		k := pair{e.From, e.Event}
		if _, twice := m[k]; twice {
			t.Errorf("%s has two edges for %s; looplab would keep the last", e.From, e.Event)
		}
		m[k] = e
	}
	return m
}

func TestTableIsSane(t *testing.T) {
	t.Parallel()
	used, reasons := map[fsm.Event]bool{}, map[fsm.DeclineReason]bool{}
	for _, e := range edges(t) {
		used[e.Event] = true
		if !e.From.Known() || !e.To.Known() {
			t.Errorf("%+v: unknown state", e)
		}
		if e.From.Kind() == fsm.Final {
			t.Errorf("%+v: leaves a final state", e)
		}
		if e.From == e.To {
			t.Errorf("%+v: a move that moves nothing is a note", e)
		}
		if (e.Reason != "") != (e.To == fsm.Declined) {
			t.Errorf("%+v: an edge has a reason exactly where it declines", e)
		}
		if e.Event.IsNote() || e.Event == fsm.Created {
			t.Errorf("%+v: a note is not part of the table", e)
		}
		if (e.Event == fsm.Expire) != (e.To == fsm.Expired) || e.Event == fsm.Expire && !e.From.Expires() {
			t.Errorf("%+v: expire leads from a deadline to expired", e)
		}
		reasons[e.Reason] = true
	}
	for _, e := range allEvents {
		if outside := slices.Contains(notes, e) || e == fsm.Created; used[e] == outside {
			t.Errorf("event %s: in the table %v, want %v", e, used[e], !outside)
		}
		if e.IsNote() != slices.Contains(notes, e) {
			t.Errorf("event %s: note %v", e, e.IsNote())
		}
	}
	if len(used)+len(notes)+1 != len(allEvents) {
		t.Error("the table uses an event that this test does not list")
	}
	for _, r := range declineReasons {
		if !reasons[r] {
			t.Errorf("no edge declines with %s", r)
		}
	}
	if len(reasons) != len(declineReasons)+1 { // and the empty one
		t.Error("the table declines with a reason that this test does not list")
	}
}

func TestEveryStateHasItsPlace(t *testing.T) {
	t.Parallel()
	if n := len(fsm.States()); n != 20 {
		t.Errorf("%d states; design.md names 20", n)
	}
	exits, reached := map[fsm.State]int{}, map[fsm.State]bool{fsm.Registering: true}
	for range fsm.States() { // as many rounds as the longest path can have
		for _, e := range fsm.Edges() {
			reached[e.To] = reached[e.To] || reached[e.From]
		}
	}
	for _, e := range fsm.Edges() {
		exits[e.From]++
	}
	seen := map[fsm.State]bool{}
	for _, s := range fsm.States() {
		if seen[s] {
			t.Errorf("%s is listed twice", s)
		}
		seen[s] = true
		if !slices.Contains([]fsm.Kind{fsm.Work, fsm.Wait, fsm.Final}, s.Kind()) || !s.Known() {
			t.Errorf("%s has kind %q", s, s.Kind())
		}
		if !reached[s] {
			t.Errorf("%s cannot be reached", s)
		}
		if (exits[s] == 0) != (s.Kind() == fsm.Final) {
			t.Errorf("%s, which is %s, has %d exits", s, s.Kind(), exits[s])
		}
		if (s.Expires() || s.Review() != "") && s.Kind() != fsm.Wait {
			t.Errorf("%s waits for a person and is %s", s, s.Kind())
		}
		if s.Kind() == fsm.Wait && s.Expires() == (s.Review() != "") {
			t.Errorf("%s must wait for a customer or for a desk", s)
		}
		if want := s.Kind() != fsm.Final && s != fsm.Upgrading && s != fsm.RecordingUpgrade; fsm.Can(s, fsm.Cancel) != want {
			t.Errorf("%s can be cancelled: %v", s, !want)
		}
	}
	for s := range exits {
		if !seen[s] {
			t.Errorf("States lacks %s", s)
		}
	}
	for _, s := range []fsm.State{"", "reviewing_video"} {
		if s.Known() || s.Kind() != "" {
			t.Errorf("%q is known", s)
		}
	}
}

func TestEveryDeskHasItsState(t *testing.T) {
	t.Parallel()
	var desks []fsm.ReviewKind
	for _, s := range fsm.States() {
		if k := s.Review(); k != "" {
			desks = append(desks, k)
		}
	}
	slices.Sort(desks)
	want := slices.Sorted(slices.Values(fsm.ReviewKinds()))
	if !slices.Equal(desks, want) {
		t.Errorf("desks %v, kinds %v", desks, want)
	}
}

// TestNext asks for every pair of state and event, known or not.
func TestNext(t *testing.T) {
	t.Parallel()
	table, legal := edges(t), 0
	for _, s := range append(fsm.States(), "", "reviewing_video") {
		for _, e := range append(slices.Clone(allEvents), "", "teleport") {
			want, ok := table[pair{s, e}]
			got, err := fsm.Next(s, e)
			switch {
			case ok != fsm.Can(s, e):
				t.Errorf("Can(%s, %s) = %v", s, e, !ok)
			case ok && (err != nil || got != want):
				t.Errorf("Next(%s, %s) = %+v, %v; want %+v", s, e, got, err, want)
			case !ok && (!errors.Is(err, fsm.ErrIllegal) || got != fsm.Edge{}):
				t.Errorf("Next(%s, %s) = %+v, %v; want ErrIllegal", s, e, got, err)
			}
			if ok {
				legal++
			}
		}
	}
	if legal != len(fsm.Edges()) {
		t.Errorf("%d of %d edges are legal", legal, len(fsm.Edges()))
	}
}

func TestEdgesIsACopy(t *testing.T) {
	t.Parallel()
	fsm.Edges()[0].To = fsm.Approved
	if fsm.Edges()[0].To == fsm.Approved {
		t.Error("a caller can change the table")
	}
}
