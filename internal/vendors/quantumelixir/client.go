package quantumelixir

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

// Endpoint is one product: its base URL up to and without "/api", and its key.
type Endpoint struct {
	BaseURL string
	Key     pii.Secret
}

// Config names the products. One without a base URL was not bought, and a call
// to it is refused as not_configured.
type Config struct {
	Identity  Endpoint
	AML       Endpoint
	AntiFraud Endpoint
}

// Client calls Quantum Elixir. Every method makes one HTTP request at most, and
// its error is always a *vendors.Error.
type Client struct {
	identity, aml, fraud product
	caller               *vendors.Caller
}

type product struct {
	name string
	Endpoint
}

// New returns a client that calls through caller, which it shares with others.
func New(cfg Config, caller *vendors.Caller) *Client {
	return &Client{
		identity: product{"identity", cfg.Identity},
		aml:      product{"aml", cfg.AML},
		fraud:    product{"anti-fraud", cfg.AntiFraud},
		caller:   caller,
	}
}

// The external ids of the contract. The vendor answers a repeated id with its
// first answer, so each submission that may happen again has its own.

// ExternalID is that of the customer, the screening and the evaluation.
func ExternalID(applicationID string) string { return applicationID }

// KTPExternalID is that of the n-th KTP submission, from 1.
func KTPExternalID(applicationID string, n int) string { return nth(applicationID, "ktp", n) }

// StepUpExternalID is that of the n-th selfie, from 1.
func StepUpExternalID(applicationID string, n int) string { return nth(applicationID, "step-up", n) }

// DukcapilExternalID is that of the n-th recorded Dukcapil verdict, from 1.
func DukcapilExternalID(applicationID string, n int) string { return nth(applicationID, "dukcapil", n) }

func nth(applicationID, what string, n int) string {
	return applicationID + ":" + what + ":" + strconv.Itoa(n)
}

// post sends body to path. externalID goes into the Idempotency-Key header, the
// body carries it under the name its call uses; empty means that the contract
// gives the call none.
func (c *Client) post(ctx context.Context, p product, name, bucket, path, externalID string, body *vendors.Body) (vendors.Answer, error) {
	call := p.call(name, bucket, http.MethodPost, path)
	call.Body = body
	if externalID != "" {
		call.Header.Set("Idempotency-Key", externalID)
	}
	return c.do(ctx, p, call)
}

func (c *Client) do(ctx context.Context, p product, call vendors.Call) (vendors.Answer, error) {
	if p.BaseURL == "" {
		return vendors.Answer{}, call.Refuse(vendors.ReasonNotConfigured)
	}
	return c.caller.Do(ctx, call)
}

func (p product) call(name, bucket, method, path string) vendors.Call {
	return vendors.Call{
		Product: p.name, Name: name, Bucket: bucket, Method: method,
		URL:           strings.TrimRight(p.BaseURL, "/") + path,
		Header:        http.Header{"Authorization": {"Bearer " + p.Key.Reveal()}},
		QuoteRefusals: true,
	}
}

// read unwraps the envelope and decodes the answer into a W, which the caller
// gets only if it has what its call needs.
//
// The vendor's pages show three envelopes: {"data":{...}}, {"ok":true,"data":
// {...}} and the bare object. {"ok":false} with a status of 2xx is documented
// nowhere: it is an answer that cannot be used, so transient. Repeating it with
// the same external id is safe, and a refusal that stays parks in the end.
func read[W interface{ complete() bool }](a vendors.Answer, err error) (W, error) {
	var envelope struct {
		OK   json.RawMessage
		Data json.RawMessage
	}
	var none, wire W
	if err != nil {
		return none, err
	}
	if err := a.Decode(a.Body, &envelope); err != nil {
		return none, err
	}
	if string(envelope.OK) == "false" {
		return none, a.Fail(vendors.ReasonRejected)
	}
	inner := a.Body
	if len(envelope.Data) > 0 && envelope.Data[0] == '{' {
		inner = envelope.Data
	}
	if err := a.Decode(inner, &wire); err != nil {
		return none, err
	}
	if !wire.complete() {
		return none, a.Fail(lacking(a))
	}
	return wire, nil
}

// lacking says why an answer is not complete: a 202 promises one for later, to
// be had by asking again with the same external id.
func lacking(a vendors.Answer) string {
	if a.Status == http.StatusAccepted {
		return vendors.ReasonPending
	}
	return vendors.ReasonIncomplete
}
