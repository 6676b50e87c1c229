package proof

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// Hunt is one way to attack a server. Run returns what is not as it must be.
type Hunt struct {
	Name string
	Run  func(t testing.TB, b Build) []string
}

// Killed and Stopped are the attacks on crash points, without other faults.
func Killed(point string, hit int) Hunt {
	return Hunt{"SIGKILL at " + point, func(t testing.TB, b Build) []string {
		found, _ := Attack{Build: b, Point: point, Hit: hit}.Kill(t)
		return found
	}}
}

// Stopped is a zombie.
func Stopped(point string, hit int) Hunt {
	return Hunt{"zombie at " + point, func(t testing.TB, b Build) []string {
		found, _ := Attack{Build: b, Point: point, Hit: hit}.Stop(t)
		return found
	}}
}

// played plays some cases on one server that nobody attacks.
func played(t testing.TB, b Build, cases []Case, env ...string) (s *Stack, found []string) {
	t.Helper()
	s = New(t, Options{Build: b, Env: append([]string{CastEnv}, env...)})
	if _, err := s.Serve(); err != nil {
		return s, []string{err.Error()}
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for _, err := range s.PlayAll(ctx, cases) {
		found = append(found, err.Error())
	}
	return s, append(found, s.Broken(t.Context(), cases...)...)
}

// Undisturbed plays the cast.
var Undisturbed = Hunt{"nothing but the cast", func(t testing.TB, b Build) []string {
	_, found := played(t, b, Cast())
	return found
}}

// OneSlot plays it on a server that can work on one row at a time, so that the
// others have to be come back for.
var OneSlot = Hunt{"one slot for all", func(t testing.TB, b Build) []string {
	_, found := played(t, b, Cast(), "GERBANG_SLOTS=1")
	return found
}}

// Spoilt plays one customer on whom the vendors play a trick.
func Spoilt(name string, want Outcome, person string, faults ...sandbox.Fault) Hunt {
	return Hunt{name, func(t testing.TB, b Build) []string {
		_, found := played(t, b, []Case{{App: "spoilt", Person: person, Want: want, Faults: faults}})
		return found
	}}
}

// Bulk screens people of different standing in the same calls.
var Bulk = Hunt{"different people in one bulk screening", func(t testing.TB, b Build) []string {
	var cases []Case
	for i := range 24 {
		c := Case{App: fmt.Sprintf("bulk%02d", i), Person: fmt.Sprintf("Sugeng Rekaan %c", 'A'+i), Want: approved(fsm.Premium)}
		switch i % 3 {
		case 0:
			c.Person, c.Want = "Maya Uji Pejabat", approved(fsm.Premium, fsm.ReviewAML)
		case 1:
			c.Person, c.Want = "Nanda Uji Sanksi", approved(fsm.Premium, fsm.ReviewAML, fsm.ReviewSignoff)
		}
		cases = append(cases, c)
	}
	_, found := played(t, b, cases)
	return found
}}

// Noted has a customer's client bring a verdict while a slow call is under way.
var Noted = Hunt{"a note in the middle of a step", func(t testing.TB, b Build) []string {
	_, found := played(t, b, []Case{{
		App: "noted", Person: "Ujiwati", Verdict: true, Want: approved(fsm.Premium),
		Faults: []sandbox.Fault{{Call: "customers.create", Kind: sandbox.FaultLatency, LatencyMS: 400, Count: 1}},
	}})
	return found
}}

// Patient makes every vendor slow and nothing fail: nothing may be sent twice.
var Patient = Hunt{"slow vendors, nothing fails", func(t testing.TB, b Build) []string {
	s := New(t, Options{Build: b, Sandbox: sandbox.Options{Latency: 150 * time.Millisecond}})
	for range 2 {
		if _, err := s.Serve(); err != nil {
			return []string{err.Error()}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cases := []Case{{App: "patient", Person: "Citra Uji Lancar", Want: approved(fsm.Premium)}}
	var found []string
	for _, err := range s.PlayAll(ctx, cases) {
		found = append(found, err.Error())
	}
	for _, e := range s.Vendors.Effects().Effects {
		if e.Replayed > 0 {
			found = append(found, fmt.Sprintf("%s was sent %d times for %s although nothing failed", e.Call, 1+e.Replayed, e.ExternalID))
		}
	}
	return append(found, s.Broken(t.Context(), cases...)...)
}}

// Drained tells the server to end in the middle of a call.
var Drained = Hunt{"SIGTERM in the middle of a call", func(t testing.TB, b Build) []string {
	s := New(t, Options{Build: b})
	first, err := s.Serve()
	if err != nil {
		return []string{err.Error()}
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	watched := make(chan []string)
	watching, enough := context.WithCancel(ctx)
	go func() { watched <- s.supervise(watching, first, arm("", 0, "")) }()
	var found []string
	inStep := Case{App: "drained", Person: "Wahyu Rekaan Telat", Verdict: true, Want: approved(fsm.Premium), Faults: []sandbox.Fault{
		{Call: "dukcapil.ingest", Kind: sandbox.FaultLatency, LatencyMS: 300, Count: 1},
	}}
	err = s.drainIn(ctx, inStep, func(e sandbox.Entry) bool { return e.Call == "dukcapil.ingest" })
	if err != nil {
		found = append(found, err.Error())
	}
	enough()
	found = append(found, <-watched...)
	return append(found, s.Broken(t.Context(), inStep)...)
}}

// poisonAttempts is how often the row of Poison may kill its server.
const poisonAttempts = 3

// Poison is a row that kills its server whenever it is worked on. It must park
// after its attempts.
var Poison = Hunt{"a row that kills its server", func(t testing.TB, b Build) []string {
	s := New(t, Options{Build: b, Env: []string{fmt.Sprintf("GERBANG_MAX_ATTEMPTS=%d", poisonAttempts)}})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	poisoned := make(chan error, 1)
	go func() {
		poisoned <- s.Play(ctx, Case{App: "poison", Person: "Citra Uji Lancar"})
	}()
	for deaths := 0; ; deaths++ {
		p, err := s.Serve(arm("call-answered", 1, "kill"))
		if err != nil {
			return []string{err.Error()}
		}
		select {
		case <-p.Ended():
			if deaths > poisonAttempts {
				return []string{fmt.Sprintf("it has killed %d servers and is not parked", deaths+1)}
			}
		case err := <-poisoned: // parked, which Play does not expect of it
			if err == nil {
				return []string{"it went through"}
			}
			return s.Broken(t.Context())
		}
	}
}}

// Stale wakes a zombie, whose answer is decided but not committed, while another
// server holds its row: the zombie's lease has passed, so it must not write.
var Stale = Hunt{"zombie with a decided answer, row held by another", func(t testing.TB, b Build) []string {
	s := New(t, Options{Build: b})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	zombie, err := s.Serve(arm("step-decided", 1, "stop"))
	if err != nil {
		return []string{err.Error()}
	}
	c := Case{App: "stale", Person: "Citra Uji Lancar", Want: approved(fsm.Premium)}
	done := make(chan error, 1)
	go func() { done <- s.Play(ctx, c) }()
	select {
	case <-zombie.Fired():
	case <-ctx.Done():
		return []string{"the point was not reached"}
	}
	// The other server's call takes longer than the zombie takes to wake and end.
	if err := s.Vendors.AddFault(sandbox.Fault{Call: "customers.create", Kind: sandbox.FaultLatency, LatencyMS: 4000, Count: 1}); err != nil {
		return []string{err.Error()}
	}
	if _, err := s.Serve("GERBANG_LEASE=10s", "GERBANG_VENDOR_TIMEOUT=8s"); err != nil {
		return []string{err.Error()}
	}
	if _, err := s.Vendors.Await(ctx, func(e sandbox.Entry) bool { return e.Seq > 1 && e.Open }); err != nil {
		return []string{err.Error()}
	}
	found := s.wake(ctx, zombie)
	if err := <-done; err != nil {
		found = append(found, err.Error())
	}
	return append(found, s.Broken(t.Context(), c)...)
}}
