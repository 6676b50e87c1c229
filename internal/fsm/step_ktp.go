package fsm

import "slices"

// KTPEvidence is QE's judgement of a KTP capture, without what was read from
// the card. Values are QE's own words.
type KTPEvidence struct {
	VerificationID string   `json:"verificationId,omitempty"`
	Status         string   `json:"status,omitempty"` // verified, failed, pending
	Score          float64  `json:"score"`
	BundleID       string   `json:"ktpBundleId,omitempty"`
	Verdict        string   `json:"verdict"` // passed, failed, requires_review
	AssuranceTier  string   `json:"assuranceTier,omitempty"`
	AntiSpoof      string   `json:"antiSpoof,omitempty"` // live, spoof, unclear
	Tamper         string   `json:"tamper,omitempty"`    // authentic, tampered, unclear
	EnrolmentID    string   `json:"enrolmentId,omitempty"`
	NameScore      float64  `json:"nameScore"` // 0..1, form against card
	Signals        []Signal `json:"signals,omitempty"`
	Adopted        bool     `json:"adopted,omitempty"` // read back after the answer was lost
}

// DecideKTP: an unknown word anywhere is for an analyst. Then QE's failed
// fails; passed passes unless a signal of the policy refers it or QE contradicts
// itself; everything else is for an analyst too.
func DecideKTP(c Case, e KTPEvidence) Decision {
	f := c.Facts.without(identitySignals...).with(e.Signals...) // a recapture is a new card
	f.KTPJudged++
	if !knownOrAbsent(e.AssuranceTier, "high", "standard", "low") ||
		!knownOrAbsent(e.Status, "verified", "failed", "pending") ||
		!knownOrAbsent(e.AntiSpoof, "live", "spoof", "unclear") ||
		!knownOrAbsent(e.Tamper, "authentic", "tampered", "unclear") ||
		!knownOrAbsent(e.Verdict, "passed", "failed", "requires_review") {
		return Decision{Referred, f.with(SignalUnknownVendorValue)}
	}
	if e.Verdict == "failed" {
		return Decision{Failed, f}
	}
	clean := e.Verdict == "passed" && knownOrAbsent(e.Status, "verified") &&
		e.AntiSpoof != "spoof" && e.Tamper != "tampered"
	refers := slices.ContainsFunc(e.Signals, func(s Signal) bool { return slices.Contains(c.Policy.Signals.Refer, s) })
	if !clean || refers {
		return Decision{Referred, f}
	}
	return Decision{Passed, f}
}

// knownOrAbsent reports whether an enum value of a vendor is one of these, or
// was left out.
func knownOrAbsent(v string, known ...string) bool {
	return v == "" || slices.Contains(known, v)
}
