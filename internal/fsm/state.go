package fsm

// State is where an onboarding stands. The names are stored; never rename one.
type State string

// Each comment says how a row leaves the state.
const (
	// Registering leaves when QE has created the customer.
	Registering State = "registering"
	// AwaitingKTP leaves when the customer submits a KTP capture, or expires.
	AwaitingKTP State = "awaiting_ktp"
	// VerifyingKTP leaves with QE's verdict on the KTP capture.
	VerifyingKTP State = "verifying_ktp"
	// KTPReview leaves with an analyst's decision.
	KTPReview State = "ktp_review"
	// AwaitingSelfie leaves when the customer submits a selfie, or expires.
	AwaitingSelfie State = "awaiting_selfie"
	// VerifyingSelfie leaves with QE's step-up answer (liveness and match).
	VerifyingSelfie State = "verifying_selfie"
	// CheckingDukcapil leaves with the registry's answer, a verdict supplied
	// by the caller, or when the registry's time budget is spent.
	CheckingDukcapil State = "checking_dukcapil"
	// RecordingDukcapil leaves when QE has ingested the verdict.
	RecordingDukcapil State = "recording_dukcapil"
	// DukcapilReview leaves with an analyst's decision.
	DukcapilReview State = "dukcapil_review"
	// ScreeningAML leaves with the screening's result.
	ScreeningAML State = "screening_aml"
	// AMLReview leaves with an analyst's decision.
	AMLReview State = "aml_review"
	// AMLSignoff leaves with the decision of a second, different analyst.
	AMLSignoff State = "aml_signoff"
	// EvaluatingFraud leaves with the fraud engine's decision.
	EvaluatingFraud State = "evaluating_fraud"
	// FraudReview leaves with an analyst's decision.
	FraudReview State = "fraud_review"
	// Approved is final: ready to transact, at premium or standard.
	Approved State = "approved"
	// Upgrading is approved at standard while Dukcapil is still owed; it leaves
	// with the registry's answer or when the upgrade deadline passes.
	Upgrading State = "upgrading"
	// RecordingUpgrade leaves when QE has ingested the late verdict.
	RecordingUpgrade State = "recording_upgrade"
	// Declined is final; the edge that led here names the reason.
	Declined State = "declined"
	// Expired is final: the customer did not come back in time.
	Expired State = "expired"
	// Cancelled is final: the client withdrew the onboarding.
	Cancelled State = "cancelled"
)

// Kind says who has to act for a row to leave its state.
type Kind string

const (
	// Work: the resumer makes exactly one external call, then one transition.
	Work Kind = "work"
	// Wait: a customer or an analyst acts.
	Wait Kind = "wait"
	// Final: nobody acts any more.
	Final Kind = "final"
)

var kinds = map[State]Kind{
	Registering: Work, AwaitingKTP: Wait, VerifyingKTP: Work, KTPReview: Wait,
	AwaitingSelfie: Wait, VerifyingSelfie: Work, CheckingDukcapil: Work,
	RecordingDukcapil: Work, DukcapilReview: Wait, ScreeningAML: Work,
	AMLReview: Wait, AMLSignoff: Wait, EvaluatingFraud: Work, FraudReview: Wait,
	Approved: Final, Upgrading: Work, RecordingUpgrade: Work,
	Declined: Final, Expired: Final, Cancelled: Final,
}

// States lists every state, in the order an onboarding meets them.
func States() []State {
	return []State{
		Registering, AwaitingKTP, VerifyingKTP, KTPReview, AwaitingSelfie, VerifyingSelfie,
		CheckingDukcapil, RecordingDukcapil, DukcapilReview, ScreeningAML, AMLReview, AMLSignoff,
		EvaluatingFraud, FraudReview, Approved, Upgrading, RecordingUpgrade, Declined, Expired, Cancelled,
	}
}

// Kind returns the state's kind, or "" for a state this binary does not know.
func (s State) Kind() Kind { return kinds[s] }

// Known reports whether this binary knows the state. A row in an unknown state
// belongs to a newer binary and is left alone.
func (s State) Known() bool { return kinds[s] != "" }

// Expires reports whether the customer has a deadline in this state.
func (s State) Expires() bool { return s == AwaitingKTP || s == AwaitingSelfie }

// ReviewKind names the desk that decides in a review state.
type ReviewKind string

// The desks, one per review state.
const (
	ReviewKTP      ReviewKind = "ktp"
	ReviewDukcapil ReviewKind = "dukcapil"
	ReviewAML      ReviewKind = "aml"
	ReviewSignoff  ReviewKind = "aml_signoff"
	ReviewFraud    ReviewKind = "fraud"
)

var reviews = map[State]ReviewKind{
	KTPReview: ReviewKTP, DukcapilReview: ReviewDukcapil, AMLReview: ReviewAML,
	AMLSignoff: ReviewSignoff, FraudReview: ReviewFraud,
}

// Review returns the kind of review a row in this state waits for, or "".
func (s State) Review() ReviewKind { return reviews[s] }

// ReviewKinds lists the desks.
func ReviewKinds() []ReviewKind {
	return []ReviewKind{ReviewKTP, ReviewDukcapil, ReviewAML, ReviewSignoff, ReviewFraud}
}
