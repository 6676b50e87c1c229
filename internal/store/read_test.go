package store_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
)

// TestScoping: another client's onboarding does not exist.
func TestScoping(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create("app-1")
	for _, tc := range []struct {
		what, client string
		id           uuid.UUID
	}{{"another client", "other", o.ID}, {"no such id", client, uuid.New()}} {
		_, err := w.st.Get(t.Context(), tc.client, tc.id)
		wantErr(t, err, store.ErrNotFound)
		_, err = w.st.View(t.Context(), tc.client, tc.id)
		wantErr(t, err, store.ErrNotFound)
		_, err = w.st.Events(t.Context(), tc.client, tc.id)
		wantErr(t, err, store.ErrNotFound)
	}
	_, err := w.st.View(t.Context(), "", o.ID)
	wantErr(t, err, store.ErrNotFound)
	if got, err := w.st.Get(t.Context(), "", o.ID); err != nil || got.ClientID != client {
		t.Errorf("the service itself reads any client's: %v", err)
	}
	if events, err := w.st.Events(t.Context(), "", o.ID); err != nil || len(events) != 1 {
		t.Errorf("the service itself reads any client's events: %v", err)
	}
}

// TestView: a poll sees what a full read sees.
func TestView(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, s := range fsm.States() {
		o := w.at(string(s), s)
		v, err := w.st.View(t.Context(), client, o.ID)
		must(t, err)
		for _, other := range []store.View{o.View(), w.get(o).View()} {
			if fmt.Sprintf("%+v", utcView(v)) != fmt.Sprintf("%+v", utcView(other)) {
				t.Errorf("%s:\n%+v\n%+v", s, v, other)
			}
		}
		if !reflect.DeepEqual(v.Policy, fsm.DefaultPolicy()) {
			t.Errorf("%s: another policy", s)
		}
	}
}

func utcView(v store.View) store.View {
	v.DueAt = nil // a pointer prints as one; states at rest have none
	v.CreatedAt, v.UpdatedAt = v.CreatedAt.UTC(), v.UpdatedAt.UTC()
	v.StateSince, v.StatusSince = v.StateSince.UTC(), v.StatusSince.UTC()
	return v
}

// TestPolicyIsPinned: a running onboarding keeps the policy it was created under.
func TestPolicyIsPinned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.create("old")
	p := fsm.DefaultPolicy()
	p.Biometric.Attempts = 5
	version, err := w.st.SavePolicy(t.Context(), p)
	must(t, err)
	w.unchanged(func() {
		if again, err := w.st.SavePolicy(t.Context(), p); err != nil || again != version || version != p.Version() {
			t.Errorf("saved as %s, then %s, %v", version, again, err)
		}
	})
	n := w.application("new")
	n.PolicyVersion = version
	newer := w.createAs(n)
	fresh := w.open(w.db.URL, keyring(t, 0)) // one that has not seen these policies
	for o, want := range map[*store.Onboarding]int{old: 2, newer: 5} {
		got, err := fresh.Get(t.Context(), client, o.ID)
		if err != nil || got.Policy.Biometric.Attempts != want {
			t.Errorf("%s: %d attempts, %v", o.ApplicationID, got.Policy.Biometric.Attempts, err)
		}
	}
	_, err = fresh.Policy(t.Context(), "unheard of")
	wantErr(t, err, store.ErrNotFound)
}

func TestList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []uuid.UUID // newest first
	statuses := map[fsm.Status][]uuid.UUID{}
	for _, s := range fsm.States() {
		o := w.at("app-"+string(s), s)
		ids = append([]uuid.UUID{o.ID}, ids...)
		statuses[s.Status()] = append([]uuid.UUID{o.ID}, statuses[s.Status()]...)
	}
	n := w.application("app-foreign")
	n.ClientID = "other"
	foreign := w.createAs(n)
	list := func(f store.ListFilter) (out []uuid.UUID) {
		t.Helper()
		if f.ClientID == "" {
			f.ClientID = client
		}
		if f.Limit == 0 {
			f.Limit = 100
		}
		views, err := w.st.List(t.Context(), f)
		must(t, err)
		for _, v := range views {
			out = append(out, v.ID)
		}
		return out
	}
	check := func(what string, got, want []uuid.UUID) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	check("all", list(store.ListFilter{}), ids)
	check("another client's", list(store.ListFilter{ClientID: "other"}), []uuid.UUID{foreign.ID})
	check("nobody's", list(store.ListFilter{ClientID: "nobody"}), nil)
	for _, st := range fsm.Statuses() {
		check(string(st), list(store.ListFilter{Status: st}), statuses[st])
	}
	check("one application", list(store.ListFilter{ApplicationID: "app-registering"}), ids[len(ids)-1:])
	check("of another status", list(store.ListFilter{ApplicationID: "app-registering", Status: fsm.StatusApproved}), nil)
	check("another client's application", list(store.ListFilter{ApplicationID: "app-foreign"}), nil)
	var paged []uuid.UUID
	var before uuid.UUID
	for range len(ids) {
		page := list(store.ListFilter{Limit: 3, Before: before})
		if len(page) == 0 {
			break
		}
		paged = append(paged, page...)
		before = page[len(page)-1]
	}
	check("page by page", paged, ids)
}
