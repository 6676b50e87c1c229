package resumer_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/sandbox"
	"github.com/gerbang-id/gerbang/internal/store"
)

// TestModel plays random requests, vendor answers, faults, dying workers and
// time against the service and against the model, and compares the two after
// every step. rapid prints the seed of a failure; to see it again:
//
//	go test ./internal/resumer -run TestModel -rapid.seed=SEED
//
// With GERBANG_SOAK=1 it goes on for some ten times as long.
func TestModel(t *testing.T) {
	t.Parallel()
	runs := "250"
	if os.Getenv("GERBANG_SOAK") == "1" {
		runs = "5000"
	}
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		must(t, checks.Value.Set(runs))
	}
	must(t, flag.Set("rapid.nofailfile", "true")) // the seed is enough
	w := newWorld(t, func(_ *fsm.Policy, c *resumer.Config) {
		c.RetryBase, c.RetryMax, c.MaxAttempts = modelBackoff, modelBackoff, modelAttempts
	})
	w.sb.SetLimits(map[string]int{"kyc.get": 0})
	steps, seen := 0, map[fsm.State]int{}
	rapid.Check(t, func(rt *rapid.T) {
		m := newMachine(rt, w)
		defer m.end(seen)
		if rapid.Bool().Draw(rt, "registry out") {
			m.spoil("403", "dukcapil.verify")
		}
		for range rapid.SampledFrom([]int{2, 0, 1, 4}).Draw(rt, "spoilt") {
			m.Spoil(rt)
		}
		for range rapid.SampledFrom([]int{8, 0, 4, 12, 16}).Draw(rt, "begun") { // or few runs would get far
			m.Proceed(rt)
			m.Check(rt)
		}
		actions := rapid.StateMachineActions(m)
		for name, do := range actions {
			if name != "" {
				actions[name] = func(rt *rapid.T) { do(rt); steps++ }
			}
		}
		rt.Repeat(actions)
	})
	t.Logf("%d steps, through %v", steps, seen)
	for _, s := range fsm.States() {
		if seen[s] == 0 && runs == flag.Lookup("rapid.checks").Value.String() {
			t.Errorf("never in %s: this proves little", s)
		}
	}
}

var actors = []actor{
	{name: "Citra Uji Lancar"}, {name: "Tegar Uji Lengkap", ktp: []string{"unclear"}, selfie: []string{"no_match", "match"}, dukcapil: "not_valid", aml: "confirmed", fraud: "review"},
	{name: "Hasan Uji Tinjau", ktp: []string{"unclear"}}, {name: "Rina Uji Ulang", ktp: []string{"unclear", "passed"}},
	{name: "Gilang Uji Palsu", ktp: []string{"failed"}}, {name: "Omar Uji Beda", selfie: []string{"no_match"}},
	{name: "Nina Uji Duakali", selfie: []string{"no_match", "match"}}, {name: "Wawan Uji Wajah", selfie: []string{"unreadable"}},
	{name: "Tari Uji Gelap", selfie: []string{"unclear"}}, {name: "Ayu Uji Nihil", dukcapil: "not_valid"},
	{name: "Fitri Uji Ganda", dukcapil: "human"}, {name: "Gita Uji Kuota", dukcapil: "later"},
	{name: "Maya Uji Pejabat", aml: "review"}, {name: "Umar Patek", aml: "confirmed"},
	{name: "Qori Uji Curiga", fraud: "review"}, {name: "Rian Uji Blokir", fraud: "block"},
}

// faulty are the faults, as the sandbox makes them and as the model reads them.
var faulty = map[string]struct {
	spoilt
	sandbox.Fault
}{
	"503":        {spoilt{reads: "transient"}, sandbox.Fault{Kind: sandbox.FaultStatus, Status: 503}},
	"500 done":   {spoilt{reads: "transient", worked: true}, sandbox.Fault{Kind: sandbox.FaultStatusAfter, Status: 500}},
	"reset":      {spoilt{reads: "transient"}, sandbox.Fault{Kind: sandbox.FaultResetBefore}},
	"reset done": {spoilt{reads: "transient", worked: true}, sandbox.Fault{Kind: sandbox.FaultResetAfter}},
	"truncated":  {spoilt{reads: "transient", worked: true}, sandbox.Fault{Kind: sandbox.FaultTruncated}},
	"html":       {spoilt{reads: "transient"}, sandbox.Fault{Kind: sandbox.FaultHTML}},
	"403":        {spoilt{reads: "permanent"}, sandbox.Fault{Kind: sandbox.FaultStatus, Status: 403}},
	"404 done":   {spoilt{reads: "permanent", worked: true}, sandbox.Fault{Kind: sandbox.FaultStatusAfter, Status: 404}},
	"409":        {spoilt{reads: "conflict"}, sandbox.Fault{Kind: sandbox.FaultStatus, Status: 409}},
	"409 done":   {spoilt{reads: "conflict", worked: true}, sandbox.Fault{Kind: sandbox.FaultStatusAfter, Status: 409}},
	"422":        {spoilt{reads: "invalid"}, sandbox.Fault{Kind: sandbox.FaultStatus, Status: 422}},
}

// machine is the service and its model, side by side. Its methods are the
// actions; rapid finds them by reflection.
type machine struct {
	rt *rapid.T
	w  *world
	model
	a, b *resumer.Resumer // two replicas
	door *resumer.Resumer // a third one that only takes requests: it is draining
	id   uuid.UUID
	app  string
	form resumer.Application
	desk struct {
		store.Review
		last bool // one was seen
	}
	dead    []*store.Onboarding // claims whose worker never came back
	spoils  int
	parkFor string
}

func newMachine(rt *rapid.T, w *world) *machine {
	m := &machine{rt: rt, w: w}
	policy := fsm.DefaultPolicy()
	policy.Dukcapil.Budget = modelBudget
	policy.Products.AntiFraud = rapid.Bool().Draw(rt, "fraud bought")
	policy.Products.Dukcapil = rapid.IntRange(0, 3).Draw(rt, "registry") != 0
	policy.AML.ConfirmedNeedsSignoff = rapid.Bool().Draw(rt, "signoff")
	version, err := w.st.SavePolicy(context.Background(), policy)
	m.must(err)
	replica := func() *resumer.Resumer {
		cfg := w.r.Config
		cfg.Registerer, cfg.Policy = nil, version
		return resumer.New(cfg)
	}
	m.a, m.b, m.door = replica(), replica(), replica()
	m.door.Drain(context.Background())

	who := rapid.SampledFrom(actors).Draw(rt, "who")
	or := func(v *[]string, usual string) {
		if *v == nil {
			*v = []string{usual}
		}
	}
	or(&who.ktp, "passed")
	or(&who.selfie, "match")
	for v, usual := range map[*string]string{&who.dukcapil: "valid", &who.aml: "no_match", &who.fraud: "allow"} {
		if *v == "" {
			*v = usual
		}
	}
	m.model = model{
		who: who, fraud: policy.Products.AntiFraud, registry: policy.Products.Dukcapil, signoff: policy.AML.ConfirmedNeedsSignoff,
		done: map[string]bool{}, nonces: map[string]*nonce{},
		ktps: sequence{verdicts: map[int]string{}}, faces: sequence{verdicts: map[int]string{}},
	}
	n := w.n.Add(1)
	m.app = fmt.Sprintf("model-%d", n)
	m.form = application(m.app, fmt.Sprintf("%s Nomor %d", who.name, n), nil)
	if rapid.IntRange(0, 4).Draw(rt, "verdict with the form") == 0 {
		m.form.Verdict, m.model.verdict = &valid, "valid"
	}
	m.create()
	return m
}

func (m *machine) create() {
	taker, worksOn := m.taker()
	v, created, err := taker.Create(m.w.t.Context(), m.form)
	m.must(err)
	if !created {
		m.rt.Fatal("not created")
	}
	m.id = v.ID
	m.state, m.version = "registering", 1
	if worksOn {
		m.attempts, m.leased = 1, true
		m.chain()
	} else {
		m.due = true
	}
	m.idle()
}

// end leaves nothing for the next run's workers to find.
func (m *machine) end(seen map[fsm.State]int) {
	events, err := m.w.st.Events(context.Background(), client, m.id)
	m.must(err)
	for _, e := range events {
		seen[e.To]++
	}
	for _, r := range []*resumer.Resumer{m.a, m.b} {
		r.Drain(context.Background())
	}
	_, err = m.w.db.Pool.Exec(context.Background(), `UPDATE onboardings SET due_at = NULL, lease = NULL`)
	m.must(err)
	m.w.sb.ClearFaults()
}

func (m *machine) must(err error) {
	if err != nil {
		m.rt.Helper()
		m.rt.Fatal(err)
	}
}

func (m *machine) idle() { m.a.Idle(); m.b.Idle() }

// taker is who takes a request: a replica that works on, or one that does not.
func (m *machine) taker() (*resumer.Resumer, bool) {
	switch rapid.IntRange(0, 2).Draw(m.rt, "taken by") {
	case 0:
		return m.a, true
	case 1:
		return m.b, true
	}
	return m.door, false
}

// answered compares an error with the one that must come: nil, or one of the
// package's own.
func (m *machine) answered(err, want error) {
	m.rt.Helper()
	if !errors.Is(err, want) || (want == nil && err != nil) {
		m.rt.Fatalf("answered %v instead of %v in %s", err, want, m.state)
	}
}

// Check compares row and model.
func (m *machine) Check(rt *rapid.T) {
	// What is to be asked again is due when time is moved, and not while we look.
	_, err := m.w.db.Pool.Exec(m.w.t.Context(), `UPDATE onboardings SET due_at = now() + interval '1 day'
		WHERE id = $1 AND lease IS NULL AND due_at > now() AND due_at < now() + interval '2 hours'`, m.id)
	m.must(err)
	o, err := m.w.st.Get(m.w.t.Context(), client, m.id)
	m.must(err)
	type seen struct {
		State, Status, Level, Reason string
		Version                      int64
		Attempts                     int
		Due, Leased, Parked          bool
	}
	is := seen{string(o.State), string(o.State.Status()), string(o.Level), string(o.DeclineReason), o.Version,
		o.Attempts, o.DueAt != nil && !o.DueAt.After(o.DBNow()), o.Lease != uuid.Nil, o.ParkedAt != nil}
	// A lease that has passed is whoever's; until then its row is nobody else's.
	should := seen{m.state, m.status(), m.level, m.reason, m.version, m.attempts, m.due, m.leased, m.parked}
	if is != should {
		rt.Fatalf("it is     %+v (last error %q)\nit should %+v", is, o.LastError, should)
	}
	m.parkFor = o.ParkCause
	events, err := m.w.st.Events(m.w.t.Context(), client, m.id)
	m.must(err)
	if bad := store.VerifyChain(events); bad != 0 || int64(len(events)) != o.Version {
		rt.Fatalf("%d events at version %d, chain broken at %d", len(events), o.Version, bad)
	}
	_, err = m.w.st.OpenReview(m.w.t.Context(), o)
	if open := err == nil; open != m.model.desk.open {
		rt.Fatalf("a review is open: %t, in %s: %v", open, m.state, err)
	}
}

// Apply hands the form in once more, as it was or changed.
func (m *machine) Apply(rt *rapid.T) {
	form, want := m.form, error(nil)
	if rapid.Bool().Draw(rt, "changed") {
		form.Applicant.Email, want = pii.NewSecret("other@example.test"), store.ErrConflict
	}
	taker, _ := m.taker()
	v, created, err := taker.Create(m.w.t.Context(), form)
	m.answered(err, want)
	if created || (err == nil && v.ID != m.id) {
		rt.Fatal("created once more")
	}
	m.idle()
}

// Spoil has the vendor spoil one of the next calls.
func (m *machine) Spoil(rt *rapid.T) {
	if m.spoils++; m.spoils > 15 || len(m.faults) > 3 { // fewer than open a breaker
		rt.Skip()
	}
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(faulty))).Draw(rt, "fault")
	calls := slices.Clone(faultyCalls)
	if !strings.HasPrefix(name, "reset") { // net/http may read once more by itself, and nobody notice
		calls = append(calls, "kyc.get", "")
	}
	m.spoil(name, rapid.SampledFrom(calls).Draw(rt, "call"))
}

func (m *machine) spoil(name, call string) {
	f := faulty[name]
	f.Fault.Call = call
	f.Fault.Count, f.Fault.ExternalID = 1, m.app
	f.spoilt.call, f.spoilt.name = f.Fault.Call, name
	m.must(m.w.sb.AddFault(f.Fault))
	m.faults = append(m.faults, f.spoilt)
}

// Work lets a replica claim what is due.
func (m *machine) Work(rt *rapid.T) {
	r := m.a
	if rapid.Bool().Draw(rt, "the other replica") {
		r = m.b
	}
	_, err := r.RunOnce(m.w.t.Context())
	m.must(err)
	m.run()
}

// Proceed does what is asked for next.
func (m *machine) Proceed(rt *rapid.T) {
	switch {
	case m.parked:
		m.Retry(rt)
	case m.asked(store.KTP), m.asked(store.Face):
		m.Challenge(rt)
		m.Capture(rt)
	case m.model.desk.open:
		m.Decide(rt)
	default:
		m.Wait(rt)
		m.Work(rt)
	}
}

// ProceedOnceMore makes that twice as likely.
func (m *machine) ProceedOnceMore(rt *rapid.T) { m.Proceed(rt) }

// Die is a worker that claims what is due and is never heard of again.
func (m *machine) Die(*rapid.T) {
	rows, err := m.w.st.Claim(m.w.t.Context(), 5, 20*time.Second)
	m.must(err)
	m.claim()
	m.dead = append(m.dead, rows...)
}

// Haunt is such a worker that wakes after its time and goes on as if nothing
// had happened.
func (m *machine) Haunt(rt *rapid.T) {
	if len(m.dead) == 0 {
		rt.Skip()
	}
	o := m.w.get(m.id)
	ghost := rapid.SampledFrom(m.dead).Draw(rt, "ghost")
	superseded := ghost.Lease != o.Lease || ghost.Version != o.Version
	late := o.DueAt == nil || !o.DueAt.After(o.DBNow())
	if !superseded && !late {
		rt.Skip() // it is in its right
	}
	copied, event := *ghost, fsm.Passed
	if ghost.State.Expires() {
		event = fsm.Expire
	}
	move := &store.Move{Row: &copied, Claim: copied.Lease, Event: event, Facts: copied.Facts, Actor: "system"}
	if fsm.Can(copied.State, event) {
		m.answered(m.w.st.Advance(m.w.t.Context(), move)[0], store.ErrMoved)
	}
	if superseded {
		m.answered(m.w.st.Postpone(m.w.t.Context(), ghost, 0, "", true), store.ErrMoved)
		m.answered(m.w.st.Park(m.w.t.Context(), ghost, "haunted", ""), store.ErrMoved)
	}
}

// Wait moves time to where the onboarding is due, or its worker's lease over.
func (m *machine) Wait(*rapid.T) {
	_, err := m.w.db.Pool.Exec(m.w.t.Context(), `UPDATE onboardings SET due_at = now() WHERE id = $1 AND due_at IS NOT NULL`, m.id)
	m.must(err)
	waits := m.state == "awaiting_ktp" || m.state == "awaiting_selfie"
	for _, s := range working {
		waits = waits || m.state == s
	}
	m.due = m.due || (waits && !m.parked)
}

// Age makes it look as if the onboarding had been in its state for longer.
func (m *machine) Age(rt *rapid.T) {
	d := rapid.SampledFrom([]time.Duration{2 * modelBudget, 31 * 24 * time.Hour}).Draw(rt, "by")
	m.w.age(m.id, d)
	m.aged += d
}
