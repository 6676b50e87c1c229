package api

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/store"
)

// problem is an RFC 9457 problem. Code is what programs look at; it never
// changes its meaning.
type problem struct {
	Type           string   `json:"type"`
	Title          string   `json:"title"`
	Status         int      `json:"status"`
	Code           string   `json:"code"`
	Detail         string   `json:"detail,omitempty"`
	RequestID      string   `json:"requestId"`
	Errors         []fault  `json:"errors,omitempty"`
	AllowedActions []string `json:"allowedActions,omitzero"` // of the onboarding, with invalid_state
	RequiredScope  Scope    `json:"requiredScope,omitempty"`

	header string // name of a header that belongs to it, and
	value  string
}

// fault is one thing wrong with a request: where, and which rule it breaks.
// Never the offending value: it may be a customer's.
type fault struct {
	Pointer string `json:"pointer"`
	Rule    string `json:"rule"`
}

func (p *problem) Error() string { return p.Code }

func newProblem(status int, code, title, detail string) *problem {
	return &problem{Type: "urn:gerbang:problem:" + code, Title: title, Status: status, Code: code, Detail: detail}
}

func (p *problem) with(header, value string) *problem {
	q := *p
	q.header, q.value = header, value
	return &q
}

var (
	errUnauthenticated = newProblem(http.StatusUnauthorized, "unauthenticated", "Not authenticated",
		"Send a live API key as Authorization: Bearer gbk_...").with("WWW-Authenticate", "Bearer")
	errNoSuchPath = newProblem(http.StatusNotFound, "not_found", "Not found", "There is no such path.")
	errNotFound   = newProblem(http.StatusNotFound, "not_found", "Not found", "There is no such resource, or it is not yours.")
	errTooLarge   = newProblem(http.StatusRequestEntityTooLarge, "payload_too_large", "Payload too large",
		"The request body is larger than this service accepts.").with("Connection", "close")
	errMediaType = newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", "Unsupported media type",
		"Send application/json, without a content encoding.")
	errConflict = newProblem(http.StatusConflict, "application_conflict", "Application conflict",
		"This applicationId was used before with other content.")
	errChallengeUnknown = newProblem(http.StatusUnprocessableEntity, "challenge_unknown", "Challenge unknown",
		"The bundle's flashChallengeNonce was not issued for this capture, or was used before. Ask for a new challenge.")
	errChallengeExpired = newProblem(http.StatusUnprocessableEntity, "challenge_expired", "Challenge expired",
		"The challenge's time is over. Ask for a new one.")
	errStaleVersion = newProblem(http.StatusPreconditionFailed, "stale_version", "Stale version",
		"If-Match is not the current version. Read it again.")
	errIfMatchRequired = newProblem(http.StatusPreconditionRequired, "if_match_required", "If-Match required",
		"Send the ETag of the review you decide on as If-Match.")
	errClaimed = newProblem(http.StatusConflict, "review_claimed", "Review claimed",
		"Somebody else is working on this review.")
	errReviewClosed = newProblem(http.StatusConflict, "invalid_state", "Not possible now",
		"This review is not open any more.")
	errSelfApproval = newProblem(http.StatusForbidden, "self_approval_forbidden", "Self-approval forbidden",
		"A sign-off needs a second person.")
	errInternal = newProblem(http.StatusInternalServerError, "internal", "Internal error", "")
	errDraining = newProblem(http.StatusServiceUnavailable, "vendor_unavailable", "Unavailable",
		"This process is shutting down.").with("Retry-After", "1")
)

func errMethodNotAllowed(allow string) *problem {
	return newProblem(http.StatusMethodNotAllowed, "method_not_allowed", "Method not allowed",
		"This path has no such method.").with("Allow", allow)
}

func errForbidden(scope Scope) *problem {
	p := newProblem(http.StatusForbidden, "forbidden", "Forbidden", "The key's role does not include the scope this needs.")
	p.RequiredScope = scope
	return p
}

// errInvalidState says what may be done instead.
func errInvalidState(allowed []string) *problem {
	p := newProblem(http.StatusConflict, "invalid_state", "Not possible now",
		"The onboarding is not where this makes sense.")
	p.AllowedActions = allowed
	return p
}

func errUnavailable(after time.Duration) *problem {
	seconds := max(1, int(math.Ceil(after.Seconds())))
	return newProblem(http.StatusServiceUnavailable, "vendor_unavailable", "Unavailable",
		"Something this needs does not answer right now. Nothing was lost; try again.").
		with("Retry-After", strconv.Itoa(seconds))
}

// errMalformed is for a body that cannot be read; pointer may be empty.
func errMalformed(pointer, rule string) *problem {
	p := newProblem(http.StatusBadRequest, "malformed_request", "Malformed request", "The request could not be read.")
	p.Errors = []fault{{Pointer: pointer, Rule: rule}}
	return p
}

func errInvalid(faults ...fault) *problem {
	p := newProblem(http.StatusBadRequest, "validation_failed", "Validation failed", "The request breaks the rules listed in errors.")
	p.Errors = faults
	return p
}

// problemOf is the only place where an internal error becomes a public one.
// What it does not know is a bare 500.
func problemOf(err error) *problem {
	var public *problem
	var vendor *resumer.VendorUnavailable
	switch {
	case errors.As(err, &public):
		return public
	case errors.As(err, &vendor):
		return errUnavailable(vendor.RetryAfter)
	case errors.Is(err, store.ErrNotFound):
		return errNotFound
	case errors.Is(err, store.ErrConflict):
		return errConflict
	case errors.Is(err, store.ErrChallengeUnknown):
		return errChallengeUnknown
	case errors.Is(err, store.ErrChallengeExpired):
		return errChallengeExpired
	case errors.Is(err, store.ErrClaimed):
		return errClaimed
	case errors.Is(err, resumer.ErrStaleVersion):
		return errStaleVersion
	case errors.Is(err, fsm.ErrSelfApproval):
		return errSelfApproval
	case errors.Is(err, fsm.ErrDecisionNotOffered):
		return errInvalid(fault{"/decision", "oneof"})
	case errors.Is(err, resumer.ErrReasonNotListed):
		return errInvalid(fault{"/reasonCode", "oneof"})
	case errors.Is(err, resumer.ErrBusy), errors.Is(err, store.ErrUnavailable),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errUnavailable(0)
	}
	return errInternal
}

// fail sends the public problem and logs the internal error behind it, if
// there is one to be seen to.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if r.Context().Err() == nil { // else the client is gone, and that is all there is to it
		switch {
		case p.Status == http.StatusInternalServerError:
			s.Log.ErrorContext(r.Context(), "request failed", "error", err, "request_id", callOf(r).requestID)
		case errors.Is(err, store.ErrUnavailable):
			s.Log.WarnContext(r.Context(), "database unavailable", "error", err, "request_id", callOf(r).requestID)
		}
	}
	s.write(w, r, p)
}

func (s *server) write(w http.ResponseWriter, r *http.Request, p *problem) {
	sent := *p
	sent.RequestID = callOf(r).requestID
	body, err := json.Marshal(sent)
	if err != nil {
		panic("api: encode problem: " + err.Error()) // plain strings always encode
	}
	h := w.Header()
	if p.header != "" {
		h.Set(p.header, p.value)
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // nobody is left to tell
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // nobody is left to tell
	return nil
}
