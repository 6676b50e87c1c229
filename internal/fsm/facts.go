package fsm

import "slices"

// Level is our KYC level: premium with a valid Dukcapil verdict recorded,
// standard without (QE onboarding guide). QE's own tier is another thing.
type Level string

// The levels; empty before approval.
const (
	Premium  Level = "premium"
	Standard Level = "standard"
)

// DukcapilStatus is what is known of the registry's word on this customer.
type DukcapilStatus string

// The statuses; empty while the step lies ahead.
const (
	DukcapilNotAsked DukcapilStatus = "not_asked" // policy or products leave it out
	DukcapilDeferred DukcapilStatus = "deferred"  // no answer within the budget; still owed
	DukcapilValid    DukcapilStatus = "valid"     // QE recorded a valid verdict
	DukcapilNotValid DukcapilStatus = "not_valid" // QE recorded that it is not valid
	DukcapilUnclear  DukcapilStatus = "unclear"   // a human has to look
	DukcapilGivenUp  DukcapilStatus = "given_up"  // still no answer at the upgrade deadline
)

// Signal is a fact an analyst should see. The policy says which ones refer a
// KTP to review.
type Signal string

// The signals. Names are stored and written in policies.
const (
	SignalNameClose             Signal = "name_close"
	SignalNameDifferent         Signal = "name_different"
	SignalNIKMalformed          Signal = "nik_malformed"
	SignalNIKBirthDateMismatch  Signal = "nik_birth_date_mismatch"
	SignalFormNIKMismatch       Signal = "form_nik_mismatch"
	SignalFormBirthDateMismatch Signal = "form_birth_date_mismatch"
	SignalNIKAlreadyOnboarded   Signal = "nik_already_onboarded"
	SignalFraudFlag             Signal = "fraud_flag"
	SignalUnknownVendorValue    Signal = "unknown_vendor_value"
)

// Referrable lists the signals a policy may refer to ktp_review. A name
// difference is never a reason to hold a customer.
func Referrable() []Signal {
	return []Signal{
		SignalNIKMalformed, SignalNIKBirthDateMismatch, SignalFormNIKMismatch,
		SignalFormBirthDateMismatch, SignalNIKAlreadyOnboarded,
	}
}

// identitySignals are those a KTP capture raises; a new capture replaces them.
var identitySignals = append(Referrable(), SignalNameClose, SignalNameDifferent)

// Facts is what is known of an onboarding apart from personal data: what later
// steps and the views need. It is stored with the row as JSON.
type Facts struct {
	CustomerID         string         `json:"customerId,omitempty"` // QE's id
	KTPSubmissions     int            `json:"ktpSubmissions,omitempty"`
	SelfieSubmissions  int            `json:"selfieSubmissions,omitempty"`
	SelfieAttempts     int            `json:"selfieAttempts,omitempty"` // judged and refused; a recapture does not count
	KTPJudged          int            `json:"ktpJudged,omitempty"`      // verdicts of the vendor seen so far
	SelfieJudged       int            `json:"selfieJudged,omitempty"`   // likewise, refused or not
	DukcapilRecordings int            `json:"dukcapilRecordings,omitempty"`
	Signals            []Signal       `json:"signals,omitempty"`
	VerdictSupplied    bool           `json:"verdictSupplied,omitempty"` // by the caller, not yet recorded
	Dukcapil           DukcapilStatus `json:"dukcapil,omitempty"`
	DukcapilReason     string         `json:"dukcapilReason,omitempty"` // why deferred or not valid; a code, never a value
	AMLStatus          string         `json:"amlStatus,omitempty"`
	ScreeningID        string         `json:"screeningId,omitempty"`
	FraudDecision      string         `json:"fraudDecision,omitempty"`
	Provisional        bool           `json:"provisional,omitempty"` // approved at standard before Dukcapil answered
	VendorLevel        string         `json:"vendorLevel,omitempty"` // QE's tier, when known
	AMLReviewer        string         `json:"amlReviewer,omitempty"` // who confirmed the hit; may not sign it off
}

// Level is the KYC level these facts justify once approved.
func (f Facts) Level() Level {
	if f.Dukcapil == DukcapilValid {
		return Premium
	}
	return Standard
}

func (f Facts) with(signals ...Signal) Facts {
	f.Signals = slices.Clone(f.Signals)
	for _, s := range signals {
		if !slices.Contains(f.Signals, s) {
			f.Signals = append(f.Signals, s)
		}
	}
	return f
}

func (f Facts) without(signals ...Signal) Facts {
	f.Signals = slices.DeleteFunc(slices.Clone(f.Signals), func(s Signal) bool { return slices.Contains(signals, s) })
	return f
}

// Case is all that a decision may know.
type Case struct {
	State  State
	Facts  Facts
	Policy Policy
}

// Decision is what an answer means: the event, and the facts as they are after it.
type Decision struct {
	Event Event
	Facts Facts
}

// cleared names the event of a check that ended well: `next` where another
// check follows, `last` where none does, and provisional where only Dukcapil
// is owed.
func (f Facts) cleared(more bool, next, last, provisional Event) Decision {
	switch {
	case more:
		return Decision{next, f}
	case f.Dukcapil == DukcapilDeferred:
		f.Provisional = true
		return Decision{provisional, f}
	default:
		return Decision{last, f}
	}
}
