package resumer

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/store"
)

// Errors of requests, beside those of store.
var (
	// ErrInvalidState: the onboarding is not where this request makes sense.
	ErrInvalidState = errors.New("not possible in this state")
	// ErrStaleVersion: the caller decided on an older version.
	ErrStaleVersion = errors.New("stale version")
	// ErrReasonNotListed: the policy lists reason codes, and this is not one.
	ErrReasonNotListed = errors.New("reason code not listed by the policy")
	// ErrBusy: a queue is full; come back later.
	ErrBusy = errors.New("busy")
)

// VendorUnavailable means that a vendor gave no answer to a call a person is
// waiting for. RetryAfter is when to come back.
type VendorUnavailable struct {
	RetryAfter time.Duration
	Err        error
}

func (e *VendorUnavailable) Error() string { return "vendor unavailable: " + e.Err.Error() }

// Unwrap returns the vendor's error.
func (e *VendorUnavailable) Unwrap() error { return e.Err }

// Application is a filled-in form.
type Application struct {
	ClientID      string
	ApplicationID string
	Applicant     pii.Applicant
	Verdict       *pii.Verdict // a Dukcapil verdict the client already has
	Actor         string
}

// Challenge is what QE issued; Raw is its flashChallenge object, byte for byte.
type Challenge struct {
	Raw       json.RawMessage
	ExpiresAt time.Time
}

// Capture is a bundle as the device signed it.
type Capture struct {
	Purpose store.Purpose
	Nonce   string // bundle.flashChallengeNonce
	Bundle  []byte // the JSON object, byte for byte
	HMACKey pii.Secret
}

// ReviewRequest is an analyst's decision. Version is the one they saw.
type ReviewRequest struct {
	ClientID   string
	ReviewID   uuid.UUID
	Version    int64
	Decision   fsm.ReviewDecision
	ReasonCode string
	Note       pii.Secret
	Person     string
	Actor      string
}

// RetryResult is what an operator's retry of all rows of a cause did or would do.
type RetryResult struct {
	Matched int
	Retried int
	IDs     []uuid.UUID // the first hundred
}

// Requests is what the API asks for; *Resumer implements it. Every call is
// scoped to a client: another client's onboarding is store.ErrNotFound.
type Requests interface {
	// Create starts an onboarding, idempotently (store.ErrConflict).
	Create(ctx context.Context, a Application) (v store.View, created bool, err error)
	// Challenge asks QE for a challenge the customer answers with the capture.
	// ErrInvalidState, *VendorUnavailable.
	Challenge(ctx context.Context, clientID string, id uuid.UUID, p store.Purpose) (Challenge, error)
	// SubmitCapture takes a bundle; the same bundle again returns the same.
	// ErrInvalidState, store.ErrChallengeUnknown, store.ErrChallengeExpired.
	SubmitCapture(ctx context.Context, clientID string, id uuid.UUID, c Capture, actor string) (store.View, error)
	// SupplyVerdict takes a Dukcapil verdict the client obtained itself; the
	// same verdict again returns the same. ErrInvalidState.
	SupplyVerdict(ctx context.Context, clientID string, id uuid.UUID, v pii.Verdict, actor string) (store.View, error)
	// Cancel withdraws; cancelling a cancelled one returns it. ErrInvalidState.
	Cancel(ctx context.Context, clientID string, id uuid.UUID, actor string) (store.View, error)
	// Decide carries out an analyst's decision. ErrStaleVersion, ErrInvalidState,
	// store.ErrClaimed, fsm.ErrSelfApproval, fsm.ErrDecisionNotOffered, ErrReasonNotListed.
	Decide(ctx context.Context, r ReviewRequest) (store.Review, error)
	// Retry sends one parked onboarding on its way. ErrInvalidState when it is not parked.
	Retry(ctx context.Context, clientID string, id uuid.UUID, actor string) (store.View, error)
	// RetryParked does so for all of a client's rows parked for a cause.
	RetryParked(ctx context.Context, clientID, cause string, dryRun bool, actor string) (RetryResult, error)
	// Explain says what blocks an onboarding and what happens next.
	Explain(ctx context.Context, clientID string, id uuid.UUID) (Explanation, error)
}

// Explanation answers "why is this customer stuck?".
type Explanation struct {
	ID           uuid.UUID
	State        fsm.State
	Version      int64
	WaitingFor   string // customer, analyst, vendor, operator, nobody
	Since        time.Time
	DueAt        *time.Time // when something happens by itself: an attempt or a deadline
	NextAction   string     // one sentence
	Attempts     int
	AttemptsLeft int
	ParkedAt     *time.Time
	ParkCause    string
	LastError    string
	LastErrorAt  *time.Time
}

// AllowedActions lists what a client may do in a state: capture_ktp,
// capture_selfie, supply_dukcapil_verdict, cancel.
func AllowedActions(v store.View) []string {
	actions := []string{}
	switch v.State {
	case fsm.AwaitingKTP:
		actions = append(actions, "capture_ktp")
	case fsm.AwaitingSelfie:
		actions = append(actions, "capture_selfie")
	}
	if takesVerdict(v.State, v.Facts) {
		actions = append(actions, "supply_dukcapil_verdict")
	}
	if cancellable(v.State, v.Facts) {
		actions = append(actions, "cancel")
	}
	return actions
}

// cancellable: an approved customer is not cancelled, not even while the late
// answer of Dukcapil is being reviewed.
func cancellable(s fsm.State, f fsm.Facts) bool {
	return fsm.Can(s, fsm.Cancel) && !f.Provisional
}

// takesVerdict: as long as Dukcapil's word is still to come.
func takesVerdict(s fsm.State, f fsm.Facts) bool {
	switch s {
	case fsm.Registering, fsm.AwaitingKTP, fsm.VerifyingKTP, fsm.KTPReview, fsm.AwaitingSelfie, fsm.VerifyingSelfie,
		fsm.CheckingDukcapil, fsm.Upgrading:
		return !f.VerdictSupplied
	case fsm.ScreeningAML, fsm.AMLReview, fsm.AMLSignoff, fsm.EvaluatingFraud, fsm.FraudReview:
		return !f.VerdictSupplied && f.Dukcapil == fsm.DukcapilDeferred
	}
	return false
}
