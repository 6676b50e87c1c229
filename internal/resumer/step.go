package resumer

import (
	"context"
	"fmt"
	"time"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/store"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

// system is the actor of what nobody asked for just now.
const system = "system"

// answer is what a step's call came to.
type answer struct {
	decision    fsm.Decision
	evidence    any
	personal    interface{ Plaintext() ([]byte, error) }
	identity    *pii.Identity
	verdict     *pii.Verdict
	dropVerdict bool
}

// steps holds the one call of each work state.
var steps = map[fsm.State]func(*Resumer, context.Context, *store.Onboarding) (answer, error){
	fsm.Registering:       (*Resumer).register,
	fsm.VerifyingKTP:      (*Resumer).verifyKTP,
	fsm.VerifyingSelfie:   (*Resumer).verifySelfie,
	fsm.CheckingDukcapil:  (*Resumer).checkDukcapil,
	fsm.RecordingDukcapil: (*Resumer).recordDukcapil,
	fsm.ScreeningAML:      (*Resumer).screenAML,
	fsm.EvaluatingFraud:   (*Resumer).evaluateFraud,
	fsm.Upgrading:         (*Resumer).upgrade,
	fsm.RecordingUpgrade:  (*Resumer).recordDukcapil,
}

// step makes the call of the row's state and returns the move it leads to. The
// row's intent, its external id and time, was committed with its claim.
func (r *Resumer) step(ctx context.Context, o *store.Onboarding) (*store.Move, error) {
	if o.State.Expires() {
		return r.next(o, answer{decision: fsm.Decision{Event: fsm.Expire, Facts: o.Facts}})
	}
	call, ok := steps[o.State]
	if !ok {
		return nil, fmt.Errorf("no step for state %s", o.State)
	}
	// A woken zombie must not send: not after its lease.
	ctx = vendors.WithSendDeadline(ctx, o.LeaseEnds())
	ctx, cancel := context.WithDeadline(ctx, o.LeaseEnds())
	defer cancel()
	a, err := call(r, ctx, o)
	if err != nil {
		return nil, err
	}
	return r.next(o, a)
}

// next turns an answer into a move under the row's claim. Work goes on in this
// process, unless it is draining.
func (r *Resumer) next(o *store.Onboarding, a answer) (*store.Move, error) {
	m := &store.Move{
		Row: o, Claim: o.Lease, Event: a.decision.Event, Facts: a.decision.Facts, Actor: system,
		Evidence: a.evidence, Personal: a.personal, Identity: a.identity, Verdict: a.verdict, DropVerdict: a.dropVerdict,
	}
	return m, r.schedule(m, !r.draining())
}

// schedule says when the move's target is due, and who works it.
func (r *Resumer) schedule(m *store.Move, hold bool) error {
	edge, err := fsm.Next(m.Row.State, m.Event)
	if err != nil {
		return err
	}
	due := func(d time.Duration) { m.DueIn = &d }
	switch p := m.Row.Policy; {
	case edge.To == fsm.AwaitingKTP:
		due(p.Waits.KTP)
	case edge.To == fsm.AwaitingSelfie:
		due(p.Waits.Selfie)
	case edge.To == fsm.Upgrading && m.Facts.VerdictSupplied:
		due(0)
	case edge.To == fsm.Upgrading:
		due(r.UpgradeRetry)
	case edge.To.Kind() != fsm.Work:
	case hold:
		m.Hold, m.HoldBy = r.Lease, m.Claim
	default:
		due(0)
	}
	return nil
}
