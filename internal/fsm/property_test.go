package fsm_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gerbang-id/gerbang/internal/fsm"
)

// word draws what a vendor may say where it has a list of words; strange
// reports that it said another one.
type word struct {
	*rapid.T
	strange bool
}

func (w *word) draw(label string, known ...string) string {
	v := rapid.OneOf(rapid.SampledFrom(known), rapid.SampledFrom(known), rapid.StringMatching(`[a-z_]{1,8}`)).Draw(w.T, label)
	w.strange = w.strange || !slices.Contains(known, v)
	return v
}

func drawPolicy(t *rapid.T) fsm.Policy {
	p := fsm.DefaultPolicy()
	p.Products.Dukcapil = rapid.Bool().Draw(t, "dukcapil")
	p.Products.AntiFraud = rapid.Bool().Draw(t, "antiFraud")
	p.Biometric.Attempts = rapid.IntRange(1, 5).Draw(t, "attempts")
	p.AML.ConfirmedNeedsSignoff = rapid.Bool().Draw(t, "signoff")
	p.Signals.Refer = rapid.SliceOfDistinct(rapid.SampledFrom(fsm.Referrable()), rapid.ID).Draw(t, "refer")
	return p
}

// answer draws what happens next to an onboarding, and decides on it.
func answer(w *word, c fsm.Case) (fsm.Decision, error) {
	t, lost := w.T, false
	if c.State == fsm.VerifyingKTP || c.State == fsm.VerifyingSelfie {
		lost = rapid.IntRange(0, 9).Draw(t, "lost") == 0
	}
	switch {
	case lost:
		return fsm.DecideLost(c, fsm.LostEvidence{Cause: "bundle_missing"}), nil
	case c.State.Expires():
		event := rapid.SampledFrom([]fsm.Event{fsm.Submitted, fsm.Submitted, fsm.Submitted, fsm.Expire, fsm.Cancel}).Draw(t, "customer")
		return fsm.Decision{Event: event, Facts: c.Facts}, nil
	case c.State.Review() != "":
		return fsm.DecideReview(c, fsm.ReviewEvidence{
			Decision: rapid.SampledFrom(c.State.Review().Decisions()).Draw(t, "decision"),
			Reviewer: rapid.SampledFrom([]string{"sari", "budi"}).Draw(t, "reviewer"),
		})
	}
	outcome := fsm.OutcomeUnavailable
	if c.State == fsm.CheckingDukcapil || c.State == fsm.Upgrading {
		outcome = fsm.Outcome(w.draw("outcome", "valid", "not_valid", "human", "unavailable"))
	}
	switch c.State {
	case fsm.Registering:
		return fsm.DecideRegister(c, fsm.RegisterEvidence{CustomerID: "cus_1"}), nil
	case fsm.VerifyingKTP:
		return fsm.DecideKTP(c, fsm.KTPEvidence{
			Verdict: w.draw("verdict", "passed", "failed", "requires_review"), Status: w.draw("status", "verified", "failed", "pending", ""),
			AntiSpoof: w.draw("antiSpoof", "live", "spoof", "unclear", ""), Tamper: w.draw("tamper", "authentic", "tampered", "unclear", ""),
			AssuranceTier: w.draw("tier", "high", "standard", "low", ""),
			Signals:       rapid.SliceOfDistinct(rapid.SampledFrom(fsm.Referrable()), rapid.ID).Draw(t, "signals"),
		}), nil
	case fsm.VerifyingSelfie:
		return fsm.DecideSelfie(c, fsm.SelfieEvidence{
			Allow: rapid.Bool().Draw(t, "allow"), Liveness: w.draw("liveness", "live", "spoof", "unclear", ""),
			Match: rapid.SampledFrom([]string{"match", "no_match", ""}).Draw(t, "match"), Status: w.draw("status", "verified", "failed", "pending", ""),
		}), nil
	case fsm.CheckingDukcapil:
		return fsm.DecideLookup(c, fsm.DukcapilEvidence{Outcome: outcome}), nil
	case fsm.Upgrading:
		return fsm.DecideUpgrade(c, fsm.DukcapilEvidence{Outcome: outcome}), nil
	case fsm.RecordingDukcapil, fsm.RecordingUpgrade:
		return fsm.DecideRecord(c, fsm.RecordEvidence{Valid: rapid.Bool().Draw(t, "valid"), Status: w.draw("status", "verified", "failed")}), nil
	case fsm.ScreeningAML:
		return fsm.DecideAML(c, fsm.AMLEvidence{Status: w.draw("status", "no_match", "review", "confirmed")}), nil
	case fsm.EvaluatingFraud:
		return fsm.DecideFraud(c, fsm.FraudEvidence{Decision: w.draw("decision", "allow", "flag", "review", "block")}), nil
	}
	t.Fatalf("a final state, or one without a step: %s", c.State)
	return fsm.Decision{}, nil
}

// TestAnyStory: whatever vendors, customers and analysts do, the onboarding
// stays in the table and keeps its promises.
func TestAnyStory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := fsm.Case{State: fsm.Registering, Policy: drawPolicy(t), Facts: fsm.Facts{VerdictSupplied: rapid.Bool().Draw(t, "supplied")}}
		for range 60 {
			if c.State.Kind() == fsm.Final {
				break
			}
			w := &word{T: t}
			d, err := answer(w, c)
			if err != nil {
				if c.State != fsm.AMLSignoff {
					t.Fatalf("%s: %v", c.State, err)
				}
				continue // somebody else has to sign off
			}
			edge, err := fsm.Next(c.State, d.Event)
			if err != nil {
				t.Fatal(err)
			}
			checkStep(t, c, d, edge, w.strange)
			c.State, c.Facts = edge.To, d.Facts
		}
	})
}

func checkStep(t *rapid.T, c fsm.Case, d fsm.Decision, edge fsm.Edge, strange bool) {
	f := d.Facts
	if strange && (edge.To.Status() == fsm.StatusDeclined || edge.To.Status() == fsm.StatusApproved && c.State.Status() != fsm.StatusApproved) {
		t.Fatalf("an unknown word led from %s to %s", c.State, edge.To)
	}
	if strange && edge.To.Review() == "" {
		t.Fatalf("an unknown word led from %s past the analysts, to %s", c.State, edge.To)
	}
	if f.SelfieAttempts > c.Policy.Biometric.Attempts {
		t.Fatalf("%d selfies judged, the policy allows %d", f.SelfieAttempts, c.Policy.Biometric.Attempts)
	}
	if edge.To == fsm.AwaitingSelfie && f.SelfieAttempts >= c.Policy.Biometric.Attempts {
		t.Fatal("asks for a selfie that may not be judged")
	}
	if edge.To == fsm.Approved && f.Dukcapil == fsm.DukcapilDeferred {
		t.Fatal("approved for good while Dukcapil is owed")
	}
	if edge.To == fsm.Upgrading && (f.Dukcapil != fsm.DukcapilDeferred || !f.Provisional) {
		t.Fatalf("upgrading what is not owed: %+v", f)
	}
	if edge.To == fsm.EvaluatingFraud && !c.Policy.Products.AntiFraud {
		t.Fatal("asks a product that was not bought")
	}
	if edge.To == fsm.CheckingDukcapil && !c.Policy.Products.Dukcapil {
		t.Fatal("asks the registry without an agreement")
	}
}
