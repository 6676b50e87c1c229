package fsm

// Outcome is how a Dukcapil answer reads (vendor-contracts section 2).
type Outcome string

// The outcomes of a lookup or of a verdict supplied by the caller.
const (
	OutcomeValid       Outcome = "valid"
	OutcomeNotValid    Outcome = "not_valid"
	OutcomeHuman       Outcome = "human"
	OutcomeUnavailable Outcome = "unavailable"
)

// DukcapilEvidence is the registry's answer, without the values it was asked.
type DukcapilEvidence struct {
	Source         string            `json:"source"` // gateway or caller
	Outcome        Outcome           `json:"outcome"`
	Code           string            `json:"code,omitempty"`     // RESPONSE_CODE
	Elements       map[string]string `json:"elements,omitempty"` // element → sesuai, tidak_sesuai
	NameSimilarity *int              `json:"nameSimilarity,omitempty"`
	Reason         string            `json:"reason,omitempty"` // a word, never a value
	SuppliedBy     string            `json:"suppliedBy,omitempty"`
}

// DecideLookup: valid and not valid both go on record at QE; several records
// or an unreadable answer go to a human; without an answer the onboarding goes
// on, and Dukcapil stays owed.
func DecideLookup(c Case, e DukcapilEvidence) Decision {
	f := c.Facts
	switch e.Outcome {
	case OutcomeValid:
		f.DukcapilRecordings++
		return Decision{Passed, f}
	case OutcomeNotValid:
		f.DukcapilRecordings++
		f.DukcapilReason = e.Reason
		return Decision{Failed, f}
	case OutcomeUnavailable:
		f.Dukcapil, f.DukcapilReason = DukcapilDeferred, e.Reason
		return Decision{Deferred, f}
	default:
		f.Dukcapil, f.DukcapilReason = DukcapilUnclear, e.Reason
		return Decision{Referred, f}
	}
}

// DecideUpgrade reads the late answer of an approved customer. Unavailable
// means the deadline has passed: until then the row is simply due again later.
func DecideUpgrade(c Case, e DukcapilEvidence) Decision {
	d := DecideLookup(c, e)
	if d.Event == Deferred {
		d.Event, d.Facts.Dukcapil = GaveUp, DukcapilGivenUp
	}
	return d
}

// RecordEvidence is QE's answer to an ingested Dukcapil verdict.
type RecordEvidence struct {
	Valid          bool   `json:"valid"` // the verdict that was sent
	VerificationID string `json:"verificationId,omitempty"`
	Status         string `json:"status"` // verified, failed
	EnrolmentID    string `json:"enrolmentId,omitempty"`
	FallbackStub   bool   `json:"fallbackStub,omitempty"`
	Adopted        bool   `json:"adopted,omitempty"` // read back after the answer was lost
}

// DecideRecord: premium needs a valid verdict that QE verified. A verdict that
// is not valid, or an answer that contradicts what was sent, is for a human.
func DecideRecord(c Case, e RecordEvidence) Decision {
	f := c.Facts
	f.VerdictSupplied = false
	switch {
	case e.Valid && e.Status == "verified":
		f.Dukcapil, f.DukcapilReason = DukcapilValid, ""
		return Decision{Passed, f}
	case !e.Valid && e.Status == "failed":
		f.Dukcapil = DukcapilNotValid
		return Decision{Failed, f}
	default:
		f.Dukcapil = DukcapilUnclear
		return Decision{Referred, f.with(SignalUnknownVendorValue)}
	}
}
