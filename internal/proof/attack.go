package proof

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// Attack is one crash of a server in the middle of a cast's onboardings.
type Attack struct {
	Build  Build
	Point  string // where it crashes
	Hit    int    // at which hit of the point, from 1
	Second string // where its successor crashes, if anywhere: a crash during recovery
	Seed   uint64 // of the vendors' faults
	Faults int    // how many of them
	Cast   []Case // nil: [Cast]
	Trace  string // file for the points hit
}

func (a Attack) cast() []Case {
	if a.Cast != nil {
		return a.Cast
	}
	return Cast()
}

// limit is how long a cast may take, whatever is done to it. It is generous: it
// only has to tell slow from never.
const limit = 30 * time.Second

// arm is the variable that has a server crash.
func arm(point string, hit int, how string) string {
	if point == "" {
		return "GERBANG_CRASHPOINT="
	}
	return fmt.Sprintf("GERBANG_CRASHPOINT=%s:%d:%s", point, hit, how)
}

func (a Attack) stack(t testing.TB) *Stack {
	t.Helper()
	s := New(t, Options{Build: a.Build, Env: []string{CastEnv}})
	for _, f := range RandomFaults(NewRand(a.Seed, "faults"), a.Faults) {
		if err := s.Vendors.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// Kill plays the cast on a server that dies at the point, is started again, and
// again as often as it dies. It returns what is not as it must be in the end,
// and whether the point was reached.
func (a Attack) Kill(t testing.TB) (found []string, fired bool) {
	t.Helper()
	s := a.stack(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	first, err := s.Serve(arm(a.Point, a.Hit, "kill"), "GERBANG_CRASHPOINT_TRACE="+a.Trace)
	if err != nil {
		return []string{err.Error()}, false
	}
	watched := make(chan []string)
	play, played := context.WithCancel(ctx)
	go func() { watched <- s.supervise(play, first, arm(a.Second, 1, "kill")) }()
	for _, err := range s.PlayAll(ctx, a.cast()) {
		found = append(found, err.Error())
	}
	cases := a.cast()
	if len(found) == 0 && (strings.HasPrefix(a.Point, "drain") || a.Trace != "") {
		cases = append(cases, late)
		if err := s.drainIn(ctx, late, func(e sandbox.Entry) bool { return e.ExternalID == late.App }); err != nil {
			found = append(found, err.Error())
		}
	}
	played()
	found = append(found, <-watched...)
	return append(found, s.Broken(t.Context(), cases...)...), isFired(first)
}

// supervise starts a server whenever the last one has died, the first time with
// the given variable, until ctx ends. A death nobody caused is reported.
func (s *Stack) supervise(ctx context.Context, p *Process, env string) (found []string) {
	for {
		select {
		case <-ctx.Done():
			return found
		case <-p.Ended():
		}
		if !isFired(p) && p.cmd.ProcessState.ExitCode() != 0 {
			found = append(found, fmt.Sprintf("%s died by itself: %s\n%s", p.Name, p.cmd.ProcessState, p.Tail(30)))
		}
		next, err := s.Serve(env)
		if err != nil {
			return append(found, err.Error())
		}
		p, env = next, arm("", 0, "")
	}
}

// late is a customer who comes just before a server is told to end.
var late = Case{App: "late", Person: "Wahyu Rekaan Telat", Want: approved(fsm.Premium), Faults: []sandbox.Fault{
	{Call: "customers.create", Kind: sandbox.FaultLatency, LatencyMS: 300, Count: 1},
}}

// drainIn tells the servers to end when a customer has come to a vendor call.
func (s *Stack) drainIn(ctx context.Context, c Case, in func(sandbox.Entry) bool) error {
	done := make(chan error, 1)
	go func() { done <- s.Play(ctx, c) }()
	if _, err := s.Vendors.Await(ctx, in); err != nil {
		return err
	}
	for _, p := range s.Servers() {
		if err := p.Term(); err != nil && !isFired(p) {
			return err
		}
	}
	return <-done
}

func isFired(p *Process) bool {
	select {
	case <-p.Fired():
		return true
	default:
		return false
	}
}

// Stop plays the cast on a server that is stopped at the point; another one
// finishes everything once the leases have passed, and then the first is woken.
// A zombie must neither send nor write.
func (a Attack) Stop(t testing.TB) (found []string, fired bool) {
	t.Helper()
	s := a.stack(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	zombie, err := s.Serve(arm(a.Point, a.Hit, "stop"))
	if err != nil {
		return []string{err.Error()}, false
	}
	replaced := make(chan error, 1)
	play, played := context.WithCancel(ctx)
	defer played()
	go func() {
		select {
		case <-zombie.Fired():
			_, err := s.Serve()
			replaced <- err
		case <-play.Done():
			replaced <- nil
		}
	}()
	for _, err := range s.PlayAll(ctx, a.cast()) {
		found = append(found, err.Error())
	}
	played()
	if err := <-replaced; err != nil {
		found = append(found, err.Error())
	}
	if fired = isFired(zombie); fired && len(found) == 0 {
		found = s.wake(ctx, zombie)
	}
	return append(found, s.Broken(t.Context(), a.cast()...)...), fired
}

// wake lets a zombie do what it wants to, to its end, and reports what that was.
func (s *Stack) wake(ctx context.Context, zombie *Process) (found []string) {
	report := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	before, err := s.fingerprint(ctx)
	if err != nil {
		return []string{err.Error()}
	}
	sent := int64(0)
	if journal := s.Vendors.Journal(); len(journal) > 0 {
		sent = journal[len(journal)-1].Seq
	}
	if err := zombie.Cont(); err != nil {
		return []string{err.Error()}
	}
	// It drains: whatever it was about to do, it does before it ends.
	if err := zombie.Term(); err != nil {
		report("the zombie does not end well: %v", err)
	}
	for _, e := range s.Vendors.Journal() {
		if e.Seq > sent && !slices.Contains(harmless, e.Call) {
			report("the zombie sent %s for %s%v after it woke", e.Call, e.ExternalID, e.ExternalIDs)
		}
	}
	after, err := s.fingerprint(ctx)
	if err != nil {
		report("%v", err)
	}
	if before != after {
		report("the zombie wrote to the database after it woke")
	}
	return found
}

// harmless are calls that a request makes, not the holder of a lease: they do
// nothing for an onboarding, and their answers went to nobody.
var harmless = []string{"ktp.challenge", "face.challenge"}

// fingerprint changes whenever anything about an onboarding does.
func (s *Stack) fingerprint(ctx context.Context) (string, error) {
	sum := sha256.New()
	for _, table := range []string{"onboardings", "applications", "events", "captures", "reviews"} {
		var text string
		err := s.DB.Pool.QueryRow(ctx, `SELECT coalesce(string_agg(x::text, E'\n' ORDER BY x::text), '') FROM `+table+` x`).Scan(&text)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", table, err)
		}
		sum.Write([]byte(text))
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), nil
}
