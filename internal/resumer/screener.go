package resumer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
	"github.com/gerbang-id/gerbang/internal/vendors"
	"github.com/gerbang-id/gerbang/internal/vendors/quantumelixir"
)

// screener sends the screenings of many onboardings in one bulk call, which
// costs one call of the rate limit. When calls are scarce it waits for the bulk
// to fill rather than send it small.
type screener struct {
	r       *Resumer
	mu      sync.Mutex
	pending []*screening
	timer   *time.Timer // set while something is pending
	next    time.Time   // not before, unless the bulk is full
}

// screening is one onboarding's part of a bulk.
type screening struct {
	subject quantumelixir.Subject
	until   time.Time // end of the row's lease
	result  quantumelixir.Screening
	err     error
	done    chan struct{}
}

// screen screens one onboarding with whoever else is to be screened now. The
// row's slot is free for others meanwhile.
func (s *screener) screen(ctx context.Context, o *store.Onboarding, subject quantumelixir.Subject) (quantumelixir.Screening, error) {
	x := &screening{subject: subject, until: o.LeaseEnds(), done: make(chan struct{})}
	if wait := s.join(x); wait > 0 {
		return x.result, &later{delay: wait, cause: "rate_limit." + vendors.BucketScreenings, free: true}
	}
	crashpoint.Hit("screener-joined")
	<-s.r.slots
	<-x.done
	s.r.slots <- struct{}{}
	if x.err != nil && ctx.Err() != nil {
		return x.result, ctx.Err()
	}
	return x.result, x.err
}

// join adds a screening to the next bulk, or says how long to stay away: when
// the bulk is too far off for the row's lease, or too many are waiting.
func (s *screener) join(x *screening) (wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := max(time.Until(s.next), s.r.Linger)
	if in > s.r.Lease/3 || len(s.pending) >= 2*quantumelixir.MaxSubjects {
		return in
	}
	s.pending = append(s.pending, x)
	switch {
	case len(s.pending) == quantumelixir.MaxSubjects:
		s.stopTimer()
		go s.flush()
	case s.timer == nil:
		s.timer = time.AfterFunc(in, s.flush)
	}
	return 0
}

func (s *screener) stopTimer() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// flush sends what is pending.
func (s *screener) flush() {
	s.mu.Lock()
	s.stopTimer()
	n := min(len(s.pending), quantumelixir.MaxSubjects)
	batch := s.pending[:n:n]
	s.pending = s.pending[n:]
	s.next = time.Now().Add(s.r.gates.pace(vendors.BucketScreenings))
	if len(s.pending) > 0 {
		s.timer = time.AfterFunc(max(s.r.Linger, time.Until(s.next)), s.flush)
	}
	s.mu.Unlock()
	if n == 0 {
		return
	}
	crashpoint.Hit("flush-before-send")
	s.sendSafely(batch)
	crashpoint.Hit("flush-answered")
	for _, x := range batch {
		close(x.done)
	}
}

// sendSafely keeps a panic with the rows of this bulk.
func (s *screener) sendSafely(batch []*screening) {
	defer func() {
		if p := recover(); p != nil {
			s.r.Log.Error("bulk screening panicked", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			for _, x := range batch {
				x.err = errors.New("panic in a bulk screening")
			}
		}
	}()
	s.send(batch)
}

// send makes the call and fills in each part's result. A bulk that is refused
// as a whole is taken apart: one bad subject must not park a hundred.
func (s *screener) send(batch []*screening) {
	until := batch[0].until
	for _, x := range batch {
		if x.until.Before(until) {
			until = x.until
		}
	}
	ctx, cancel := context.WithDeadline(vendors.WithSendDeadline(s.r.work, until), until)
	defer cancel()
	if len(batch) == 1 {
		s.one(ctx, batch[0])
		return
	}
	subjects := make([]quantumelixir.Subject, len(batch))
	for i, x := range batch {
		subjects[i] = x.subject
	}
	var results []quantumelixir.ScreenResult
	err := s.r.call(ctx, admissions[fsm.ScreeningAML], func(ctx context.Context) (err error) {
		results, err = s.r.QE.ScreenBulk(ctx, subjects)
		return err
	})
	crashpoint.Hit("bulk-answered")
	s.r.metrics.bulk.Observe(float64(len(batch)))
	var v *vendors.Error
	apart := errors.As(err, &v) && !v.Retryable() && v.Status != 401 && v.Status != 403
	for i, x := range batch {
		switch {
		case apart:
			s.one(ctx, x)
		case err != nil:
			x.err = err
		default:
			x.result, x.err = results[i].Screening, results[i].Err
		}
	}
}

func (s *screener) one(ctx context.Context, x *screening) {
	x.err = s.r.call(ctx, admissions[fsm.ScreeningAML], func(ctx context.Context) (err error) {
		x.result, err = s.r.QE.Screen(ctx, x.subject)
		return err
	})
}
