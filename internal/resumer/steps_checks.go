package resumer

import (
	"context"
	"encoding/json"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
	"github.com/gerbang-id/gerbang/internal/vendors/quantumelixir"
)

// screenAML screens with the NIK and birth date of the KTP and the name of the
// form: far fewer false positives (QE's guide).
func (r *Resumer) screenAML(ctx context.Context, o *store.Onboarding) (answer, error) {
	nik, born := nikAndBirthDate(o)
	res, err := r.screener.screen(ctx, o, quantumelixir.Subject{
		ExternalID: quantumelixir.ExternalID(o.ApplicationID), CustomerID: o.Facts.CustomerID,
		FullName: o.Applicant.FullName, NIK: nik, DateOfBirth: born, Email: o.Applicant.Email,
	})
	if err != nil {
		return answer{}, err
	}
	e := fsm.AMLEvidence{ScreeningID: res.ID, Status: res.Status, TopMatchScore: res.TopMatchScore}
	listed := listedNames{}
	for _, m := range res.Matches {
		e.Matches = append(e.Matches, fsm.AMLMatch{ID: m.ID, Score: m.Score, Category: m.Category, WatchlistID: m.WatchlistID})
		listed[m.ID] = m.ListedName.Reveal()
	}
	a := answer{decision: fsm.DecideAML(o.Case(), e), evidence: e}
	if len(listed) > 0 {
		a.personal = listed
	}
	return a, nil
}

// listedNames are the names on the watchlists, by match: the reviewer needs
// them, and they may be the customer's own.
type listedNames map[string]string

// Plaintext encodes the names for sealing.
func (l listedNames) Plaintext() ([]byte, error) {
	return json.Marshal(map[string]map[string]string{"listedNames": l})
}

func (r *Resumer) evaluateFraud(ctx context.Context, o *store.Onboarding) (answer, error) {
	nik, born := nikAndBirthDate(o)
	var res quantumelixir.FraudVerdict
	err := r.call(ctx, admissions[o.State], func(ctx context.Context) (err error) {
		res, err = r.QE.Evaluate(ctx, quantumelixir.Evaluation{
			ExternalID: quantumelixir.ExternalID(o.ApplicationID), CustomerID: o.Facts.CustomerID,
			SessionToken: o.Applicant.DeviceSessionToken, FullName: o.Applicant.FullName, NIK: nik,
			Email: o.Applicant.Email, Phone: o.Applicant.Phone, DateOfBirth: born, IPAddress: o.Applicant.ClientIP,
			UserAgent: o.Applicant.UserAgent, ReferralSource: o.Applicant.ReferralSource,
		})
		return err
	})
	if err != nil {
		return answer{}, err
	}
	e := fsm.FraudEvidence{Decision: res.Decision, Score: res.FraudScore, SubScores: res.SubScores, SessionID: res.SessionID}
	for _, rule := range res.AppliedRules {
		e.Rules = append(e.Rules, fsm.FraudRule{Code: rule.Code, Action: rule.Action, Severity: rule.Severity, Score: rule.Score})
	}
	return answer{decision: fsm.DecideFraud(o.Case(), e), evidence: e}, nil
}
