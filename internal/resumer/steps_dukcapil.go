package resumer

import (
	"context"
	"errors"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/store"
	"github.com/gerbang-id/gerbang/internal/vendors"
	"github.com/gerbang-id/gerbang/internal/vendors/dukcapil"
	"github.com/gerbang-id/gerbang/internal/vendors/quantumelixir"
)

// checkDukcapil asks the registry within the policy's budget, counted from the
// moment the state was entered. Nothing the registry does parks or declines an
// onboarding: without an answer it goes on, and Dukcapil stays owed.
func (r *Resumer) checkDukcapil(ctx context.Context, o *store.Onboarding) (answer, error) {
	left := o.StateSince.Add(o.Policy.Dukcapil.Budget).Sub(o.DBNow())
	if left <= 0 {
		return r.unavailable(o, "budget_spent"), nil
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	ans, err := r.lookup(ctx, o)
	if r.work.Err() != nil || errors.Is(err, vendors.ErrLeasePassed) {
		return answer{}, err
	}
	var v *vendors.Error
	var wait *later
	switch {
	case errors.As(err, &wait): // known to be down: the customer need not wait for that
		return r.unavailable(o, wait.cause), nil
	case errors.As(err, &v) && !v.Retryable():
		r.alertRegistry(o, v.Cause())
		return r.unavailable(o, v.Cause()), nil
	case errors.As(err, &v):
		delay := max(r.backoff(o.Attempts), v.RetryAfter)
		if left = o.StateSince.Add(o.Policy.Dukcapil.Budget).Sub(o.DBNow()); delay >= left {
			return r.unavailable(o, v.Cause()), nil
		}
		return answer{}, &later{delay: delay, cause: v.Cause()}
	case err != nil:
		return answer{}, err
	}
	return r.lookedUp(o, ans, fsm.DecideLookup), nil
}

// upgrade asks again for a customer approved at standard, until the policy's
// deadline, counted from the approval.
func (r *Resumer) upgrade(ctx context.Context, o *store.Onboarding) (answer, error) {
	if o.Verdict != nil { // supplied by the caller in the meantime
		e := supplied(*o.Verdict, "")
		return answer{decision: fsm.DecideUpgrade(o.Case(), e), evidence: e}, nil
	}
	left := o.StateSince.Add(o.Policy.Dukcapil.UpgradeDeadline).Sub(o.DBNow())
	if left <= 0 {
		e := fsm.DukcapilEvidence{Source: "gateway", Outcome: fsm.OutcomeUnavailable, Reason: "deadline_passed"}
		return answer{decision: fsm.DecideUpgrade(o.Case(), e), evidence: e}, nil
	}
	again := min(exponential(r.UpgradeRetry, 16*r.UpgradeRetry, o.Attempts), left)
	ans, err := r.lookup(ctx, o)
	if r.work.Err() != nil || errors.Is(err, vendors.ErrLeasePassed) {
		return answer{}, err
	}
	var v *vendors.Error
	switch {
	case errors.As(err, &v):
		if !v.Retryable() {
			r.alertRegistry(o, v.Cause())
		}
		return answer{}, &later{delay: min(max(again, v.RetryAfter), left), cause: v.Cause()}
	case err != nil:
		return answer{}, err
	}
	switch ans.Outcome {
	case dukcapil.Unavailable:
		return answer{}, &later{delay: min(max(again, ans.RetryAt.Sub(o.DBNow())), left), cause: "dukcapil." + ans.Reason}
	case dukcapil.Misconfigured:
		r.alertRegistry(o, ans.Reason)
		return answer{}, &later{delay: again, cause: "dukcapil." + ans.Reason}
	}
	return r.lookedUp(o, ans, fsm.DecideUpgrade), nil
}

// lookup asks the registry about the NIK and birth date on the KTP and the
// name on the form.
func (r *Resumer) lookup(ctx context.Context, o *store.Onboarding) (dukcapil.Answer, error) {
	if r.Dukcapil == nil { // the policy of this row says yes, this process's configuration no
		return dukcapil.Answer{Outcome: dukcapil.Misconfigured, Reason: "not_configured"}, nil
	}
	nik, born := nikAndBirthDate(o)
	var ans dukcapil.Answer
	err := r.call(ctx, admissions[o.State], func(ctx context.Context) (err error) {
		ans, err = r.Dukcapil.Verify(ctx, dukcapil.Request{NIK: nik, FullName: o.Applicant.FullName, BirthDate: born})
		return err
	})
	return ans, err
}

// nikAndBirthDate are those read from the KTP; what could not be read is taken
// from the form.
func nikAndBirthDate(o *store.Onboarding) (pii.Secret, pii.Date) {
	nik, born := o.Identity.NIK, o.Identity.BirthDate()
	if nik.IsZero() {
		nik = o.Applicant.NIK
	}
	if born.IsZero() {
		born = o.Applicant.DateOfBirth
	}
	return nik, born
}

func (r *Resumer) lookedUp(o *store.Onboarding, ans dukcapil.Answer, decide func(fsm.Case, fsm.DukcapilEvidence) fsm.Decision) answer {
	e := fsm.DukcapilEvidence{
		Source: "gateway", Outcome: fsm.Outcome(ans.Outcome), Code: ans.Code, Reason: ans.Reason, NameSimilarity: ans.NameSimilarity,
	}
	if len(ans.Elements) > 0 {
		e.Elements = make(map[string]string, len(ans.Elements))
		for name, el := range ans.Elements {
			e.Elements[name] = el.Verdict
		}
	}
	if ans.Outcome == dukcapil.Misconfigured {
		r.alertRegistry(o, ans.Reason)
		e.Outcome = fsm.OutcomeUnavailable
	}
	a := answer{evidence: e, decision: decide(o.Case(), e)}
	if e.Outcome == fsm.OutcomeValid || e.Outcome == fsm.OutcomeNotValid {
		v := ans.Verdict()
		a.verdict, a.personal = &v, withoutPhoto(v)
	}
	return a
}

// withoutPhoto is what the audit trail keeps of a verdict: the photo goes to QE
// and nowhere else.
func withoutPhoto(v pii.Verdict) pii.Verdict {
	v.Photo = pii.Secret{}
	return v
}

func (r *Resumer) unavailable(o *store.Onboarding, reason string) answer {
	e := fsm.DukcapilEvidence{Source: "gateway", Outcome: fsm.OutcomeUnavailable, Reason: reason}
	return answer{decision: fsm.DecideLookup(o.Case(), e), evidence: e}
}

// alertRegistry tells the operator that our side of the agreement is wrong.
func (r *Resumer) alertRegistry(o *store.Onboarding, cause string) {
	r.metrics.failed.WithLabelValues(string(o.State), cause).Inc()
	r.Log.Error("Dukcapil refuses our configuration; customers go on at standard", "onboarding_id", o.ID, "cause", cause)
}

// recordDukcapil hands the verdict to QE, which never asks Dukcapil itself.
func (r *Resumer) recordDukcapil(ctx context.Context, o *store.Onboarding) (answer, error) {
	if o.Verdict == nil {
		return answer{}, errors.New("no verdict to record")
	}
	v := *o.Verdict
	var res quantumelixir.DukcapilRecord
	err := r.call(ctx, admissions[o.State], func(ctx context.Context) (err error) {
		res, err = r.QE.IngestDukcapil(ctx, quantumelixir.DukcapilVerdict{
			ExternalID: quantumelixir.DukcapilExternalID(o.ApplicationID, o.Facts.DukcapilRecordings),
			CustomerID: o.Facts.CustomerID, Verdict: v,
		})
		return err
	})
	var ve *vendors.Error
	if errors.As(err, &ve) && ve.Kind == vendors.Conflict {
		return r.adoptRecording(ctx, o, err)
	}
	if err != nil {
		return answer{}, err
	}
	return recorded(o, fsm.RecordEvidence{
		Valid: v.Valid, VerificationID: res.Verification.ID, Status: res.Verification.Status,
		EnrolmentID: res.Enrolment.ID, FallbackStub: res.Enrolment.FallbackStub,
	}), nil
}

// adoptRecording reads back a verdict that QE says it has already.
func (r *Resumer) adoptRecording(ctx context.Context, o *store.Onboarding, conflict error) (answer, error) {
	kyc, err := r.kyc(ctx, o)
	if err != nil {
		return answer{}, err
	}
	v, ok := newest(kyc, "nik_dukcapil", o.StateSince.Add(-clockSkew), o.Facts.DukcapilRecordings-1)
	if !ok || !settled(v.Status) {
		return answer{}, conflict // nothing to adopt: an operator has to look
	}
	return recorded(o, fsm.RecordEvidence{Valid: o.Verdict.Valid, VerificationID: v.ID, Status: v.Status, Adopted: true}), nil
}

func recorded(o *store.Onboarding, e fsm.RecordEvidence) answer {
	return answer{decision: fsm.DecideRecord(o.Case(), e), evidence: e, dropVerdict: true}
}

// supplied is the evidence of a verdict that the caller obtained.
func supplied(v pii.Verdict, by string) fsm.DukcapilEvidence {
	e := fsm.DukcapilEvidence{Source: "caller", Outcome: fsm.OutcomeNotValid, Reason: "caller_says_not_valid", SuppliedBy: by}
	if v.Valid {
		e.Outcome, e.Reason = fsm.OutcomeValid, ""
	}
	return e
}
