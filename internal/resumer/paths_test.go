package resumer_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/sandbox"
	"github.com/gerbang-id/gerbang/internal/store"
)

// path is one way through the machine.
type path struct {
	name    string
	person  string
	verdict *pii.Verdict
	policy  func(*fsm.Policy)
	faults  []sandbox.Fault
	decide  map[fsm.ReviewKind]fsm.ReviewDecision // approve where not named
	at      map[fsm.State]func(*world, uuid.UUID) // done on reaching a state, once
	want    fsm.State
	level   fsm.Level
	reason  fsm.DeclineReason
}

const plain = "Citra Uji Lancar"

var (
	noFraud    = func(p *fsm.Policy) { p.Products.AntiFraud = false }
	noDukcapil = func(p *fsm.Policy) { p.Products.Dukcapil = false }
	reject     = func(k fsm.ReviewKind) map[fsm.ReviewKind]fsm.ReviewDecision {
		return map[fsm.ReviewKind]fsm.ReviewDecision{k: fsm.DecisionReject}
	}
	valid = pii.Verdict{Valid: true, Photo: pii.NewSecret("/9j/4AAQSkZJRg=="), Raw: pii.NewSecret(`{"NIK":"Sesuai"}`)}
	// down is a registry that answers nothing until the upgrade.
	down = sandbox.Fault{Call: "dukcapil.verify", Kind: sandbox.FaultStatus, Status: 401, Count: 1}
	lost = func(call string) sandbox.Fault {
		return sandbox.Fault{Call: call, Kind: sandbox.FaultStatusAfter, Status: 409, Count: 1}
	}
)

func paths() []path {
	expire := func(w *world, id uuid.UUID) { w.tick(id) }
	return []path{
		{name: "premium", person: plain, want: fsm.Approved, level: fsm.Premium},
		{name: "one-word name", person: "Ujiwati", want: fsm.Approved, level: fsm.Premium},
		{name: "ktp review approved", person: "Hasan Uji Tinjau", want: fsm.Approved, level: fsm.Premium},
		{name: "ktp review rejected", person: "Hasan Uji Tinjau", decide: reject(fsm.ReviewKTP), want: fsm.Declined, reason: fsm.KTPRejected},
		{name: "ktp review recapture", person: "Rina Uji Ulang", want: fsm.Approved, level: fsm.Premium,
			decide: map[fsm.ReviewKind]fsm.ReviewDecision{fsm.ReviewKTP: fsm.DecisionRecapture}},
		{name: "ktp unknown verdict", person: "Joko Uji Asing", want: fsm.Approved, level: fsm.Premium},
		{name: "ktp malformed nik is referred", person: "Dewi Uji Pendek", decide: reject(fsm.ReviewKTP), want: fsm.Declined, reason: fsm.KTPRejected},
		{name: "ktp failed", person: "Gilang Uji Palsu", want: fsm.Declined, reason: fsm.KTPFailed},
		{name: "ktp answer lost", person: plain, faults: []sandbox.Fault{lost("ktp.capture")}, want: fsm.Approved, level: fsm.Premium},
		{name: "ktp refusal adopted", person: "Gilang Uji Palsu", faults: []sandbox.Fault{lost("ktp.capture")}, want: fsm.Declined, reason: fsm.KTPFailed},
		{name: "ktp expired", person: plain, at: map[fsm.State]func(*world, uuid.UUID){fsm.AwaitingKTP: expire}, want: fsm.Expired},
		{name: "selfie expired", person: plain, at: map[fsm.State]func(*world, uuid.UUID){fsm.AwaitingSelfie: expire}, want: fsm.Expired},
		{name: "second selfie", person: "Nina Uji Duakali", want: fsm.Approved, level: fsm.Premium},
		{name: "two selfies fail", person: "Omar Uji Beda", want: fsm.Declined, reason: fsm.BiometricMismatch},
		{name: "selfie referred", person: "Wawan Uji Wajah", decide: map[fsm.ReviewKind]fsm.ReviewDecision{}, want: fsm.Declined, reason: fsm.KTPRejected,
			at: map[fsm.State]func(*world, uuid.UUID){fsm.KTPReview: func(w *world, id uuid.UUID) { must(w.t, w.decide(id, "sari", fsm.DecisionReject)) }}},
		{name: "selfie not judged", person: plain, want: fsm.Approved, level: fsm.Premium,
			faults: []sandbox.Fault{{Call: "step-up", Kind: sandbox.FaultStatus, Status: 409, Count: 1}}},
		{name: "selfie answer adopted", person: plain, faults: []sandbox.Fault{lost("step-up")}, want: fsm.Approved, level: fsm.Premium},
		{name: "verdict with the form", person: plain, verdict: &valid, want: fsm.Approved, level: fsm.Premium},
		{name: "without dukcapil", person: plain, policy: noDukcapil, want: fsm.Approved, level: fsm.Standard},
		{name: "dukcapil not found, approved", person: "Ayu Uji Nihil", want: fsm.Approved, level: fsm.Standard},
		{name: "dukcapil not found, rejected", person: "Ayu Uji Nihil", decide: reject(fsm.ReviewDukcapil), want: fsm.Declined, reason: fsm.DukcapilRejected},
		{name: "dukcapil several records", person: "Fitri Uji Ganda", want: fsm.Approved, level: fsm.Standard},
		{name: "ingest unreadable", person: plain, want: fsm.Approved, level: fsm.Standard,
			faults: []sandbox.Fault{{Call: "dukcapil.ingest", Kind: sandbox.FaultUnknownEnum, Count: 1}}},
		{name: "ingest adopted", person: plain, faults: []sandbox.Fault{lost("dukcapil.ingest")}, want: fsm.Approved, level: fsm.Premium},
		{name: "upgraded", person: plain, faults: []sandbox.Fault{down}, want: fsm.Approved, level: fsm.Premium},
		{name: "upgraded, no fraud product", person: plain, policy: noFraud, faults: []sandbox.Fault{down}, want: fsm.Approved, level: fsm.Premium},
		{name: "upgrade not valid", person: "Ayu Uji Nihil", faults: []sandbox.Fault{down}, want: fsm.Approved, level: fsm.Standard},
		{name: "upgrade not valid, rejected", person: "Ayu Uji Nihil", faults: []sandbox.Fault{down}, decide: reject(fsm.ReviewDukcapil),
			want: fsm.Declined, reason: fsm.DukcapilRejected},
		{name: "upgrade several records", person: "Fitri Uji Ganda", faults: []sandbox.Fault{down}, want: fsm.Approved, level: fsm.Standard},
		{name: "upgrade ingest unreadable", person: plain, want: fsm.Approved, level: fsm.Standard,
			faults: []sandbox.Fault{down, {Call: "dukcapil.ingest", Kind: sandbox.FaultUnknownEnum, Count: 1}}},
		{name: "upgrade given up", person: "Gita Uji Kuota", want: fsm.Approved, level: fsm.Standard,
			at: map[fsm.State]func(*world, uuid.UUID){fsm.Upgrading: func(w *world, id uuid.UUID) {
				w.tick(id) // still no quota: due again later
				w.age(id, 31*24*time.Hour)
			}}},
		{name: "aml review", person: "Maya Uji Pejabat", want: fsm.Approved, level: fsm.Premium},
		{name: "aml rejected", person: "Ratna Uji Berita", decide: reject(fsm.ReviewAML), want: fsm.Declined, reason: fsm.AMLRejected},
		{name: "the vendor's pep seed", person: "Bambang Setiawan Hartono", want: fsm.Approved, level: fsm.Premium},
		{name: "aml unknown status", person: "Oki Uji Saringan", want: fsm.Approved, level: fsm.Premium},
		{name: "aml, no fraud product", person: plain, policy: noFraud, want: fsm.Approved, level: fsm.Premium},
		{name: "aml review, no fraud product", person: "Maya Uji Pejabat", policy: noFraud, want: fsm.Approved, level: fsm.Premium},
		{name: "aml review, dukcapil owed", person: "Maya Uji Pejabat", policy: noFraud, faults: []sandbox.Fault{down}, want: fsm.Approved, level: fsm.Premium},
		{name: "sign-off", person: "Umar Patek", want: fsm.Approved, level: fsm.Premium},
		{name: "sign-off rejected", person: "Nanda Uji Sanksi", decide: reject(fsm.ReviewSignoff), want: fsm.Declined, reason: fsm.AMLRejected},
		{name: "sign-off, no fraud product", person: "Umar Patek", policy: noFraud, want: fsm.Approved, level: fsm.Premium},
		{name: "sign-off, dukcapil owed", person: "Umar Patek", policy: noFraud, faults: []sandbox.Fault{down}, want: fsm.Approved, level: fsm.Premium},
		{name: "sign-off not required", person: "Umar Patek", policy: func(p *fsm.Policy) { p.AML.ConfirmedNeedsSignoff = false },
			want: fsm.Approved, level: fsm.Premium},
		{name: "fraud flag", person: "Prima Uji Bendera", want: fsm.Approved, level: fsm.Premium},
		{name: "fraud review", person: "Qori Uji Curiga", want: fsm.Approved, level: fsm.Premium},
		{name: "fraud review, dukcapil owed", person: "Qori Uji Curiga", faults: []sandbox.Fault{down}, want: fsm.Approved, level: fsm.Premium},
		{name: "fraud rejected", person: "Qori Uji Curiga", decide: reject(fsm.ReviewFraud), want: fsm.Declined, reason: fsm.FraudRejected},
		{name: "fraud block", person: "Rian Uji Blokir", want: fsm.Declined, reason: fsm.FraudBlock},
		{name: "fraud unknown decision", person: "Sinta Uji Skor", want: fsm.Approved, level: fsm.Premium},
		{name: "every review", person: "Tegar Uji Lengkap", want: fsm.Approved, level: fsm.Standard},
	}
}

// callOf is the vendor call of each work state, to hold a row there.
var callOf = map[fsm.State]string{
	fsm.Registering: "customers.create", fsm.VerifyingKTP: "ktp.capture", fsm.VerifyingSelfie: "step-up",
	fsm.CheckingDukcapil: "dukcapil.verify", fsm.RecordingDukcapil: "dukcapil.ingest",
	fsm.ScreeningAML: "screenings.create", fsm.EvaluatingFraud: "evaluate",
}

func cancelPaths() (out []path) {
	for _, s := range fsm.States() {
		if !fsm.Can(s, fsm.Cancel) {
			continue
		}
		p := path{name: "cancel from " + string(s), person: "Tegar Uji Lengkap", want: fsm.Cancelled,
			at: map[fsm.State]func(*world, uuid.UUID){s: func(w *world, id uuid.UUID) {
				_, err := w.r.Cancel(w.t.Context(), client, id, "key:test")
				must(w.t, err)
			}}}
		if call := callOf[s]; call != "" {
			p.faults = []sandbox.Fault{{Call: call, Kind: sandbox.FaultStatus, Status: 503}}
		}
		out = append(out, p)
	}
	return out
}

// TestEveryPath walks the whole graph on a real database and compares the moves
// that were made with the table: no edge is left out.
func TestEveryPath(t *testing.T) {
	var mu sync.Mutex
	walked := map[string]bool{}
	t.Run("paths", func(t *testing.T) {
		for _, p := range append(paths(), cancelPaths()...) {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				for _, e := range walk(t, p) {
					mu.Lock()
					walked[fmt.Sprintf("%s --%s--> %s", e.From, e.Event, e.To)] = true
					mu.Unlock()
				}
			})
		}
	})
	if t.Failed() {
		return
	}
	for _, e := range fsm.Edges() {
		if edge := fmt.Sprintf("%s --%s--> %s", e.From, e.Event, e.To); !walked[edge] {
			t.Errorf("no path takes %s", edge)
		}
	}
}

func walk(t *testing.T, p path) []store.Event {
	w := newWorld(t, func(policy *fsm.Policy, _ *resumer.Config) {
		if p.policy != nil {
			p.policy(policy)
		}
	})
	for _, f := range p.faults {
		w.fault(f)
	}
	id := w.create(p.person, p.verdict)
	w.drive(id, p)
	o := w.get(id)
	if o.State != p.want || o.Level != p.level || o.DeclineReason != p.reason {
		t.Errorf("ended in %s, level %q, reason %q; want %s, %q, %q", o.State, o.Level, o.DeclineReason, p.want, p.level, p.reason)
	}
	return w.checkInvariants(id)
}

// drive plays customer, analysts and time until the onboarding ends.
func (w *world) drive(id uuid.UUID, p path) {
	w.t.Helper()
	var done []fsm.State
	for range 40 {
		o := w.get(id)
		act := p.at[o.State]
		switch {
		case o.State.Kind() == fsm.Final:
			return
		case act != nil && !slices.Contains(done, o.State):
			done = append(done, o.State)
			act(w, id)
		case o.State == fsm.AwaitingKTP:
			w.capture(id, store.KTP)
		case o.State == fsm.AwaitingSelfie:
			w.capture(id, store.Face)
		case o.State.Review() != "":
			person, decision := "sari", fsm.DecisionApprove
			if o.State == fsm.AMLSignoff {
				person = "budi"
			}
			if d, ok := p.decide[o.State.Review()]; ok {
				decision = d
			}
			must(w.t, w.decide(id, person, decision))
		default:
			w.tick(id)
		}
	}
	w.t.Fatalf("not at its end after 40 moves: %s", w.get(id).State)
}
