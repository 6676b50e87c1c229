package proof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// The acceptance of the reliability issue, on the server as it is released.

// crowd is n customers whom everything passes.
func crowd(prefix string, n int) (cases []Case) {
	for i := range n {
		cases = append(cases, Case{App: fmt.Sprintf("%s-%d", prefix, i), Person: "Dewi Rekaan Banyak", Want: approved(fsm.Premium)})
	}
	return cases
}

// within bounds a test's play.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestKilledAgainAndAgain: 150 onboardings in flight with vendors that take
// 15 ms, and the only server is killed six times.
func TestKilledAgainAndAgain(t *testing.T) {
	s := New(t, Options{Sandbox: sandbox.Options{Latency: 15 * time.Millisecond}})
	s.MustServe()
	ctx := within(t, 90*time.Second)
	cases := crowd("killed", 150)
	played := make(chan []error, 1)
	go func() { played <- s.PlayAll(ctx, cases) }()
	rng := seeded(t)
	kills := 0
	for kills < 6 && len(played) == 0 {
		if pause(ctx, time.Duration(300+rng.IntN(500))*time.Millisecond) != nil {
			break
		}
		servers := s.Servers()
		servers[len(servers)-1].Kill()
		kills++
		s.MustServe()
	}
	for _, err := range <-played {
		t.Error(err)
	}
	t.Logf("%d kills", kills)
	s.CheckInvariants(t, cases...)
}

// seeded is a source of chance that a failure names.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := Seeds(t, 1)[0]
	t.Logf("to play it again: %s=%d go test ./internal/proof -run '^%s$'", SeedVariable, seed, t.Name())
	return NewRand(seed, t.Name())
}

// TestScreeningsWithinTheirLimit: 300 onboardings where the contract allows 20
// screening calls a minute.
func TestScreeningsWithinTheirLimit(t *testing.T) {
	limits := unlimited()
	limits["screenings.create"] = 20
	s := New(t, Options{
		Sandbox: sandbox.Options{Limits: limits},
		Env:     []string{strings.ReplaceAll(CastEnv, "screenings.create=60", "screenings.create=20"), "GERBANG_LEASE=20s"},
	})
	s.MustServe()
	cases := crowd("limited", 300)
	begun := time.Now()
	for _, err := range s.PlayAll(within(t, 120*time.Second), cases) {
		t.Error(err)
	}
	refused := s.Vendors.Effects().RateLimited["screenings.create"]
	t.Logf("finished in %v, %d calls were refused", time.Since(begun), refused)
	if refused > 2 {
		t.Errorf("the vendor refused %d calls", refused)
	}
	s.CheckInvariants(t, cases...)
}

// TestEveryFaultOnEveryCall, twice each.
func TestEveryFaultOnEveryCall(t *testing.T) {
	t.Parallel()
	s := New(t, Options{})
	s.MustServe()
	var cases []Case
	for _, f := range []sandbox.Fault{
		{Kind: sandbox.FaultStatus, Status: 500}, {Kind: sandbox.FaultStatus, Status: 503}, {Kind: sandbox.FaultStatus, Status: 429},
		{Kind: sandbox.FaultResetBefore}, {Kind: sandbox.FaultResetAfter}, {Kind: sandbox.FaultHangAfter},
		{Kind: sandbox.FaultTruncated}, {Kind: sandbox.FaultHTML},
	} {
		for _, call := range vendorCalls {
			f.Call, f.Count = call, 2
			c := Case{App: fmt.Sprintf("%s%d-%s", f.Kind, f.Status, call), Person: "Dewi Rekaan Sabar", Want: approved(fsm.Premium), Faults: []sandbox.Fault{f}}
			cases = append(cases, c)
		}
	}
	for _, err := range s.PlayAll(within(t, 60*time.Second), cases) {
		t.Error(err)
	}
	s.CheckInvariants(t, cases...)
}

// TestRefusalParks: a 403 is the operator's. The customer sees processing, the
// explanation says what it is, and a retry goes on.
func TestRefusalParks(t *testing.T) {
	t.Parallel()
	s := New(t, Options{})
	s.MustServe()
	ctx := within(t, 30*time.Second)
	c := Case{App: "refused", Person: "Dewi Rekaan Sabar", Parks: true, Want: approved(fsm.Premium)}
	must(t, s.Vendors.AddFault(sandbox.Fault{Call: "customers.create", Kind: sandbox.FaultStatus, Status: 403, ExternalID: c.App, Count: 1}))
	v, err := s.apply(ctx, c)
	must(t, err)
	var e struct {
		WaitingFor string
		Parked     *struct{ Cause string }
	}
	for e.Parked == nil {
		q := call{key: s.Keys.Operator, method: http.MethodGet, path: "/onboardings/" + v.ID + "/explanation"}
		a, err := s.do(ctx, q)
		must(t, err)
		must(t, q.read(a, &e, http.StatusOK))
	}
	if e.WaitingFor != "operator" || e.Parked.Cause != "identity.customers.create:403" {
		t.Errorf("explained as %+v, %+v", e, e.Parked)
	}
	var shown view
	q := call{key: s.Keys.Frontend, method: http.MethodGet, path: "/onboardings/" + v.ID}
	a, err := s.do(ctx, q)
	must(t, err)
	must(t, q.read(a, &shown, http.StatusOK))
	if shown.Status != "processing" || shown.NextAction.Type != "wait" {
		t.Errorf("shown as %s", a.body)
	}
	must(t, s.Play(ctx, c))
	s.CheckInvariants(t, c)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
