package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// A state that no customer of the demo enters is one that nobody sees: give it
// a role in the cast.
func TestTheCastEntersEveryState(t *testing.T) {
	t.Parallel()
	entered := map[string]bool{}
	for _, r := range cast {
		for _, state := range r.want.path {
			entered[state] = true
		}
	}
	for _, s := range fsm.States() {
		if !entered[string(s)] {
			t.Errorf("no role of cast.go enters %s", s)
		}
	}
}

func TestTheCastFollowsTheTable(t *testing.T) {
	t.Parallel()
	for _, r := range cast {
		for i := range r.want.path[1:] {
			from, to := fsm.State(r.want.path[i]), fsm.State(r.want.path[i+1])
			if !drawable(from, to) {
				t.Errorf("%s: the table has no way from %s to %s", r.name, from, to)
			}
		}
		if last := fsm.State(r.want.path[len(r.want.path)-1]); last.Kind() != fsm.Final {
			t.Errorf("%s ends in %s, which is not final", r.name, last)
		}
	}
}

func drawable(from, to fsm.State) bool {
	return slices.ContainsFunc(fsm.Edges(), func(e fsm.Edge) bool { return e.From == from && e.To == to })
}

// Of one name only one may apply: the same card twice would be a signal, and
// Dukcapil could not tell them apart.
func TestTheCastAreDifferentPeople(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range cast {
		if seen[r.name] {
			t.Errorf("%s applies twice", r.name)
		}
		seen[r.name] = true
		known := slices.ContainsFunc(sandbox.Persons, func(p sandbox.Person) bool { return p.Name == r.name })
		if !known && !strings.Contains(r.name, "Rekaan") {
			t.Errorf("%s is no test person of the sandbox, and not visibly invented either", r.name)
		}
	}
}

func TestEveryDeskHasItsState(t *testing.T) {
	t.Parallel()
	for _, s := range fsm.States() {
		if kind := s.Review(); kind != "" && deskStates[string(kind)] != string(s) {
			t.Errorf("desk %s: the demo looks in %q, its cases lie in %q", kind, deskStates[string(kind)], s)
		}
	}
}

func TestACustomerWhoWentAstrayIsAnError(t *testing.T) {
	t.Parallel()
	as := func(change func(*customer)) error {
		c := &customer{role: role{want: approved("premium", "registering approved")}, path: []string{"registering", "approved"}}
		c.view.Status, c.view.KYCLevel = "approved", "premium"
		change(c)
		return c.compare()
	}
	if err := as(func(*customer) {}); err != nil {
		t.Errorf("as it should be: %v", err)
	}
	for what, change := range map[string]func(*customer){
		"path":    func(c *customer) { c.path = []string{"registering", "declined"} },
		"outcome": func(c *customer) { c.view.Status = "declined" },
		"level":   func(c *customer) { c.view.KYCLevel = "standard" },
	} {
		if err := as(change); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("wrong %s: err = %v", what, err)
		}
	}
}
