package fsm

// SelfieEvidence is QE's step-up answer: liveness and match, judged together.
type SelfieEvidence struct {
	Allow          bool    `json:"allow"`
	Liveness       string  `json:"liveness,omitempty"` // live, spoof, unclear
	LivenessTier   string  `json:"livenessTier,omitempty"`
	Match          string  `json:"match,omitempty"` // match, or why not
	Similarity     float64 `json:"similarity"`
	Threshold      float64 `json:"threshold"`
	VerificationID string  `json:"verificationId,omitempty"`
	Status         string  `json:"status,omitempty"` // verified, failed, pending
	Score          float64 `json:"score"`
	Adopted        bool    `json:"adopted,omitempty"` // read back after the answer was lost
}

// DecideSelfie: a refusal costs an attempt and the last one declines; an allow
// must be live, matching and verified. A word nobody knows, or an allow that
// contradicts its own verdicts, is for an analyst.
func DecideSelfie(c Case, e SelfieEvidence) Decision {
	f := c.Facts
	f.SelfieJudged++
	unknown := !knownOrAbsent(e.Liveness, "live", "spoof", "unclear") ||
		!knownOrAbsent(e.Status, "verified", "failed", "pending")
	contradiction := e.Allow && (e.Liveness != "live" || e.Match != "match" || !knownOrAbsent(e.Status, "verified"))
	switch {
	case unknown || contradiction:
		return Decision{Referred, f.with(SignalUnknownVendorValue)}
	case !e.Allow:
		f.SelfieAttempts++
		if f.SelfieAttempts < c.Policy.Biometric.Attempts {
			return Decision{Retry, f}
		}
		return Decision{Failed, f}
	case f.VerdictSupplied:
		f.DukcapilRecordings++
		return Decision{PassedVerdictSupplied, f}
	case c.Policy.Products.Dukcapil:
		return Decision{Passed, f}
	default:
		f.Dukcapil = DukcapilNotAsked
		return Decision{PassedWithoutDukcapil, f}
	}
}
