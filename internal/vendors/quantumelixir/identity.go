package quantumelixir

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

// Wire structs here and in the other files carry no tags: encoding/json matches
// member names regardless of case, and the vendor's are the Go names otherwise.

// NewCustomer is a person to register.
type NewCustomer struct {
	ExternalRef string // ExternalID
	FullName    pii.Secret
}

type customerWire struct {
	ID    string
	JobID string
}

func (w customerWire) complete() bool { return w.ID != "" && w.JobID == "" }

// CreateCustomer registers a person and returns the vendor's id ("cus_...").
// The same external reference gives the same customer.
func (c *Client) CreateCustomer(ctx context.Context, r NewCustomer) (string, error) {
	body := vendors.NewBody().SetSecret("fullName", r.FullName).Set("externalRef", r.ExternalRef)
	a, err := c.post(ctx, c.identity, "customers.create", vendors.BucketCustomers, "/api/customers", r.ExternalRef, body)
	wire, err := read[customerWire](a, err)
	if err != nil {
		return "", err
	}
	// In a 202 data.id may be the id of a job.
	if a.Status == http.StatusAccepted && !strings.HasPrefix(wire.ID, "cus_") {
		return "", a.Fail(vendors.ReasonPending)
	}
	return wire.ID, nil
}

// Challenge is a flash challenge. Raw is the flashChallenge object exactly as
// it came, for the customer's device; it may hold the secret that web SDKs sign
// with, so it redacts itself.
type Challenge struct {
	Raw       pii.Bytes
	ID        string
	Nonce     string
	ExpiresAt time.Time
}

type challengeWire struct{ FlashChallenge json.RawMessage }

func (w challengeWire) complete() bool {
	return len(w.FlashChallenge) > 0 && w.FlashChallenge[0] == '{'
}

// KTPChallenge asks for the challenge of a KTP capture: steps 3..10, ttl 15 s
// to 5 min. It can be consumed once.
func (c *Client) KTPChallenge(ctx context.Context, customerID string, steps int, ttl time.Duration) (Challenge, error) {
	return c.challenge(ctx, "ktp.challenge", vendors.BucketKTPChallenge, "/api/identity/document/ktp/challenge", customerID, steps, ttl)
}

// FaceChallenge asks for the challenge of a selfie, within the same bounds.
func (c *Client) FaceChallenge(ctx context.Context, customerID string, steps int, ttl time.Duration) (Challenge, error) {
	return c.challenge(ctx, "face.challenge", vendors.BucketFaceChallenge, "/api/identity/face/flash-challenge", customerID, steps, ttl)
}

func (c *Client) challenge(ctx context.Context, name, bucket, path, customerID string, steps int, ttl time.Duration) (Challenge, error) {
	body := vendors.NewBody().Set("customerId", customerID).Set("steps", steps).Set("ttlMs", ttl.Milliseconds())
	a, err := c.post(ctx, c.identity, name, bucket, path, "", body)
	wire, err := read[challengeWire](a, err)
	if err != nil {
		return Challenge{}, err
	}
	var inner struct{ ID, Nonce, ExpiresAt string }
	if err := a.Decode(wire.FlashChallenge, &inner); err != nil {
		return Challenge{}, err
	}
	expiresAt := instant(inner.ExpiresAt)
	if inner.Nonce == "" || expiresAt.IsZero() {
		return Challenge{}, a.Fail(lacking(a))
	}
	return Challenge{Raw: pii.NewBytes(wire.FlashChallenge), ID: inner.ID, Nonce: inner.Nonce, ExpiresAt: expiresAt}, nil
}

// instant reads RFC 3339; anything else is the zero time.
func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// DukcapilVerdict is what the registry said, for the vendor's records. Of the
// verdict the photo is sent when it is valid, the reason when it is not, and
// Raw, an object, byte for byte whenever there is one.
type DukcapilVerdict struct {
	ExternalID string // DukcapilExternalID
	CustomerID string
	Verdict    pii.Verdict
}

// DukcapilRecord is the vendor's receipt. Enrolment is zero for a verdict that
// is not valid.
type DukcapilRecord struct {
	Verification Verification
	Enrolment    Enrolment
}

func (r DukcapilRecord) complete() bool { return r.Verification.Status != "" }

// IngestDukcapil records a verdict of the registry with the vendor, which never
// asks the registry itself. 403 when the organisation may not.
func (c *Client) IngestDukcapil(ctx context.Context, r DukcapilVerdict) (DukcapilRecord, error) {
	body := vendors.NewBody().Set("customerId", r.CustomerID).Set("valid", r.Verdict.Valid)
	if r.Verdict.Valid {
		body.SetSecret("photo", r.Verdict.Photo)
	}
	if raw := r.Verdict.Raw.Reveal(); raw != "" {
		body.SetObject("raw", []byte(raw))
	}
	if !r.Verdict.Valid {
		body.SetSecret("reason", r.Verdict.Reason)
	}
	body.Set("externalId", r.ExternalID)
	return read[DukcapilRecord](c.post(ctx, c.identity, "dukcapil.ingest", vendors.BucketDukcapilIngest,
		"/api/identity/nik/dukcapil", r.ExternalID, body))
}
