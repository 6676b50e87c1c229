package fsm

// Status is what the customer's frontend sees. It never tells which review, or
// that AML or fraud had anything to do with it: Indonesian law (UU 8/2010,
// article 12) forbids tipping off.
type Status string

// The public statuses.
const (
	StatusAwaitingInput Status = "awaiting_input"
	StatusProcessing    Status = "processing"
	StatusInReview      Status = "in_review"
	StatusApproved      Status = "approved"
	StatusDeclined      Status = "declined"
	StatusExpired       Status = "expired"
	StatusCancelled     Status = "cancelled"
)

// Statuses lists the public statuses.
func Statuses() []Status {
	return []Status{
		StatusAwaitingInput, StatusProcessing, StatusInReview, StatusApproved,
		StatusDeclined, StatusExpired, StatusCancelled,
	}
}

// Status returns the public status of a state. An upgrade runs behind an
// approval, so it shows as approved.
func (s State) Status() Status {
	switch s {
	case AwaitingKTP, AwaitingSelfie:
		return StatusAwaitingInput
	case Approved, Upgrading, RecordingUpgrade:
		return StatusApproved
	case Declined:
		return StatusDeclined
	case Expired:
		return StatusExpired
	case Cancelled:
		return StatusCancelled
	}
	if s.Review() != "" {
		return StatusInReview
	}
	return StatusProcessing
}

// Public returns the reason a customer's frontend may be told: what concerns
// the capture, or that the customer is not eligible. Nothing else leaves.
func (r DeclineReason) Public() string {
	switch r {
	case "":
		return ""
	case KTPFailed, KTPRejected:
		return "ktp_failed"
	case BiometricMismatch:
		return "biometric_mismatch"
	default:
		return "not_eligible"
	}
}
