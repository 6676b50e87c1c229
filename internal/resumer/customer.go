package resumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/store"
	"github.com/gerbang-id/gerbang/internal/vendors"
	"github.com/gerbang-id/gerbang/internal/vendors/quantumelixir"
)

// Create implements Requests. The new row is this process's at once, if it has
// a slot to spare.
func (r *Resumer) Create(ctx context.Context, a Application) (store.View, bool, error) {
	n := store.NewOnboarding{
		ClientID: a.ClientID, ApplicationID: a.ApplicationID, Applicant: a.Applicant, Verdict: a.Verdict,
		PolicyVersion: r.Policy, Actor: a.Actor,
	}
	held := r.acquire()
	if held {
		n.Lease, n.LeaseFor = uuid.New(), r.Lease
	}
	o, created, err := r.Store.Create(ctx, n)
	if err != nil || !created {
		if held {
			r.release()
		}
		if err != nil {
			return store.View{}, false, err
		}
		return o.View(), false, nil
	}
	v := o.View()
	crashpoint.Hit("create-before-start")
	if held {
		r.start(o)
	} else {
		r.wake(0)
	}
	return v, true, nil
}

// Challenge implements Requests.
func (r *Resumer) Challenge(ctx context.Context, clientID string, id uuid.UUID, p store.Purpose) (Challenge, error) {
	v, err := r.Store.View(ctx, clientID, id)
	if err != nil {
		return Challenge{}, err
	}
	if v.State != awaiting(p) {
		return Challenge{}, ErrInvalidState
	}
	ask, adm := r.QE.KTPChallenge, admission{"identity", vendors.BucketKTPChallenge}
	if p == store.Face {
		ask, adm.bucket = r.QE.FaceChallenge, vendors.BucketFaceChallenge
	}
	var c quantumelixir.Challenge
	err = r.call(ctx, adm, func(ctx context.Context) (err error) {
		c, err = ask(ctx, v.Facts.CustomerID, v.Policy.Challenges.Steps, v.Policy.Challenges.TTL)
		return err
	})
	var ve *vendors.Error
	var wait *later
	switch {
	case errors.As(err, &wait):
		return Challenge{}, &VendorUnavailable{RetryAfter: max(wait.delay, time.Second), Err: err}
	case errors.As(err, &ve):
		r.metrics.failed.WithLabelValues(string(v.State), ve.Cause()).Inc()
		return Challenge{}, &VendorUnavailable{RetryAfter: max(ve.RetryAfter, time.Second), Err: err}
	case err != nil:
		return Challenge{}, err
	}
	if err := r.Store.RecordChallenge(ctx, id, p, c.Nonce, c.ID, c.ExpiresAt); err != nil {
		return Challenge{}, err
	}
	return Challenge{Raw: c.Raw.Reveal(), ExpiresAt: c.ExpiresAt}, nil
}

func awaiting(p store.Purpose) fsm.State {
	if p == store.Face {
		return fsm.AwaitingSelfie
	}
	return fsm.AwaitingKTP
}

// SubmitCapture implements Requests.
func (r *Resumer) SubmitCapture(ctx context.Context, clientID string, id uuid.UUID, c Capture, actor string) (store.View, error) {
	unknown := false
	return r.retryMoved(ctx, clientID, id, func(o *store.Onboarding) (store.View, error) {
		v, err := r.submit(ctx, o, c, actor)
		if errors.Is(err, store.ErrChallengeUnknown) && !unknown {
			// Somebody was first: perhaps with this very bundle, sent twice at once.
			unknown, err = true, store.ErrMoved
		}
		return v, err
	})
}

func (r *Resumer) submit(ctx context.Context, o *store.Onboarding, c Capture, actor string) (store.View, error) {
	again, err := r.Store.Submitted(ctx, o, c.Purpose, c.Bundle)
	if err != nil {
		return o.View(), err
	}
	if again { // o may have been read before it was handed in
		return r.Store.View(ctx, o.ClientID, o.ID)
	}
	if o.State != awaiting(c.Purpose) {
		return o.View(), ErrInvalidState
	}
	if err := r.Store.CheckChallenge(ctx, o.ID, c.Purpose, c.Nonce); err != nil {
		return store.View{}, err
	}
	f, n := o.Facts, 0
	if c.Purpose == store.KTP {
		f.KTPSubmissions++
		n = f.KTPSubmissions
	} else {
		f.SelfieSubmissions++
		n = f.SelfieSubmissions
	}
	m := &store.Move{
		Row: o, Event: fsm.Submitted, Facts: f, Actor: actor, Evidence: submittedEvidence{n, c.Nonce},
		Submission: &store.Submission{Purpose: c.Purpose, N: n, Nonce: c.Nonce, Bundle: c.Bundle, HMACKey: c.HMACKey},
	}
	return r.move(ctx, m)
}

// submittedEvidence says which submission this was.
type submittedEvidence struct {
	Submission int    `json:"submission"`
	Nonce      string `json:"nonce"`
}

// move commits what a person asked for, and hands the row over to a slot of
// this process when it has become work.
func (r *Resumer) move(ctx context.Context, m *store.Move) (store.View, error) {
	held := r.acquire()
	if err := r.schedule(m, held); err != nil {
		if held {
			r.release()
		}
		return m.Row.View(), ErrInvalidState
	}
	if m.Hold > 0 {
		m.HoldBy = uuid.New()
	} else if held {
		r.release()
	}
	if err := r.Store.Advance(ctx, m)[0]; err != nil {
		if m.Hold > 0 {
			r.release()
		}
		return store.View{}, err
	}
	r.metrics.moved(m)
	r.Log.Debug("moved", "onboarding_id", m.Row.ID, "state", m.Row.State, "event", m.Event, "version", m.Row.Version)
	v := m.Row.View()
	crashpoint.Hit("move-before-start")
	if m.Hold > 0 {
		r.start(m.Row)
	} else if m.DueIn != nil {
		r.wake(*m.DueIn)
	}
	return v, nil
}

// attempts is how often a request that lost a race against a move is tried
// again on the row as it is then.
const attempts = 5

// retryMoved runs do until it does not meet somebody else's move.
func (r *Resumer) retryMoved(ctx context.Context, clientID string, id uuid.UUID, do func(*store.Onboarding) (store.View, error)) (v store.View, err error) {
	for range attempts {
		o, err := r.Store.Get(ctx, clientID, id)
		if err != nil {
			return store.View{}, err
		}
		if v, err = do(o); !errors.Is(err, store.ErrMoved) {
			return v, err
		}
	}
	return v, fmt.Errorf("moved %d times meanwhile: %w", attempts, ErrInvalidState)
}

// Cancel implements Requests.
func (r *Resumer) Cancel(ctx context.Context, clientID string, id uuid.UUID, actor string) (store.View, error) {
	return r.retryMoved(ctx, clientID, id, func(o *store.Onboarding) (store.View, error) {
		if o.State == fsm.Cancelled {
			return o.View(), nil
		}
		if !cancellable(o.State, o.Facts) {
			return o.View(), ErrInvalidState
		}
		return r.move(ctx, &store.Move{Row: o, Event: fsm.Cancel, Facts: o.Facts, Actor: actor})
	})
}

// SupplyVerdict implements Requests. While the lookup runs or is owed, the
// verdict takes its place; earlier it is noted and used when its step comes.
func (r *Resumer) SupplyVerdict(ctx context.Context, clientID string, id uuid.UUID, v pii.Verdict, actor string) (store.View, error) {
	return r.retryMoved(ctx, clientID, id, func(o *store.Onboarding) (store.View, error) {
		if o.Facts.VerdictSupplied && o.Verdict != nil && sameVerdict(*o.Verdict, v) {
			return o.View(), nil
		}
		if !takesVerdict(o.State, o.Facts) {
			return o.View(), ErrInvalidState
		}
		m := &store.Move{Row: o, Event: fsm.VerdictSupplied, Facts: o.Facts, Actor: actor, Verdict: &v, Personal: withoutPhoto(v)}
		e := supplied(v, actor)
		m.Evidence = e
		var d fsm.Decision
		switch o.State {
		case fsm.CheckingDukcapil:
			d = fsm.DecideLookup(o.Case(), e)
		case fsm.Upgrading:
			d = fsm.DecideUpgrade(o.Case(), e)
		default:
			m.Facts.VerdictSupplied = true
			if err := r.Store.Advance(ctx, m)[0]; err != nil {
				return store.View{}, err
			}
			crashpoint.Hit("verdict-noted")
			return m.Row.View(), nil
		}
		m.Event, m.Facts = d.Event, d.Facts
		m.Facts.VerdictSupplied = true
		return r.move(ctx, m)
	})
}

func sameVerdict(a, b pii.Verdict) bool {
	return a.Valid == b.Valid && a.Photo.Equal(b.Photo) && a.Raw.Equal(b.Raw) && a.Reason.Equal(b.Reason)
}
