package quantumelixir

import (
	"context"

	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

// Evaluation is an applicant to be judged by Anti-Fraud. Empty fields are left
// out.
type Evaluation struct {
	ExternalID     string // ExternalID
	CustomerID     string
	SessionToken   pii.Secret // from the customer's device, good for 30 minutes
	FullName       pii.Secret
	NIK            pii.Secret
	Email          pii.Secret
	Phone          pii.Secret // E.164
	DateOfBirth    pii.Date
	IPAddress      pii.Secret
	UserAgent      pii.Secret
	ReferralSource pii.Secret
}

// FraudVerdict is the answer: Decision allow, flag, review or block; scores
// 0..100.
type FraudVerdict struct {
	Decision     string
	FraudScore   float64
	SubScores    map[string]float64 // rules, velocity, ml
	AppliedRules []FraudRule
	SessionID    string
}

// FraudRule is a rule that fired.
type FraudRule struct {
	Code     string
	Name     string
	Action   string
	Severity string
	Score    float64
}

func (v FraudVerdict) complete() bool { return v.Decision != "" }

// Evaluate asks Anti-Fraud for its decision.
func (c *Client) Evaluate(ctx context.Context, r Evaluation) (FraudVerdict, error) {
	data := vendors.NewBody().SetSecret("fullName", r.FullName).SetSecret("nik", r.NIK).
		SetSecret("email", r.Email).SetSecret("phone", r.Phone).
		SetIf("dateOfBirth", r.DateOfBirth.Reveal()).SetSecret("ipAddress", r.IPAddress).
		SetSecret("userAgent", r.UserAgent).SetSecret("referralSource", r.ReferralSource)
	body := vendors.NewBody().Set("customerId", r.CustomerID).Set("lane", "onboarding").
		Set("externalId", r.ExternalID).SetSecret("sessionToken", r.SessionToken).SetBody("data", data)
	return read[FraudVerdict](c.post(ctx, c.fraud, "evaluate", vendors.BucketEvaluate, "/api/evaluate", r.ExternalID, body))
}
