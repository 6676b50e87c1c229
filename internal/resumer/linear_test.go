package resumer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/store"
)

// register is an onboarding as its clients may see it: a version, a state and
// what has been handed in. Whatever happens at once must look as if it had
// happened one after the other.
type register struct {
	version int64
	state   fsm.State
	verdict bool
	taken   int   // a bit for each bundle that was taken
	review  int64 // version of the open case, 0: none
}

// operation is one call of a client.
type operation struct {
	kind    string // poll, cancel, capture, verdict, decide, work
	bundle  int    // of a capture
	version int64  // of the case decided on
	state   fsm.State
}

// outcome is what the caller was told.
type outcome struct {
	version int64
	state   fsm.State
	refused bool
}

// linear says which outcomes an operation may have on a register.
var linear = porcupine.Model{
	Init:              func() any { return register{} },
	Step:              func(s, in, out any) (bool, any) { return apply(s.(register), in.(operation), out.(outcome)) },
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
}

func apply(r register, op operation, out outcome) (bool, register) {
	moved := func(to fsm.State) register {
		n := r
		n.version, n.state, n.review = r.version+1, to, 0
		if to == fsm.KTPReview {
			n.review = n.version
		}
		return n
	}
	told := func(n register) bool { return !out.refused && out.version == n.version && out.state == n.state }
	var n register
	switch op.kind {
	case "begin": // how the history finds it
		return true, register{version: out.version, state: out.state, review: op.version}
	case "poll":
		return told(r), r
	case "cancel":
		if r.state == fsm.Cancelled {
			return told(r), r
		}
		if !fsm.Can(r.state, fsm.Cancel) {
			return out.refused, r
		}
		n = moved(fsm.Cancelled)
	case "capture":
		if r.taken&(1<<op.bundle) != 0 {
			return told(r), r
		}
		if r.state != fsm.AwaitingKTP {
			return out.refused, r
		}
		n = moved(fsm.VerifyingKTP)
		n.taken |= 1 << op.bundle
	case "verdict":
		if r.verdict {
			return told(r), r
		}
		if r.state.Kind() == fsm.Final {
			return out.refused, r
		}
		n = moved(r.state)
		n.verdict, n.review = true, r.review
	case "decide":
		if r.review == 0 || r.review != op.version {
			return out.refused, r
		}
		n = moved(op.state)
	case "work":
		if out.refused { // nothing was due, or somebody else moved it
			return true, r
		}
		if r.state != fsm.VerifyingKTP {
			return false, r
		}
		n = moved(op.state)
	}
	return told(n), n
}

// history records operations with the times of call and return.
type history struct {
	mu    sync.Mutex
	begun time.Time
	ops   []porcupine.Operation
}

func (h *history) record(client int, in operation, do func() outcome) {
	call := time.Since(h.begun).Nanoseconds()
	out := do()
	back := time.Since(h.begun).Nanoseconds()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: back})
}

// TestLinearizable: clients that poll, cancel, capture, bring a verdict and
// decide at the same time, over two replicas and beside a worker, all see one
// register. The seed of a failure is printed: GERBANG_PROOF_SEED plays it again, as
// far as the scheduler allows.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seed := time.Now().UnixNano()
	if s, err := strconv.ParseInt(os.Getenv("GERBANG_PROOF_SEED"), 10, 64); err == nil {
		seed = s
	}
	rounds := 100
	if os.Getenv("GERBANG_SOAK") == "1" {
		rounds = 2000
	}
	replica := func() *resumer.Resumer { // takes requests and leaves the work to the test
		cfg := w.r.Config
		cfg.Registerer = nil
		r := resumer.New(cfg)
		r.Drain(context.WithoutCancel(t.Context()))
		return r
	}
	clients := &concurrent{world: w, replicas: []*resumer.Resumer{replica(), replica()}}
	outcomes := map[string]int{}
	for round := range rounds {
		rng := rand.New(rand.NewPCG(uint64(seed), uint64(round)))
		h := clients.round(rng)
		result, _ := porcupine.CheckOperationsVerbose(linear, h.ops, 20*time.Second)
		if result != porcupine.Ok {
			for _, op := range h.ops {
				t.Logf("client %d, %d..%d: %s", op.ClientId, op.Call, op.Return, linear.DescribeOperation(op.Input, op.Output))
			}
			t.Fatalf("round %d is %s; GERBANG_PROOF_SEED=%d", round, result, seed)
		}
		for _, op := range h.ops {
			outcomes[fmt.Sprintf("%s refused %t", op.Input.(operation).kind, op.Output.(outcome).refused)]++
		}
	}
	t.Logf("seed %d: %v", seed, outcomes)
	for _, kind := range []string{"cancel", "capture", "decide"} {
		if outcomes[kind+" refused true"] == 0 || outcomes[kind+" refused false"] == 0 {
			t.Errorf("%s was never refused, or always", kind)
		}
	}
}

// concurrent are the clients of one onboarding.
type concurrent struct {
	*world
	replicas []*resumer.Resumer
}

func (c *concurrent) round(rng *rand.Rand) *history {
	c.t.Helper()
	id, review, nonces := c.prepare(rng)
	o := c.get(id)
	h := &history{begun: time.Now()}
	h.record(0, operation{kind: "begin", version: review.Version}, func() outcome { return outcome{version: o.Version, state: o.State} })
	kinds := []string{"poll", "poll", "poll", "capture", "capture", "work", "verdict", "decide", "decide"}
	var all sync.WaitGroup
	for n := range 5 {
		seed1, seed2 := rng.Uint64(), rng.Uint64()
		all.Go(func() {
			rng := rand.New(rand.NewPCG(seed1, seed2))
			for range 5 {
				op := operation{kind: kinds[rng.IntN(len(kinds))]}
				if rng.IntN(25) == 0 {
					op.kind = "cancel"
				}
				switch op.kind {
				case "capture":
					op.bundle = 1 + rng.IntN(len(nonces))
				case "decide":
					op.version = review.Version - int64(rng.IntN(4)/3)
					op.state = []fsm.State{fsm.AwaitingSelfie, fsm.AwaitingKTP, fsm.Declined}[rng.IntN(3)]
				case "work":
					op.state = []fsm.State{fsm.AwaitingKTP, fsm.KTPReview}[rng.IntN(2)]
				}
				r := c.replicas[rng.IntN(len(c.replicas))]
				h.record(n+1, op, func() outcome { return c.perform(r, id, review.ID, nonces, op) })
			}
		})
	}
	all.Wait()
	_, err := c.db.Pool.Exec(c.t.Context(), `UPDATE onboardings SET due_at = NULL WHERE id = $1`, id)
	must(c.t, err)
	c.checkInvariants(id)
	return h
}

// prepare makes an onboarding that waits for a KTP or for an analyst.
func (c *concurrent) prepare(rng *rand.Rand) (id uuid.UUID, review store.Review, nonces []string) {
	c.t.Helper()
	person := plain
	if rng.IntN(2) == 0 {
		person = "Hasan Uji Tinjau"
	}
	id = c.create(fmt.Sprintf("%s Nomor %d", person, c.n.Load()), nil)
	for range 3 {
		nonces = append(nonces, c.newCapture(id, store.KTP).Nonce)
	}
	if person == plain {
		return id, review, nonces
	}
	c.capture(id, store.KTP)
	review, err := c.st.OpenReview(c.t.Context(), c.get(id))
	must(c.t, err)
	return id, review, nonces
}

// perform makes a call and reads what the caller is told.
func (c *concurrent) perform(r *resumer.Resumer, id, review uuid.UUID, nonces []string, op operation) outcome {
	ctx := c.t.Context()
	var v store.View
	var err error
	switch op.kind {
	case "poll":
		v, err = c.st.View(ctx, client, id)
	case "cancel":
		v, err = r.Cancel(ctx, client, id, "key:test")
	case "capture":
		nonce := nonces[op.bundle-1]
		v, err = r.SubmitCapture(ctx, client, id, resumer.Capture{Purpose: store.KTP, Nonce: nonce, Bundle: bundle(store.KTP, nonce, 1)}, "key:test")
	case "verdict":
		v, err = r.SupplyVerdict(ctx, client, id, valid, "key:test")
	case "decide":
		decision := map[fsm.State]fsm.ReviewDecision{fsm.AwaitingSelfie: fsm.DecisionApprove, fsm.AwaitingKTP: fsm.DecisionRecapture, fsm.Declined: fsm.DecisionReject}
		var rev store.Review
		rev, err = r.Decide(ctx, resumer.ReviewRequest{ClientID: client, ReviewID: review, Version: op.version,
			Decision: decision[op.state], ReasonCode: "seen", Note: pii.Secret{}, Person: "sari", Actor: "person:sari"})
		v = store.View{Version: rev.Version, State: op.state}
	case "work":
		v, err = c.work(id, op.state)
	}
	expected := []error{resumer.ErrInvalidState, resumer.ErrStaleVersion, store.ErrNotFound, store.ErrMoved, store.ErrChallengeUnknown}
	if err == nil {
		return outcome{version: v.Version, state: v.State}
	}
	for _, e := range expected {
		if errors.Is(err, e) {
			return outcome{refused: true}
		}
	}
	c.t.Errorf("%s: %v", op.kind, err)
	return outcome{refused: true}
}

// work is a worker that takes the onboarding and reads a vendor's answer.
func (c *concurrent) work(id uuid.UUID, to fsm.State) (store.View, error) {
	rows, err := c.st.Claim(c.t.Context(), 1, 20*time.Second)
	if err != nil || len(rows) == 0 || rows[0].ID != id || rows[0].State != fsm.VerifyingKTP {
		return store.View{}, errors.Join(err, store.ErrMoved)
	}
	event := fsm.Recapture
	if to == fsm.KTPReview {
		event = fsm.Referred
	}
	wait := 24 * time.Hour
	m := &store.Move{Row: rows[0], Claim: rows[0].Lease, Event: event, Facts: rows[0].Facts, Actor: "system", DueIn: &wait}
	err = c.st.Advance(c.t.Context(), m)[0]
	return m.Row.View(), err
}

// TestLinearizableCanFail: the checker sees a read that is out of date, a
// version given out twice, and a decision on what was no longer so.
func TestLinearizableCanFail(t *testing.T) {
	t.Parallel()
	at := func(call, back int64, in operation, out outcome) porcupine.Operation {
		return porcupine.Operation{Input: in, Call: call, Return: back, Output: out}
	}
	begin := at(0, 1, operation{kind: "begin"}, outcome{version: 2, state: fsm.AwaitingKTP})
	review := at(0, 1, operation{kind: "begin", version: 4}, outcome{version: 4, state: fsm.KTPReview})
	cancel := at(2, 3, operation{kind: "cancel"}, outcome{version: 3, state: fsm.Cancelled})
	old := outcome{version: 2, state: fsm.AwaitingKTP}
	for name, c := range map[string]struct {
		ops  []porcupine.Operation
		fine bool
	}{
		"a read at the same time":   {[]porcupine.Operation{begin, cancel, at(2, 5, operation{kind: "poll"}, old)}, true},
		"a read that is too late":   {[]porcupine.Operation{begin, cancel, at(4, 5, operation{kind: "poll"}, old)}, false},
		"one version for two":       {[]porcupine.Operation{begin, cancel, at(2, 3, operation{kind: "capture", bundle: 1}, outcome{version: 3, state: fsm.VerifyingKTP})}, false},
		"a capture after the end":   {[]porcupine.Operation{begin, cancel, at(4, 5, operation{kind: "capture", bundle: 1}, outcome{version: 4, state: fsm.VerifyingKTP})}, false},
		"two decisions":             {[]porcupine.Operation{review, at(2, 9, operation{kind: "decide", version: 4, state: fsm.Declined}, outcome{version: 5, state: fsm.Declined}), at(3, 8, operation{kind: "decide", version: 4, state: fsm.AwaitingSelfie}, outcome{version: 5, state: fsm.AwaitingSelfie})}, false},
		"one decision, one refusal": {[]porcupine.Operation{review, at(2, 9, operation{kind: "decide", version: 4, state: fsm.Declined}, outcome{version: 5, state: fsm.Declined}), at(3, 8, operation{kind: "decide", version: 4, state: fsm.AwaitingSelfie}, outcome{refused: true})}, true},
	} {
		if got := porcupine.CheckOperations(linear, c.ops); got != c.fine {
			t.Errorf("%s: linearizable %t", name, got)
		}
	}
}
