package fsm

// FraudEvidence is the fraud engine's evaluation.
type FraudEvidence struct {
	Decision  string             `json:"decision"` // allow, flag, review, block
	Score     float64            `json:"fraudScore"`
	SubScores map[string]float64 `json:"subScores,omitempty"`
	Rules     []FraudRule        `json:"appliedRules,omitempty"`
	SessionID string             `json:"sessionId,omitempty"`
}

// FraudRule is one rule that applied.
type FraudRule struct {
	Code     string  `json:"code"`
	Action   string  `json:"action,omitempty"`
	Severity string  `json:"severity,omitempty"`
	Score    float64 `json:"score"`
}

// DecideFraud: allow passes, flag passes and leaves a signal, block declines,
// review and everything unknown is for an analyst.
func DecideFraud(c Case, e FraudEvidence) Decision {
	f := c.Facts
	f.FraudDecision = e.Decision
	switch e.Decision {
	case "allow":
	case "flag":
		f = f.with(SignalFraudFlag)
	case "block":
		return Decision{Failed, f}
	case "review":
		return Decision{Referred, f}
	default:
		return Decision{Referred, f.with(SignalUnknownVendorValue)}
	}
	return f.cleared(false, "", Passed, PassedProvisional)
}
