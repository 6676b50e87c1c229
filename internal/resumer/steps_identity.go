package resumer

import (
	"context"
	"errors"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/store"
	"github.com/gerbang-id/gerbang/internal/vendors"
	"github.com/gerbang-id/gerbang/internal/vendors/quantumelixir"
)

func (r *Resumer) register(ctx context.Context, o *store.Onboarding) (answer, error) {
	var id string
	err := r.call(ctx, admissions[o.State], func(ctx context.Context) (err error) {
		id, err = r.QE.CreateCustomer(ctx, quantumelixir.NewCustomer{
			ExternalRef: quantumelixir.ExternalID(o.ApplicationID), FullName: o.Applicant.FullName,
		})
		return err
	})
	if err != nil {
		return answer{}, err
	}
	e := fsm.RegisterEvidence{CustomerID: id}
	return answer{decision: fsm.DecideRegister(o.Case(), e), evidence: e}, nil
}

func (r *Resumer) verifyKTP(ctx context.Context, o *store.Onboarding) (answer, error) {
	c, lost, err := r.capture(ctx, o, store.KTP, o.Facts.KTPSubmissions)
	if lost != "" || err != nil {
		return recapture(o, lost), err
	}
	c.ExternalID = quantumelixir.KTPExternalID(o.ApplicationID, o.Facts.KTPSubmissions)
	var res quantumelixir.KTPResult
	err = r.call(ctx, admissions[o.State], func(ctx context.Context) (err error) {
		res, err = r.QE.KTPCapture(ctx, c.Capture)
		return err
	})
	if err != nil {
		return r.captureFailed(ctx, o, c, err)
	}
	e := fsm.KTPEvidence{
		VerificationID: res.Verification.ID, Status: res.Verification.Status, Score: res.Verification.Score,
		BundleID: res.Bundle.ID, Verdict: res.Bundle.Verdict, AssuranceTier: res.Bundle.AssuranceTier,
		AntiSpoof: res.AntiSpoof.Fused, Tamper: res.Tamper.Fused, EnrolmentID: res.FaceEnrolment.ID,
	}
	if e.Signals, e.NameScore, err = r.identitySignals(ctx, o, res.OCR); err != nil {
		return answer{}, err
	}
	return answer{decision: fsm.DecideKTP(o.Case(), e), evidence: e, personal: res.OCR, identity: &res.OCR}, nil
}

// identitySignals holds the form against the card, and the card against this
// client's other customers.
func (r *Resumer) identitySignals(ctx context.Context, o *store.Onboarding, ktp pii.Identity) ([]fsm.Signal, float64, error) {
	found := pii.Compare(o.Applicant, ktp)
	var signals []fsm.Signal
	for _, s := range found.Signals {
		signals = append(signals, fsm.Signal(s))
	}
	switch found.Name.Match {
	case pii.NameClose:
		signals = append(signals, fsm.SignalNameClose)
	case pii.NameDifferent:
		signals = append(signals, fsm.SignalNameDifferent)
	}
	if nik := ktp.NIK.Reveal(); nik != "" {
		seen, err := r.Store.NIKOnboarded(ctx, o, nik)
		if err != nil {
			return nil, 0, err
		}
		if seen {
			signals = append(signals, fsm.SignalNIKAlreadyOnboarded)
		}
	}
	return signals, found.Name.Score, nil
}

func (r *Resumer) verifySelfie(ctx context.Context, o *store.Onboarding) (answer, error) {
	c, lost, err := r.capture(ctx, o, store.Face, o.Facts.SelfieSubmissions)
	if lost != "" || err != nil {
		return recapture(o, lost), err
	}
	c.ExternalID = quantumelixir.StepUpExternalID(o.ApplicationID, o.Facts.SelfieSubmissions)
	var res quantumelixir.StepUpResult
	err = r.call(ctx, admissions[o.State], func(ctx context.Context) (err error) {
		res, err = r.QE.StepUp(ctx, c.Capture)
		return err
	})
	if err != nil {
		return r.captureFailed(ctx, o, c, err)
	}
	return selfieAnswer(o, fsm.SelfieEvidence{
		Allow: res.Allow, Liveness: res.Liveness.Verdict, LivenessTier: res.Liveness.AssuranceTier,
		Match: res.Match.Verdict, Similarity: res.Match.Similarity, Threshold: res.Match.Threshold,
		VerificationID: res.Verification.ID, Status: res.Verification.Status, Score: res.Verification.Score,
	}), nil
}

func selfieAnswer(o *store.Onboarding, e fsm.SelfieEvidence) answer {
	return answer{decision: fsm.DecideSelfie(o.Case(), e), evidence: e}
}

// submitted is a bundle on its way to the vendor.
type submitted struct {
	quantumelixir.Capture
	purpose store.Purpose
	nonce   string
}

// capture reads the bundle to be judged; lost says why it is not there.
func (r *Resumer) capture(ctx context.Context, o *store.Onboarding, p store.Purpose, n int) (c submitted, lost string, err error) {
	sub, err := r.Store.Capture(ctx, o, p, n)
	if errors.Is(err, store.ErrNotFound) {
		return c, "bundle_missing", nil
	}
	if err != nil {
		return c, "", err
	}
	return submitted{
		Capture: quantumelixir.Capture{CustomerID: o.Facts.CustomerID, Bundle: pii.NewBytes(sub.Bundle), HMACKey: sub.HMACKey},
		purpose: p, nonce: sub.Nonce,
	}, "", nil
}

// recapture sends the customer back at no cost.
func recapture(o *store.Onboarding, cause string) answer {
	e := fsm.LostEvidence{Cause: cause}
	return answer{decision: fsm.DecideLost(o.Case(), e), evidence: e}
}

// captureFailed handles the two refusals that are not ours to park: the vendor
// says the bundle was consumed, or the challenge ran out while we were trying.
func (r *Resumer) captureFailed(ctx context.Context, o *store.Onboarding, c submitted, err error) (answer, error) {
	var v *vendors.Error
	if !errors.As(err, &v) || v.Retryable() {
		return answer{}, err
	}
	if v.Kind == vendors.Conflict {
		return r.reconcile(ctx, o, c.purpose)
	}
	if v.Status != 400 && v.Status != 422 {
		return answer{}, err
	}
	expired, checkErr := r.Store.ChallengeExpired(ctx, o.ID, c.purpose, c.nonce)
	if checkErr != nil {
		return answer{}, checkErr
	}
	if expired {
		return recapture(o, "challenge_expired"), nil
	}
	return answer{}, err
}
