package resumer

import (
	"context"
	"errors"
	"time"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

// call makes one vendor call if the breaker and the rate limit allow it, and
// otherwise returns a *later that costs the row no attempt.
func (r *Resumer) call(ctx context.Context, a admission, do func(context.Context) error) error {
	b := r.breakers[a.product]
	if wait := b.allow(time.Now()); wait > 0 {
		return &later{delay: wait, cause: "breaker." + a.product, free: true}
	}
	wait, err := r.gates.take(ctx, a.bucket)
	if err != nil || wait > 0 {
		b.release()
		if err != nil {
			return err
		}
		return &later{delay: wait, cause: "rate_limit." + a.bucket, free: true}
	}
	crashpoint.Hit("call-allowed")
	err = do(ctx)
	crashpoint.Hit("call-answered")
	if b.done(time.Now(), err) {
		r.Log.Error("vendor gives no answers; its breaker is open", "product", a.product)
		r.metrics.opened.WithLabelValues(a.product).Inc()
	}
	var v *vendors.Error
	if errors.As(err, &v) && v.Status == 429 {
		if err := r.gates.block(ctx, a.bucket, v.RetryAfter); err != nil {
			r.Log.Error("rate limit not shared with other replicas", "bucket", a.bucket, "error", err)
		}
	}
	return err
}

// maxReset caps how long a vendor's X-RateLimit-Reset closes a bucket: its
// window is a minute, and clocks differ.
const maxReset = 65 * time.Second

// ObserveRate hears the rate limit that came with an answer (vendors.Caller's
// OnRate). One that is used up, by others too, closes the bucket until its
// reset. Safe for concurrent use.
func (r *Resumer) ObserveRate(bucket string, _, remaining int, reset time.Time) {
	if remaining > 0 || r.gates.limits[bucket] <= 0 {
		return
	}
	ctx, cancel := r.outside()
	defer cancel()
	if err := r.gates.block(ctx, bucket, min(time.Until(reset), maxReset)); err != nil {
		r.Log.Error("rate limit not shared with other replicas", "bucket", bucket, "error", err)
	}
}

// closed lists the states whose vendor or rate limit would refuse a call now:
// their rows are not claimed.
func (r *Resumer) closed() (out []fsm.State) {
	now := time.Now()
	for state, a := range admissions {
		if r.gates.wait(a.bucket) > 0 || r.breakers[a.product].wait(now) > 0 {
			out = append(out, state)
		}
	}
	return out
}
