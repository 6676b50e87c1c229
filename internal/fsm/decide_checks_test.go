package fsm_test

import (
	"slices"
	"testing"

	"github.com/gerbang-id/gerbang/internal/fsm"
)

func TestDecideLookup(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		outcome            fsm.Outcome
		event, late        fsm.Event
		status, lateStatus fsm.DukcapilStatus
		reason             string
		recordings         int
	}{
		{fsm.OutcomeValid, fsm.Passed, fsm.Passed, "", "", "", 1},
		{fsm.OutcomeNotValid, fsm.Failed, fsm.Failed, "", "", "why", 1},
		{fsm.OutcomeUnavailable, fsm.Deferred, fsm.GaveUp, fsm.DukcapilDeferred, fsm.DukcapilGivenUp, "why", 0},
		{fsm.OutcomeHuman, fsm.Referred, fsm.Referred, fsm.DukcapilUnclear, fsm.DukcapilUnclear, "why", 0},
		{"", fsm.Referred, fsm.Referred, fsm.DukcapilUnclear, fsm.DukcapilUnclear, "why", 0},
		{strange, fsm.Referred, fsm.Referred, fsm.DukcapilUnclear, fsm.DukcapilUnclear, "why", 0},
	} {
		e := fsm.DukcapilEvidence{Outcome: tc.outcome, Reason: "why"}
		d := fsm.DecideLookup(caseOf(fsm.CheckingDukcapil, fsm.Facts{}), e)
		inTable(t, fsm.CheckingDukcapil, d)
		if d.Event != tc.event || d.Facts.Dukcapil != tc.status || d.Facts.DukcapilReason != tc.reason || d.Facts.DukcapilRecordings != tc.recordings {
			t.Errorf("lookup %q: %+v", tc.outcome, d)
		}
		d = fsm.DecideUpgrade(caseOf(fsm.Upgrading, fsm.Facts{}), e)
		inTable(t, fsm.Upgrading, d)
		if d.Event != tc.late || d.Facts.Dukcapil != tc.lateStatus || d.Facts.DukcapilRecordings != tc.recordings {
			t.Errorf("upgrade %q: %+v", tc.outcome, d)
		}
	}
}

func TestDecideRecord(t *testing.T) {
	t.Parallel()
	for _, state := range []fsm.State{fsm.RecordingDukcapil, fsm.RecordingUpgrade} {
		for _, valid := range []bool{true, false} {
			for _, status := range []string{"verified", "failed", "pending", "", strange} {
				want, is := fsm.Referred, fsm.DukcapilUnclear
				switch {
				case valid && status == "verified":
					want, is = fsm.Passed, fsm.DukcapilValid
				case !valid && status == "failed":
					want, is = fsm.Failed, fsm.DukcapilNotValid
				}
				d := fsm.DecideRecord(caseOf(state, fsm.Facts{VerdictSupplied: true, DukcapilReason: "budget_spent"}),
					fsm.RecordEvidence{Valid: valid, Status: status})
				inTable(t, state, d)
				if d.Event != want || d.Facts.Dukcapil != is || d.Facts.VerdictSupplied {
					t.Errorf("valid %v, %q: %+v, want %s", valid, status, d, want)
				}
				if (d.Facts.DukcapilReason == "") != (want == fsm.Passed) {
					t.Errorf("valid %v, %q: reason %q", valid, status, d.Facts.DukcapilReason)
				}
				if (d.Facts.Level() == fsm.Premium) != (want == fsm.Passed) {
					t.Errorf("valid %v, %q: level %s", valid, status, d.Facts.Level())
				}
			}
		}
	}
}

var dukcapilStatuses = []fsm.DukcapilStatus{
	"", fsm.DukcapilNotAsked, fsm.DukcapilDeferred, fsm.DukcapilValid, fsm.DukcapilNotValid, fsm.DukcapilUnclear, fsm.DukcapilGivenUp,
}

func TestLevel(t *testing.T) {
	t.Parallel()
	for _, s := range dukcapilStatuses {
		want := fsm.Standard
		if s == fsm.DukcapilValid {
			want = fsm.Premium
		}
		if got := (fsm.Facts{Dukcapil: s}).Level(); got != want {
			t.Errorf("dukcapil %q: level %s", s, got)
		}
	}
}

// TestDecideAML: the branches are whether the fraud product is next, and
// whether Dukcapil is owed.
func TestDecideAML(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"no_match", "review", "confirmed", "", strange} {
		for _, fraud := range []bool{true, false} {
			for _, dukcapil := range dukcapilStatuses {
				owed := dukcapil == fsm.DukcapilDeferred
				want := fsm.Referred
				switch {
				case status != "no_match":
				case fraud:
					want = fsm.Passed
				case owed:
					want = fsm.PassedProvisional
				default:
					want = fsm.PassedFinal
				}
				d := fsm.DecideAML(caseOf(fsm.ScreeningAML, fsm.Facts{Dukcapil: dukcapil}, func(p *fsm.Policy) { p.Products.AntiFraud = fraud }),
					fsm.AMLEvidence{Status: status, ScreeningID: "scr_1"})
				inTable(t, fsm.ScreeningAML, d)
				if d.Event != want || d.Facts.AMLStatus != status || d.Facts.ScreeningID != "scr_1" ||
					d.Facts.Provisional != (want == fsm.PassedProvisional) {
					t.Errorf("%q, fraud %v, dukcapil %q: %+v, want %s", status, fraud, dukcapil, d, want)
				}
				if slices.Contains(d.Facts.Signals, fsm.SignalUnknownVendorValue) != (status == "" || status == strange) {
					t.Errorf("%q: signals %v", status, d.Facts.Signals)
				}
			}
		}
	}
}

func TestDecideFraud(t *testing.T) {
	t.Parallel()
	for decision, signal := range map[string]fsm.Signal{
		"allow": "", "flag": fsm.SignalFraudFlag, "review": "", "block": "",
		"": fsm.SignalUnknownVendorValue, strange: fsm.SignalUnknownVendorValue,
	} {
		for _, dukcapil := range dukcapilStatuses {
			want := fsm.Referred
			switch {
			case decision == "block":
				want = fsm.Failed
			case decision != "allow" && decision != "flag":
			case dukcapil == fsm.DukcapilDeferred:
				want = fsm.PassedProvisional
			default:
				want = fsm.Passed
			}
			d := fsm.DecideFraud(caseOf(fsm.EvaluatingFraud, fsm.Facts{Dukcapil: dukcapil}), fsm.FraudEvidence{Decision: decision})
			inTable(t, fsm.EvaluatingFraud, d)
			if d.Event != want || d.Facts.FraudDecision != decision || d.Facts.Provisional != (want == fsm.PassedProvisional) {
				t.Errorf("%q, dukcapil %q: %+v, want %s", decision, dukcapil, d, want)
			}
			if signal == "" && len(d.Facts.Signals) != 0 || signal != "" && !slices.Equal(d.Facts.Signals, []fsm.Signal{signal}) {
				t.Errorf("%q: signals %v", decision, d.Facts.Signals)
			}
		}
	}
}
