package quantumelixir

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

// KYC is what the vendor knows about a customer. It reconciles a call whose
// outcome is unknown: what is newer than the intent is its doing.
type KYC struct {
	CustomerID     string
	FullName       pii.Secret
	Level          string // the vendor's own tier: none, basic, standard, premium
	LastVerifiedAt time.Time
	ExpiresAt      time.Time
	Eligible       bool
	Verifications  []KYCVerification
	History        []KYCChange
}

// KYCVerification is one check on record: Method nik_format, nik_dukcapil,
// ktp_capture, face_liveness or face_match. CreatedAt is zero when unreadable.
type KYCVerification struct {
	ID        string
	Method    string
	Status    string
	Score     float64
	CreatedAt time.Time
}

// KYCChange is one change of the vendor's tier.
type KYCChange struct {
	ID        string
	FromTier  string
	ToTier    string
	Reason    string
	CreatedAt time.Time
}

type kycWire struct {
	Customer struct {
		ID, FullName, KYCLevel, KYCLastVerifiedAt, KYCExpiresAt string
	}
	Eligible      bool
	Verifications []struct {
		ID, Method, Status, CreatedAt string
		Score                         float64
	}
	History []struct {
		ID, FromTier, ToTier, Reason, CreatedAt string
	}
}

func (w kycWire) complete() bool { return w.Customer.ID != "" }

// GetKYC reads a customer's record. It changes nothing and may be repeated.
func (c *Client) GetKYC(ctx context.Context, customerID string) (KYC, error) {
	call := c.identity.call("kyc.get", vendors.BucketReads, http.MethodGet, "/api/identity/kyc/"+url.PathEscape(customerID))
	a, err := c.do(ctx, c.identity, call)
	w, err := read[kycWire](a, err)
	if err != nil {
		return KYC{}, err
	}
	if w.Customer.ID != customerID {
		return KYC{}, a.Fail(vendors.ReasonMismatch)
	}
	out := KYC{
		CustomerID: w.Customer.ID, FullName: pii.NewSecret(w.Customer.FullName), Level: w.Customer.KYCLevel,
		LastVerifiedAt: instant(w.Customer.KYCLastVerifiedAt), ExpiresAt: instant(w.Customer.KYCExpiresAt),
		Eligible: w.Eligible,
	}
	for _, v := range w.Verifications {
		out.Verifications = append(out.Verifications, KYCVerification{v.ID, v.Method, v.Status, v.Score, instant(v.CreatedAt)})
	}
	for _, h := range w.History {
		out.History = append(out.History, KYCChange{h.ID, h.FromTier, h.ToTier, h.Reason, instant(h.CreatedAt)})
	}
	return out, nil
}
