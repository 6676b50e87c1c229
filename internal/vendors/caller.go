package vendors

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
)

// DefaultMaxResponse bounds an answer where Caller names no bound.
const DefaultMaxResponse = 1 << 20

// Caller makes calls. The zero value of every field but Transport is usable.
type Caller struct {
	Transport *Transport
	// Timeout bounds one call, dialling and reading the answer included
	// (GERBANG_VENDOR_TIMEOUT). 0: only the context bounds it.
	Timeout time.Duration
	// MaxResponse is the longest answer read, in bytes; 0 means
	// DefaultMaxResponse.
	MaxResponse int64
	// OnRate, when set, hears the rate limit of every answer that carries one,
	// errors included, but for a 429 that says itself when to come back: a
	// duration is a better word than an instant on the vendor's clock. It is
	// called by many goroutines.
	OnRate func(bucket string, limit, remaining int, reset time.Time)
	// Now is the clock for dates in Retry-After; nil means time.Now.
	Now func() time.Time
}

// Call is one request.
type Call struct {
	Product, Name, Bucket string
	Method, URL           string
	Header                http.Header
	Body                  *Body // nil: none
	// QuoteRefusals keeps the vendor's text of a 401, 403 or 429.
	QuoteRefusals bool
}

// Answer is what came back with a status of 2xx: not HTML, not cut, not empty.
// Whether it is the JSON that was hoped for is for the client to find out.
type Answer struct {
	Status int
	Body   []byte
	call   Call
}

// Fail makes the error of an answer that cannot be used, of kind transient:
// the vendor may have done the work, and its answer may be readable next time.
func (a Answer) Fail(reason string) *Error {
	return &Error{Product: a.call.Product, Call: a.call.Name, Status: a.Status,
		Kind: Transient, Reason: reason, sent: true}
}

// Decode reads the JSON in data, which is the answer or a part of it, into v.
// Unknown members are ignored, and members of another type than expected are
// left unset: whether one that is needed is missing is for the caller to check.
func (a Answer) Decode(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	var otherType *json.UnmarshalTypeError
	if err == nil || errors.As(err, &otherType) {
		return nil
	}
	return a.Fail(ReasonUnparsable)
}

// Refuse makes the error of a request that this client does not send, of kind
// permanent.
func (c Call) Refuse(reason string) *Error {
	return &Error{Product: c.Product, Call: c.Name, Kind: Permanent, Reason: reason}
}

// Do makes the call once. The error is always an *Error.
func (c *Caller) Do(ctx context.Context, call Call) (Answer, error) {
	ctx, cancel := context.WithCancel(ctx) // ends what the transport hangs on it
	defer cancel()
	if c.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, call.URL, nil)
	if err != nil {
		return Answer{}, call.Refuse(ReasonNotConfigured)
	}
	if call.Header != nil {
		req.Header = call.Header.Clone()
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "gerbang")
	if call.Body != nil {
		if call.Body.bad {
			return Answer{}, call.Refuse(ReasonBadRequest)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Body, req.ContentLength = call.Body.reader(), call.Body.length()
		req.GetBody = func() (io.ReadCloser, error) { return call.Body.reader(), nil }
	}

	resp, sent, err := c.Transport.send(req)
	if err != nil {
		return Answer{}, call.broken(0, err, sent)
	}
	crashpoint.Hit("vendor-answered")
	defer func() { _ = resp.Body.Close() }()
	told := resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != ""
	if limit, remaining, reset, ok := rateOf(resp.Header); ok && c.OnRate != nil && !told {
		c.OnRate(call.Bucket, limit, remaining, reset)
	}
	body, oversized, err := c.read(resp)
	crashpoint.Hit("vendor-read")
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		// The status is the answer; a body that broke off takes nothing from it.
		return Answer{}, c.failed(call, resp, body, sent)
	}
	answer := Answer{Status: resp.StatusCode, Body: body, call: call}
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	switch {
	case err != nil:
		return Answer{}, call.broken(resp.StatusCode, err, true)
	case oversized:
		return Answer{}, answer.Fail(ReasonOversized)
	case len(trimmed) == 0:
		return Answer{}, answer.Fail(ReasonIncomplete)
	case trimmed[0] == '<':
		return Answer{}, answer.Fail(ReasonHTML)
	}
	return answer, nil
}

func (c *Caller) read(resp *http.Response) (body []byte, oversized bool, err error) {
	limit := c.MaxResponse
	if limit <= 0 {
		limit = DefaultMaxResponse
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if int64(len(body)) > limit {
		return nil, true, nil
	}
	return body, false, err
}

// broken classifies a call that the network, the clock or the fence ended.
// Only causes whose text is ours or the standard library's own are kept.
func (c Call) broken(status int, err error, sent bool) *Error {
	e := &Error{Product: c.Product, Call: c.Name, Status: status, Kind: Transient, sent: sent}
	var (
		netErr  net.Error
		dnsErr  *net.DNSError
		certErr *tls.CertificateVerificationError
		tlsErr  tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, ErrLeasePassed):
		e.Reason, e.cause = ReasonLeasePassed, ErrLeasePassed
	case errors.Is(err, context.Canceled):
		e.Reason, e.cause = ReasonCanceled, context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		e.Reason, e.cause = ReasonTimeout, context.DeadlineExceeded
	case errors.As(err, &dnsErr):
		e.Reason = ReasonDNS
	case errors.As(err, &netErr) && netErr.Timeout():
		e.Reason = ReasonTimeout
	case errors.As(err, &certErr), errors.As(err, &tlsErr):
		e.Reason = ReasonTLS
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Reason = ReasonRefused
	case status != 0:
		e.Reason = ReasonTruncated
	default:
		e.Reason = ReasonConnection
	}
	return e
}

func (c *Caller) failed(call Call, resp *http.Response, body []byte, sent bool) *Error {
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	e := &Error{Product: call.Product, Call: call.Name, Status: resp.StatusCode,
		Kind: kindOf(resp.StatusCode), RetryAfter: retryAfter(resp.StatusCode, resp.Header, now()), sent: sent}
	refusal := readRefusal(body)
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
		e.Bucket, e.Limit = call.Bucket, refusal.limit
		if refusal.bucket != "" {
			e.Bucket = refusal.bucket
		}
		fallthrough
	case http.StatusUnauthorized, http.StatusForbidden:
		if call.QuoteRefusals {
			e.Message = refusal.message
		}
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		e.Fields = refusal.fields
	}
	return e
}
