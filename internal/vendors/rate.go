package vendors

import (
	"net/http"
	"strconv"
	"time"
)

// The rate limit buckets of Quantum Elixir, as it names them in a 429 and as
// GERBANG_QE_LIMITS does. BucketReads is ours, for its reads.
const (
	BucketCustomers      = "customers.create"
	BucketKTPChallenge   = "ktp.challenge"
	BucketKTPCapture     = "ktp.capture"
	BucketFaceChallenge  = "face.challenge"
	BucketStepUp         = "step-up"
	BucketDukcapilIngest = "dukcapil.ingest"
	BucketScreenings     = "screenings.create"
	BucketEvaluate       = "evaluate"
	BucketReads          = "reads"
)

// maxRetryAfter caps what a vendor may ask for: a broken header must not put a
// row to sleep for a year.
const maxRetryAfter = 24 * time.Hour

// rateOf reads X-RateLimit-Limit, -Remaining and -Reset (Unix seconds); ok only
// when all three are there and sane.
func rateOf(h http.Header) (limit, remaining int, reset time.Time, ok bool) {
	limit, err1 := strconv.Atoi(h.Get("X-RateLimit-Limit"))
	remaining, err2 := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	unix, err3 := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || limit < 0 || remaining < 0 || unix < 0 {
		return 0, 0, time.Time{}, false
	}
	return limit, remaining, time.Unix(unix, 0).UTC(), true
}

// retryAfter reads Retry-After, in seconds or as an HTTP date (RFC 9110, 10.2.3),
// and for a 429 without one the reset of its rate limit.
func retryAfter(status int, h http.Header, now time.Time) time.Duration {
	var wait time.Duration
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		wait = time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	} else if _, _, reset, ok := rateOf(h); ok && status == http.StatusTooManyRequests {
		wait = reset.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
