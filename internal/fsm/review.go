package fsm

import (
	"errors"
	"slices"
)

// ReviewDecision is what an analyst may decide.
type ReviewDecision string

// The decisions.
const (
	DecisionApprove   ReviewDecision = "approve"
	DecisionReject    ReviewDecision = "reject"
	DecisionRecapture ReviewDecision = "recapture"
)

// Decisions lists what a desk may decide: only a KTP can be taken again. There
// is nothing to decide at a desk that does not exist.
func (k ReviewKind) Decisions() []ReviewDecision {
	switch k {
	case ReviewKTP:
		return []ReviewDecision{DecisionApprove, DecisionReject, DecisionRecapture}
	case ReviewDukcapil, ReviewAML, ReviewSignoff, ReviewFraud:
		return []ReviewDecision{DecisionApprove, DecisionReject}
	default:
		return nil
	}
}

// ReviewEvidence is who decided what, and why. The note is personal data and
// is kept apart.
type ReviewEvidence struct {
	ReviewID   string         `json:"reviewId"`
	Decision   ReviewDecision `json:"decision"`
	ReasonCode string         `json:"reasonCode"`
	Reviewer   string         `json:"reviewer"`
}

// Errors of DecideReview.
var (
	// ErrSelfApproval: the sign-off needs a second person.
	ErrSelfApproval = errors.New("a sign-off needs a second person")
	// ErrDecisionNotOffered: this desk has no such decision.
	ErrDecisionNotOffered = errors.New("decision not offered here")
)

// DecideReview turns an analyst's decision into an event, or returns
// ErrSelfApproval or ErrDecisionNotOffered.
func DecideReview(c Case, e ReviewEvidence) (Decision, error) {
	kind, f := c.State.Review(), c.Facts
	if !slices.Contains(kind.Decisions(), e.Decision) {
		return Decision{}, ErrDecisionNotOffered
	}
	// Rejecting needs no second pair of eyes on the same screen, but the second
	// person is the second person: neither answer is the first one's to give.
	if kind == ReviewSignoff && e.Reviewer == f.AMLReviewer {
		return Decision{}, ErrSelfApproval
	}
	switch e.Decision {
	case DecisionReject:
		return Decision{Reject, f}, nil
	case DecisionRecapture:
		return Decision{Recapture, f}, nil
	}
	switch kind {
	case ReviewDukcapil:
		if f.Provisional {
			return Decision{ApproveFinal, f}, nil
		}
		return Decision{Approve, f}, nil
	case ReviewAML:
		if f.AMLStatus == "confirmed" && c.Policy.AML.ConfirmedNeedsSignoff {
			f.AMLReviewer = e.Reviewer
			return Decision{ApproveHit, f}, nil
		}
		fallthrough
	case ReviewSignoff:
		return f.cleared(c.Policy.Products.AntiFraud, Approve, ApproveFinal, ApproveProvisional), nil
	case ReviewFraud:
		return f.cleared(false, "", Approve, ApproveProvisional), nil
	default:
		return Decision{Approve, f}, nil
	}
}
