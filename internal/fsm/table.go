package fsm

import (
	"context"
	"errors"
	"fmt"

	looplab "github.com/looplab/fsm"
)

// Event is what was decided. Where the same decision can lead to different
// places, the events differ, and are named for what else was known: `final`
// when nothing is left to check, `provisional` when only Dukcapil is owed.
type Event string

// The events. Their names are stored; never rename one.
const (
	Submitted             Event = "submitted"
	Expire                Event = "expire"
	Cancel                Event = "cancel"
	Passed                Event = "passed"
	PassedVerdictSupplied Event = "passed_verdict_supplied"
	PassedWithoutDukcapil Event = "passed_without_dukcapil"
	PassedFinal           Event = "passed_final"
	PassedProvisional     Event = "passed_provisional"
	Referred              Event = "referred"
	Failed                Event = "failed"
	Retry                 Event = "retry"
	Recapture             Event = "recapture"
	Deferred              Event = "deferred"
	GaveUp                Event = "gave_up"
	Approve               Event = "approve"
	ApproveHit            Event = "approve_hit"
	ApproveFinal          Event = "approve_final"
	ApproveProvisional    Event = "approve_provisional"
	Reject                Event = "reject"
)

// Notes are recorded facts that move nothing: the state stays, the version and
// the audit chain grow. They are not part of the table.
const (
	// Created opens the chain: version 1.
	Created Event = "created"
	// VerdictSupplied: the caller handed in a Dukcapil verdict ahead of its step.
	VerdictSupplied Event = "verdict_supplied"
	// RetryRequested: an operator sent a parked row on its way again.
	RetryRequested Event = "retry_requested"
)

// IsNote reports whether the event is a note rather than a move.
func (e Event) IsNote() bool { return e == VerdictSupplied || e == RetryRequested }

// DeclineReason is why an onboarding was declined, as the regulator reads it.
type DeclineReason string

// The reasons, each carried by the edges that lead to Declined.
const (
	KTPFailed         DeclineReason = "ktp_failed"
	KTPRejected       DeclineReason = "ktp_rejected"
	BiometricMismatch DeclineReason = "biometric_mismatch"
	DukcapilRejected  DeclineReason = "dukcapil_rejected"
	AMLRejected       DeclineReason = "aml_rejected"
	FraudBlock        DeclineReason = "fraud_block"
	FraudRejected     DeclineReason = "fraud_rejected"
)

// Edge is one legal move.
type Edge struct {
	From   State
	Event  Event
	To     State
	Reason DeclineReason // set exactly where To is Declined
}

var table = withCancel([]Edge{
	{From: Registering, Event: Passed, To: AwaitingKTP},

	{From: AwaitingKTP, Event: Submitted, To: VerifyingKTP},
	{From: AwaitingKTP, Event: Expire, To: Expired},

	{From: VerifyingKTP, Event: Passed, To: AwaitingSelfie},
	{From: VerifyingKTP, Event: Referred, To: KTPReview},
	{From: VerifyingKTP, Event: Failed, To: Declined, Reason: KTPFailed},
	{From: VerifyingKTP, Event: Recapture, To: AwaitingKTP},

	{From: KTPReview, Event: Approve, To: AwaitingSelfie},
	{From: KTPReview, Event: Reject, To: Declined, Reason: KTPRejected},
	{From: KTPReview, Event: Recapture, To: AwaitingKTP},

	{From: AwaitingSelfie, Event: Submitted, To: VerifyingSelfie},
	{From: AwaitingSelfie, Event: Expire, To: Expired},

	{From: VerifyingSelfie, Event: Passed, To: CheckingDukcapil},
	{From: VerifyingSelfie, Event: PassedVerdictSupplied, To: RecordingDukcapil},
	{From: VerifyingSelfie, Event: PassedWithoutDukcapil, To: ScreeningAML},
	{From: VerifyingSelfie, Event: Retry, To: AwaitingSelfie},
	{From: VerifyingSelfie, Event: Recapture, To: AwaitingSelfie},
	{From: VerifyingSelfie, Event: Failed, To: Declined, Reason: BiometricMismatch},
	// An answer nobody can read is for a human: the desk that knows the face on the KTP.
	{From: VerifyingSelfie, Event: Referred, To: KTPReview},

	{From: CheckingDukcapil, Event: Passed, To: RecordingDukcapil},
	{From: CheckingDukcapil, Event: Failed, To: RecordingDukcapil},
	{From: CheckingDukcapil, Event: Deferred, To: ScreeningAML},
	{From: CheckingDukcapil, Event: Referred, To: DukcapilReview},

	{From: RecordingDukcapil, Event: Passed, To: ScreeningAML},
	{From: RecordingDukcapil, Event: Failed, To: DukcapilReview},
	{From: RecordingDukcapil, Event: Referred, To: DukcapilReview},

	{From: DukcapilReview, Event: Approve, To: ScreeningAML},
	{From: DukcapilReview, Event: ApproveFinal, To: Approved}, // it came from an upgrade
	{From: DukcapilReview, Event: Reject, To: Declined, Reason: DukcapilRejected},

	{From: ScreeningAML, Event: Passed, To: EvaluatingFraud},
	{From: ScreeningAML, Event: PassedFinal, To: Approved},
	{From: ScreeningAML, Event: PassedProvisional, To: Upgrading},
	{From: ScreeningAML, Event: Referred, To: AMLReview},

	{From: AMLReview, Event: Approve, To: EvaluatingFraud},
	{From: AMLReview, Event: ApproveFinal, To: Approved},
	{From: AMLReview, Event: ApproveProvisional, To: Upgrading},
	{From: AMLReview, Event: ApproveHit, To: AMLSignoff},
	{From: AMLReview, Event: Reject, To: Declined, Reason: AMLRejected},

	{From: AMLSignoff, Event: Approve, To: EvaluatingFraud},
	{From: AMLSignoff, Event: ApproveFinal, To: Approved},
	{From: AMLSignoff, Event: ApproveProvisional, To: Upgrading},
	{From: AMLSignoff, Event: Reject, To: Declined, Reason: AMLRejected},

	{From: EvaluatingFraud, Event: Passed, To: Approved},
	{From: EvaluatingFraud, Event: PassedProvisional, To: Upgrading},
	{From: EvaluatingFraud, Event: Referred, To: FraudReview},
	{From: EvaluatingFraud, Event: Failed, To: Declined, Reason: FraudBlock},

	{From: FraudReview, Event: Approve, To: Approved},
	{From: FraudReview, Event: ApproveProvisional, To: Upgrading},
	{From: FraudReview, Event: Reject, To: Declined, Reason: FraudRejected},

	{From: Upgrading, Event: Passed, To: RecordingUpgrade},
	{From: Upgrading, Event: Failed, To: RecordingUpgrade},
	{From: Upgrading, Event: Referred, To: DukcapilReview},
	{From: Upgrading, Event: GaveUp, To: Approved},

	{From: RecordingUpgrade, Event: Passed, To: Approved},
	{From: RecordingUpgrade, Event: Failed, To: DukcapilReview},
	{From: RecordingUpgrade, Event: Referred, To: DukcapilReview},
})

// withCancel adds the cancel edge to every state a customer can still be
// withdrawn from. Upgrading and RecordingUpgrade show as approved, and an
// approved customer is not cancelled.
func withCancel(edges []Edge) []Edge {
	for _, s := range States() {
		if s.Kind() != Final && s != Upgrading && s != RecordingUpgrade {
			edges = append(edges, Edge{From: s, Event: Cancel, To: Cancelled})
		}
	}
	return edges
}

// Edges returns a copy of the table.
func Edges() []Edge { return append([]Edge(nil), table...) }

// ErrIllegal is returned by Next for a move the table does not hold.
var ErrIllegal = errors.New("illegal transition")

type move struct {
	from  State
	event Event
}

// legal is what looplab/fsm answered when asked about every pair, once.
var legal = askOracle()

func machine(s State) *looplab.FSM {
	events := make(looplab.Events, 0, len(table))
	for _, e := range table {
		events = append(events, looplab.EventDesc{Name: string(e.Event), Src: []string{string(e.From)}, Dst: string(e.To)})
	}
	return looplab.NewFSM(string(s), events, looplab.Callbacks{})
}

// askOracle walks each edge on a machine of its own. A duplicate (state, event)
// pair overwrites silently in looplab, so a pair that does not lead where the
// table says is a programming error and stops the process at start.
func askOracle() map[move]Edge {
	m := make(map[move]Edge, len(table))
	for _, e := range table {
		f := machine(e.From)
		if err := f.Event(context.Background(), string(e.Event)); err != nil || State(f.Current()) != e.To {
			panic(fmt.Sprintf("fsm: table is ambiguous at %s/%s: %v", e.From, e.Event, err))
		}
		m[move{e.From, e.Event}] = e
	}
	return m
}

// Next returns the edge that event takes from a state, or ErrIllegal.
func Next(from State, event Event) (Edge, error) {
	e, ok := legal[move{from, event}]
	if !ok {
		return Edge{}, fmt.Errorf("%w: %s from %s", ErrIllegal, event, from)
	}
	return e, nil
}

// Can reports whether the table holds event from this state.
func Can(from State, event Event) bool {
	_, ok := legal[move{from, event}]
	return ok
}
