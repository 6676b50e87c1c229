package fsm

import "slices"

// SelfieEvidence is QE's step-up answer: liveness and match, judged together.
type SelfieEvidence struct {
	Allow          bool    `json:"allow"`
	Liveness       string  `json:"liveness,omitempty"` // live, spoof, unclear
	LivenessTier   string  `json:"livenessTier,omitempty"`
	Match          string  `json:"match,omitempty"` // match, or why not
	Similarity     float64 `json:"similarity"`
	Threshold      float64 `json:"threshold"`
	VerificationID string  `json:"verificationId,omitempty"`
	Status         string  `json:"status,omitempty"`
	Score          float64 `json:"score"`
	Adopted        bool    `json:"adopted,omitempty"` // read back after the answer was lost
}

// DecideSelfie: a refusal costs an attempt and the last one declines; an allow
// must be live and matching. A liveness word nobody knows, or an allow that
// contradicts its own verdicts, is for an analyst.
func DecideSelfie(c Case, e SelfieEvidence) Decision {
	f := c.Facts
	unknown := !slices.Contains([]string{"live", "spoof", "unclear", ""}, e.Liveness)
	contradiction := e.Allow && (e.Liveness != "live" || e.Match != "match")
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
