package vendors

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kind says what may be done about an Error.
type Kind string

const (
	// Transient: no answer, or none that can be used. Ask again later.
	Transient Kind = "transient"
	// Permanent: the request was refused and would be refused again. Park it.
	Permanent Kind = "permanent"
	// Conflict: the vendor's own state rejected the call (409). Read, then adopt.
	Conflict Kind = "conflict"
)

// Reasons name why a call without a telling status failed. They are words for
// machines: metrics, parking causes, explanations.
const (
	ReasonTimeout       = "timeout"
	ReasonCanceled      = "canceled"
	ReasonRefused       = "connection_refused"
	ReasonConnection    = "connection"
	ReasonDNS           = "dns"
	ReasonTLS           = "tls"
	ReasonTruncated     = "truncated"
	ReasonUnparsable    = "unparsable"
	ReasonHTML          = "html"
	ReasonOversized     = "oversized"
	ReasonIncomplete    = "incomplete" // a needed field is missing
	ReasonMismatch      = "mismatch"   // an answer about somebody else
	ReasonRejected      = "rejected"   // "ok": false in an answer with status 2xx
	ReasonPending       = "pending"    // 202 with a job instead of an answer
	ReasonLeasePassed   = "lease_passed"
	ReasonNotConfigured = "not_configured"
	ReasonBadRequest    = "bad_request" // refused by this client, before anything was sent
)

// Error is a call that brought no usable answer. Its text and its fields hold
// no personal data and no credential: a vendor's free text is kept for 401, 403
// and 429 only, cut and masked (see operatorText); of a validation failure only
// the names of the fields are kept.
type Error struct {
	Product string // identity, aml, anti-fraud, dukcapil
	Call    string // customers.create, step-up, ...
	Status  int    // HTTP status; 0 when none arrived
	Kind    Kind
	Reason  string // one of the Reasons; empty when Status says it all

	// RetryAfter is how long the vendor asked to wait; 0 when it did not say.
	RetryAfter time.Duration
	// Bucket and Limit (per minute, 0 when unknown) describe the exhausted rate
	// limit of a 429.
	Bucket string
	Limit  int

	Message string   // the vendor's words, 401, 403 and 429 only
	Fields  []string // names of the refused fields, sorted, 400 and 422 only

	sent  bool
	cause error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "vendor %s: %s", e.Product, e.Call)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": status %d", e.Status)
	}
	if e.Reason != "" {
		fmt.Fprintf(&b, ": %s", e.Reason)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %q", e.Message)
	}
	if len(e.Fields) > 0 {
		fmt.Fprintf(&b, ": fields %s", strings.Join(e.Fields, ", "))
	}
	return b.String()
}

// Unwrap gives the causes worth telling apart: ErrLeasePassed,
// context.Canceled, context.DeadlineExceeded. Other causes are not kept, for
// their texts may quote the answer.
func (e *Error) Unwrap() error { return e.cause }

// Retryable reports whether the same call, with the same external id, may
// succeed later. A caller whose lease has passed (errors.Is ErrLeasePassed)
// drops the work all the same: it is another worker's now.
func (e *Error) Retryable() bool { return e.Kind == Transient }

// OutcomeUnknown reports whether the vendor may have done the work although no
// definite answer came back: at least one byte of the request was handed to the
// connection, and what came back was nothing, an unusable answer, a redirect,
// a 408 or a 5xx. A 503 counts as unknown too, with or without a body: the
// vendor sends it when an upstream of its own is degraded, which does not say
// how far the call got. A 429 and every other 4xx are definite.
func (e *Error) OutcomeUnknown() bool { return e.sent && e.Kind == Transient && e.Status != 429 }

// Cause is a short machine word that rows parked for the same reason share:
// "identity.customers.create:403", "aml.screenings.create:timeout".
func (e *Error) Cause() string {
	why := e.Reason
	if why == "" {
		why = strconv.Itoa(e.Status)
	}
	return e.Product + "." + e.Call + ":" + why
}

// kindOf classifies every status that is not an answer. Statuses the contract
// does not name follow their class, with two exceptions: 408 and 425 ask for a
// repetition, and a redirect, never followed, is what a maintenance page looks
// like from here.
func kindOf(status int) Kind {
	switch {
	case status == 409:
		return Conflict
	case status == 408, status == 425, status == 429:
		return Transient
	case status >= 400 && status < 500:
		return Permanent
	default:
		return Transient
	}
}
