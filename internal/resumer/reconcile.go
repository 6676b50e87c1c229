package resumer

import (
	"context"
	"time"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
	"github.com/gerbang-id/gerbang/internal/vendors"
	"github.com/gerbang-id/gerbang/internal/vendors/quantumelixir"
)

// clockSkew is how far the vendor's clock may be behind the database's when a
// verification is dated against an intent.
const clockSkew = 2 * time.Minute

// reconcile finds out what became of a capture whose challenge the vendor says
// is consumed. A verdict newer than the intent is adopted where it is complete;
// otherwise the customer captures again, at no cost.
func (r *Resumer) reconcile(ctx context.Context, o *store.Onboarding, p store.Purpose) (answer, error) {
	kyc, err := r.kyc(ctx, o)
	if err != nil {
		return answer{}, err
	}
	intent := o.StateSince.Add(-clockSkew)
	if p == store.KTP {
		// A refusal is complete without the OCR; a pass is not.
		if v, ok := newest(kyc, "ktp_capture", intent, o.Facts.KTPJudged); ok && v.Status == "failed" {
			e := fsm.KTPEvidence{VerificationID: v.ID, Status: v.Status, Score: v.Score, Verdict: "failed", Adopted: true}
			return answer{decision: fsm.DecideKTP(o.Case(), e), evidence: e}, nil
		}
		return recapture(o, "challenge_consumed"), nil
	}
	live, ok1 := newest(kyc, "face_liveness", intent, o.Facts.SelfieJudged)
	match, ok2 := newest(kyc, "face_match", intent, o.Facts.SelfieJudged)
	if !ok1 || !ok2 || !settled(live.Status) || !settled(match.Status) {
		return recapture(o, "challenge_consumed"), nil
	}
	e := fsm.SelfieEvidence{
		Allow: live.Status == "verified" && match.Status == "verified", Liveness: "unclear", Match: "failed",
		VerificationID: match.ID, Status: match.Status, Score: match.Score, Adopted: true,
	}
	if live.Status == "verified" {
		e.Liveness = "live"
	}
	if match.Status == "verified" {
		e.Match = "match"
	}
	return selfieAnswer(o, e), nil
}

// kyc reads what QE knows of the customer.
func (r *Resumer) kyc(ctx context.Context, o *store.Onboarding) (kyc quantumelixir.KYC, err error) {
	err = r.call(ctx, admission{"identity", vendors.BucketReads}, func(ctx context.Context) (err error) {
		kyc, err = r.QE.GetKYC(ctx, o.Facts.CustomerID)
		return err
	})
	crashpoint.Hit("reconcile-read")
	return kyc, err
}

func settled(status string) bool { return status == "verified" || status == "failed" }

// newest returns the latest verification of a method since the intent, unless
// there are no more of them than earlier attempts were judged by: a vendor whose
// clock runs ahead must not have an old verdict taken for a new one.
func newest(kyc quantumelixir.KYC, method string, since time.Time, judged int) (found quantumelixir.KYCVerification, ok bool) {
	n := 0
	for _, v := range kyc.Verifications {
		if v.Method != method {
			continue
		}
		n++
		if !v.CreatedAt.Before(since) && (!ok || v.CreatedAt.After(found.CreatedAt)) {
			found, ok = v, true
		}
	}
	return found, ok && n > judged
}
