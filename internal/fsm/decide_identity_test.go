package fsm_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gerbang-id/gerbang/internal/fsm"
)

// caseOf is an onboarding in a state, under the default policy as changed.
func caseOf(s fsm.State, f fsm.Facts, change ...func(*fsm.Policy)) fsm.Case {
	p := fsm.DefaultPolicy()
	for _, c := range change {
		c(&p)
	}
	return fsm.Case{State: s, Facts: f, Policy: p}
}

// inTable fails the test if a decision is not a move of the table.
func inTable(t *testing.T, s fsm.State, d fsm.Decision) fsm.Edge {
	t.Helper()
	e, err := fsm.Next(s, d.Event)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const strange = "banana"

func TestDecideRegister(t *testing.T) {
	t.Parallel()
	d := fsm.DecideRegister(caseOf(fsm.Registering, fsm.Facts{VerdictSupplied: true}), fsm.RegisterEvidence{CustomerID: "cus_1"})
	if d.Event != fsm.Passed || d.Facts.CustomerID != "cus_1" || !d.Facts.VerdictSupplied {
		t.Errorf("%+v", d)
	}
}

// TestDecideKTP goes through every combination of what QE may say.
func TestDecideKTP(t *testing.T) {
	t.Parallel()
	for _, verdict := range []string{"passed", "failed", "requires_review", "", strange} {
		for _, status := range []string{"verified", "failed", "pending", "", strange} {
			for _, spoof := range []string{"live", "spoof", "unclear", "", strange} {
				for _, tamper := range []string{"authentic", "tampered", "unclear", "", strange} {
					for _, tier := range []string{"high", "standard", "low", "", strange} {
						e := fsm.KTPEvidence{Verdict: verdict, Status: status, AntiSpoof: spoof, Tamper: tamper, AssuranceTier: tier}
						unknown := slices.Contains([]string{verdict, status, spoof, tamper, tier}, strange)
						want := fsm.Referred
						switch {
						case unknown:
						case verdict == "failed":
							want = fsm.Failed
						case verdict == "passed" && (status == "verified" || status == "") && spoof != "spoof" && tamper != "tampered":
							want = fsm.Passed
						}
						d := fsm.DecideKTP(caseOf(fsm.VerifyingKTP, fsm.Facts{}), e)
						if d.Event != want {
							t.Errorf("%+v: %s, want %s", e, d.Event, want)
						}
						if slices.Contains(d.Facts.Signals, fsm.SignalUnknownVendorValue) != unknown {
							t.Errorf("%+v: signals %v", e, d.Facts.Signals)
						}
						inTable(t, fsm.VerifyingKTP, d)
					}
				}
			}
		}
	}
}

func TestDecideKTPSignals(t *testing.T) {
	t.Parallel()
	all := append(fsm.Referrable(), fsm.SignalNameClose, fsm.SignalNameDifferent)
	for _, refer := range append(fsm.Referrable(), "") {
		for _, signal := range all {
			c := caseOf(fsm.VerifyingKTP, fsm.Facts{}, func(p *fsm.Policy) { p.Signals.Refer = []fsm.Signal{refer} })
			d := fsm.DecideKTP(c, fsm.KTPEvidence{Verdict: "passed", Signals: []fsm.Signal{signal}})
			want := fsm.Passed
			if signal == refer {
				want = fsm.Referred
			}
			if d.Event != want || !slices.Equal(d.Facts.Signals, []fsm.Signal{signal}) {
				t.Errorf("policy refers %q, signal %s: %s with %v", refer, signal, d.Event, d.Facts.Signals)
			}
		}
	}
}

// TestNameNeverRefers: not under any policy that can be written.
func TestNameNeverRefers(t *testing.T) {
	t.Parallel()
	c := caseOf(fsm.VerifyingKTP, fsm.Facts{}, func(p *fsm.Policy) { p.Signals.Refer = fsm.Referrable() })
	d := fsm.DecideKTP(c, fsm.KTPEvidence{Verdict: "passed", Signals: []fsm.Signal{fsm.SignalNameDifferent, fsm.SignalNameClose}})
	if d.Event != fsm.Passed {
		t.Errorf("a name difference was %s", d.Event)
	}
	for _, s := range []fsm.Signal{fsm.SignalNameClose, fsm.SignalNameDifferent} {
		if slices.Contains(fsm.Referrable(), s) {
			t.Errorf("%s may be referred", s)
		}
	}
}

// TestRecaptureReplacesSignals: another card, other signals; what other steps
// found stays.
func TestRecaptureReplacesSignals(t *testing.T) {
	t.Parallel()
	before := append(fsm.Referrable(), fsm.SignalNameClose, fsm.SignalUnknownVendorValue, fsm.SignalFraudFlag)
	kept := slices.Clone(before)
	d := fsm.DecideKTP(caseOf(fsm.VerifyingKTP, fsm.Facts{Signals: before}),
		fsm.KTPEvidence{Verdict: "passed", Signals: []fsm.Signal{fsm.SignalNameDifferent}})
	want := []fsm.Signal{fsm.SignalUnknownVendorValue, fsm.SignalFraudFlag, fsm.SignalNameDifferent}
	if !slices.Equal(d.Facts.Signals, want) {
		t.Errorf("signals %v, want %v", d.Facts.Signals, want)
	}
	if !slices.Equal(before, kept) {
		t.Error("the decision changed its input")
	}
}

// TestDecideSelfie goes through every combination of what QE may say.
func TestDecideSelfie(t *testing.T) {
	t.Parallel()
	for _, allow := range []bool{true, false} {
		for _, liveness := range []string{"live", "spoof", "unclear", "", strange} {
			for _, match := range []string{"match", "no_match", ""} { // the vendor names no other word than match
				for _, status := range []string{"verified", "failed", "pending", "", strange} {
					e := fsm.SelfieEvidence{Allow: allow, Liveness: liveness, Match: match, Status: status}
					consistent := liveness == "live" && match == "match" && (status == "verified" || status == "")
					want, attempts := fsm.Referred, 0
					switch {
					case liveness == strange || status == strange:
					case !allow:
						want, attempts = fsm.Retry, 1
					case consistent:
						want = fsm.Passed
					}
					d := fsm.DecideSelfie(caseOf(fsm.VerifyingSelfie, fsm.Facts{}), e)
					if d.Event != want || d.Facts.SelfieAttempts != attempts {
						t.Errorf("%+v: %s after %d attempts, want %s after %d", e, d.Event, d.Facts.SelfieAttempts, want, attempts)
					}
					if slices.Contains(d.Facts.Signals, fsm.SignalUnknownVendorValue) != (want == fsm.Referred) {
						t.Errorf("%+v: signals %v", e, d.Facts.Signals)
					}
					inTable(t, fsm.VerifyingSelfie, d)
				}
			}
		}
	}
}

func TestSelfieAttempts(t *testing.T) {
	t.Parallel()
	for allowed := 1; allowed <= 5; allowed++ {
		var f fsm.Facts
		for n := 1; n <= allowed; n++ {
			c := caseOf(fsm.VerifyingSelfie, f, func(p *fsm.Policy) { p.Biometric.Attempts = allowed })
			if lost := fsm.DecideLost(c, fsm.LostEvidence{Cause: "challenge_consumed"}); lost.Event != fsm.Recapture || lost.Facts.SelfieAttempts != n-1 {
				t.Errorf("a lost answer cost an attempt: %+v", lost)
			}
			d := fsm.DecideSelfie(c, fsm.SelfieEvidence{Liveness: "spoof", Status: "failed"})
			want := fsm.Retry
			if n == allowed {
				want = fsm.Failed
			}
			if d.Event != want || d.Facts.SelfieAttempts != n {
				t.Errorf("refusal %d of %d: %s, %d attempts", n, allowed, d.Event, d.Facts.SelfieAttempts)
			}
			f = d.Facts
		}
	}
}

func TestSelfieBranches(t *testing.T) {
	t.Parallel()
	pass := fsm.SelfieEvidence{Allow: true, Liveness: "live", Match: "match", Status: "verified"}
	for _, tc := range []struct {
		dukcapil, supplied bool
		event              fsm.Event
		to                 fsm.State
		status             fsm.DukcapilStatus
		recordings         int
	}{
		{true, false, fsm.Passed, fsm.CheckingDukcapil, "", 0},
		{true, true, fsm.PassedVerdictSupplied, fsm.RecordingDukcapil, "", 1},
		{false, true, fsm.PassedVerdictSupplied, fsm.RecordingDukcapil, "", 1},
		{false, false, fsm.PassedWithoutDukcapil, fsm.ScreeningAML, fsm.DukcapilNotAsked, 0},
	} {
		t.Run(fmt.Sprintf("dukcapil %v supplied %v", tc.dukcapil, tc.supplied), func(t *testing.T) {
			t.Parallel()
			c := caseOf(fsm.VerifyingSelfie, fsm.Facts{VerdictSupplied: tc.supplied}, func(p *fsm.Policy) { p.Products.Dukcapil = tc.dukcapil })
			d := fsm.DecideSelfie(c, pass)
			if e := inTable(t, fsm.VerifyingSelfie, d); d.Event != tc.event || e.To != tc.to ||
				d.Facts.Dukcapil != tc.status || d.Facts.DukcapilRecordings != tc.recordings {
				t.Errorf("%+v leads to %s", d, e.To)
			}
		})
	}
}
