package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
)

// TestVerifyChain: an event that was edited, removed, moved or put in breaks
// the chain where it stands.
func TestVerifyChain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, _ := w.filled("app-1")
	other, _ := w.filled("app-2")
	events, err := w.st.Events(t.Context(), client, o.ID)
	must(t, err)
	foreign, err := w.st.Events(t.Context(), client, other.ID)
	must(t, err)
	if len(events) != 6 || store.VerifyChain(events) != 0 || store.VerifyChain(nil) != 0 {
		t.Fatalf("%d events, broken at %d", len(events), store.VerifyChain(events))
	}
	for name, tc := range map[string]struct {
		change func([]store.Event) []store.Event
		broken int64
	}{
		"onboarding": {func(e []store.Event) []store.Event { e[2].Onboarding = uuid.New(); return e }, 3},
		"number":     {func(e []store.Event) []store.Event { e[2].Seq++; return e }, 3},
		"time":       {func(e []store.Event) []store.Event { e[2].At = e[2].At.Add(time.Microsecond); return e }, 3},
		"event":      {func(e []store.Event) []store.Event { e[2].Event = fsm.Failed; return e }, 3},
		"from":       {func(e []store.Event) []store.Event { e[2].From = fsm.Approved; return e }, 3},
		"to":         {func(e []store.Event) []store.Event { e[2].To = fsm.Approved; return e }, 3},
		"actor":      {func(e []store.Event) []store.Event { e[2].Actor = "nobody"; return e }, 3},
		"payload":    {func(e []store.Event) []store.Event { e[2].Payload = []byte(`{"n":2}`); return e }, 3},
		"commitment": {func(e []store.Event) []store.Event { e[3].Commitment = nil; return e }, 4},
		"hash":       {func(e []store.Event) []store.Event { e[2].Hash = e[1].Hash; return e }, 3},
		"between two fields": {func(e []store.Event) []store.Event {
			e[2].From, e[2].To = e[2].From+e[2].To[:1], e[2].To[1:]
			return e
		}, 3},
		"the first one":   {func(e []store.Event) []store.Event { e[0].Actor = "nobody"; return e }, 1},
		"first removed":   {func(e []store.Event) []store.Event { return e[1:] }, 1},
		"one removed":     {func(e []store.Event) []store.Event { return slices.Delete(e, 2, 3) }, 3},
		"two exchanged":   {func(e []store.Event) []store.Event { e[2], e[3] = e[3], e[2]; return e }, 3},
		"one put in":      {func(e []store.Event) []store.Event { return slices.Insert(e, 2, e[1]) }, 3},
		"somebody else's": {func(e []store.Event) []store.Event { e[2] = foreign[2]; return e }, 3},
		"one removed and the rest renumbered": {func(e []store.Event) []store.Event {
			e = slices.Delete(e, 2, 3)
			for i := range e {
				e[i].Seq = int64(i + 1)
			}
			return e
		}, 3},
	} {
		if got := store.VerifyChain(tc.change(slices.Clone(events))); got != tc.broken {
			t.Errorf("%s: broken at %d, want %d", name, got, tc.broken)
		}
	}
}

// TestErasureKeepsTheChain: personal data enters it only as a commitment.
func TestErasureKeepsTheChain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, _ := w.filled("app-1")
	w.sql(`ALTER TABLE events DISABLE TRIGGER events_append_only`)
	w.sql(`UPDATE events SET sealed = '' WHERE sealed IS NOT NULL`)
	events, err := w.st.Events(t.Context(), client, o.ID)
	if err != nil || store.VerifyChain(events) != 0 {
		t.Errorf("broken at %d, %v", store.VerifyChain(events), err)
	}
}

// TestRowHoldsTheEndOfItsChain: cutting off the newest events shows as well.
func TestRowHoldsTheEndOfItsChain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.at("app-1", fsm.KTPReview)
	events, err := w.st.Events(t.Context(), client, o.ID)
	must(t, err)
	if head := one[[]byte](w, `SELECT chain_head FROM onboardings`); !slices.Equal(head, events[len(events)-1].Hash) {
		t.Error("the row does not name its last event")
	}
}
