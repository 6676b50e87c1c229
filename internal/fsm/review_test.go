package fsm_test

import (
	"errors"
	"testing"

	"github.com/gerbang-id/gerbang/internal/fsm"
)

func TestDecideReview(t *testing.T) {
	t.Parallel()
	noFraud := func(p *fsm.Policy) { p.Products.AntiFraud = false }
	oneAnalyst := func(p *fsm.Policy) { p.AML.ConfirmedNeedsSignoff = false }
	owed := fsm.Facts{Dukcapil: fsm.DukcapilDeferred}
	for _, tc := range []struct {
		name     string
		at       fsm.State
		facts    fsm.Facts
		policy   []func(*fsm.Policy)
		decision fsm.ReviewDecision
		event    fsm.Event
		to       fsm.State
	}{
		{"ktp", fsm.KTPReview, fsm.Facts{}, nil, fsm.DecisionApprove, fsm.Approve, fsm.AwaitingSelfie},
		{"ktp", fsm.KTPReview, fsm.Facts{}, nil, fsm.DecisionReject, fsm.Reject, fsm.Declined},
		{"ktp", fsm.KTPReview, fsm.Facts{}, nil, fsm.DecisionRecapture, fsm.Recapture, fsm.AwaitingKTP},
		{"dukcapil", fsm.DukcapilReview, fsm.Facts{}, nil, fsm.DecisionApprove, fsm.Approve, fsm.ScreeningAML},
		{"dukcapil", fsm.DukcapilReview, fsm.Facts{}, nil, fsm.DecisionReject, fsm.Reject, fsm.Declined},
		{"dukcapil, from an upgrade", fsm.DukcapilReview, fsm.Facts{Provisional: true}, nil, fsm.DecisionApprove, fsm.ApproveFinal, fsm.Approved},
		{"aml", fsm.AMLReview, fsm.Facts{AMLStatus: "review"}, nil, fsm.DecisionApprove, fsm.Approve, fsm.EvaluatingFraud},
		{"aml, unknown status", fsm.AMLReview, fsm.Facts{AMLStatus: strange}, nil, fsm.DecisionApprove, fsm.Approve, fsm.EvaluatingFraud},
		{"aml, last", fsm.AMLReview, fsm.Facts{AMLStatus: "review"}, []func(*fsm.Policy){noFraud}, fsm.DecisionApprove, fsm.ApproveFinal, fsm.Approved},
		{"aml, owed", fsm.AMLReview, owed, []func(*fsm.Policy){noFraud}, fsm.DecisionApprove, fsm.ApproveProvisional, fsm.Upgrading},
		{"aml", fsm.AMLReview, fsm.Facts{AMLStatus: "review"}, nil, fsm.DecisionReject, fsm.Reject, fsm.Declined},
		{"hit", fsm.AMLReview, fsm.Facts{AMLStatus: "confirmed"}, nil, fsm.DecisionApprove, fsm.ApproveHit, fsm.AMLSignoff},
		{"hit, one analyst", fsm.AMLReview, fsm.Facts{AMLStatus: "confirmed"}, []func(*fsm.Policy){oneAnalyst}, fsm.DecisionApprove, fsm.Approve, fsm.EvaluatingFraud},
		{"hit", fsm.AMLReview, fsm.Facts{AMLStatus: "confirmed"}, nil, fsm.DecisionReject, fsm.Reject, fsm.Declined},
		{"signoff", fsm.AMLSignoff, fsm.Facts{AMLReviewer: "budi"}, nil, fsm.DecisionApprove, fsm.Approve, fsm.EvaluatingFraud},
		{"signoff", fsm.AMLSignoff, fsm.Facts{AMLReviewer: "budi"}, nil, fsm.DecisionReject, fsm.Reject, fsm.Declined},
		{"signoff, last", fsm.AMLSignoff, fsm.Facts{AMLReviewer: "budi"}, []func(*fsm.Policy){noFraud}, fsm.DecisionApprove, fsm.ApproveFinal, fsm.Approved},
		{"signoff, owed", fsm.AMLSignoff, owed, []func(*fsm.Policy){noFraud}, fsm.DecisionApprove, fsm.ApproveProvisional, fsm.Upgrading},
		{"fraud", fsm.FraudReview, fsm.Facts{}, nil, fsm.DecisionApprove, fsm.Approve, fsm.Approved},
		{"fraud, owed", fsm.FraudReview, owed, nil, fsm.DecisionApprove, fsm.ApproveProvisional, fsm.Upgrading},
		{"fraud", fsm.FraudReview, fsm.Facts{}, nil, fsm.DecisionReject, fsm.Reject, fsm.Declined},
	} {
		t.Run(tc.name+" "+string(tc.decision), func(t *testing.T) {
			t.Parallel()
			d, err := fsm.DecideReview(caseOf(tc.at, tc.facts, tc.policy...), fsm.ReviewEvidence{Decision: tc.decision, Reviewer: "sari"})
			if err != nil {
				t.Fatal(err)
			}
			if e := inTable(t, tc.at, d); d.Event != tc.event || e.To != tc.to {
				t.Errorf("%s to %s, want %s to %s", d.Event, e.To, tc.event, tc.to)
			}
			if d.Facts.Provisional != (tc.facts.Provisional || tc.event == fsm.ApproveProvisional) {
				t.Errorf("provisional: %v", d.Facts.Provisional)
			}
			if tc.event == fsm.ApproveHit && d.Facts.AMLReviewer != "sari" {
				t.Error("who confirmed the hit is not on record")
			}
		})
	}
}

func TestSignoffNeedsASecondPerson(t *testing.T) {
	t.Parallel()
	for _, decision := range []fsm.ReviewDecision{fsm.DecisionApprove, fsm.DecisionReject} {
		for _, person := range []string{"sari", ""} { // nobody is not somebody else
			c := caseOf(fsm.AMLSignoff, fsm.Facts{AMLReviewer: person})
			if _, err := fsm.DecideReview(c, fsm.ReviewEvidence{Decision: decision, Reviewer: person}); !errors.Is(err, fsm.ErrSelfApproval) {
				t.Errorf("%s by %q: %v", decision, person, err)
			}
		}
	}
}

func TestDecisionNotOffered(t *testing.T) {
	t.Parallel()
	for _, s := range fsm.States() {
		for _, d := range []fsm.ReviewDecision{fsm.DecisionApprove, fsm.DecisionReject, fsm.DecisionRecapture, "", strange} {
			offered := false
			switch d {
			case fsm.DecisionApprove, fsm.DecisionReject:
				offered = s.Review() != ""
			case fsm.DecisionRecapture:
				offered = s == fsm.KTPReview
			}
			_, err := fsm.DecideReview(caseOf(s, fsm.Facts{}), fsm.ReviewEvidence{Decision: d, Reviewer: "sari"})
			if errors.Is(err, fsm.ErrDecisionNotOffered) == offered {
				t.Errorf("%s at %s: %v", d, s, err)
			}
		}
	}
}
