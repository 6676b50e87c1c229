package resumer

import (
	"context"
	"sync"
	"time"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

// admission says which vendor a state's call goes to, and which of the
// vendor's rate limits it counts against.
type admission struct {
	product string // breaker
	bucket  string // gate; empty: no limit per minute
}

var admissions = map[fsm.State]admission{
	fsm.Registering:       {"identity", vendors.BucketCustomers},
	fsm.VerifyingKTP:      {"identity", vendors.BucketKTPCapture},
	fsm.VerifyingSelfie:   {"identity", vendors.BucketStepUp},
	fsm.CheckingDukcapil:  {product: "dukcapil"},
	fsm.RecordingDukcapil: {"identity", vendors.BucketDukcapilIngest},
	fsm.ScreeningAML:      {"aml", vendors.BucketScreenings},
	fsm.EvaluatingFraud:   {"anti-fraud", vendors.BucketEvaluate},
	fsm.Upgrading:         {product: "dukcapil"},
	fsm.RecordingUpgrade:  {"identity", vendors.BucketDukcapilIngest},
}

// gates hands out the calls that the vendors' rate limits allow.
type gates struct {
	store  *store.Store
	limits map[string]int // per minute, 0 or absent: unlimited
	mu     sync.Mutex
	closed map[string]time.Time // until when there is no use in asking
	left   map[string]float64   // share of the limit that was left at the last grant
}

func newGates(s *store.Store, limits map[string]int) *gates {
	return &gates{store: s, limits: limits, closed: map[string]time.Time{}, left: map[string]float64{}}
}

// take takes one call from a bucket, or says how long to wait.
func (g *gates) take(ctx context.Context, bucket string) (wait time.Duration, err error) {
	if wait := g.wait(bucket); wait > 0 {
		return wait, nil
	}
	limit := g.limits[bucket]
	if limit <= 0 {
		return 0, nil
	}
	t, err := g.store.TakeTokens(ctx, bucket, 1, limit)
	if err != nil {
		return 0, err
	}
	if t.Granted == 0 {
		g.close(bucket, t.RetryIn)
		return t.RetryIn, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left[bucket] = float64(t.Remaining) / float64(limit)
	return 0, nil
}

// pace is how long a call that can carry more should wait for it: nothing while
// the limit is untouched, the limit's own rhythm when it is nearly used up.
func (g *gates) pace(bucket string) time.Duration {
	limit := g.limits[bucket]
	if limit <= 0 {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	left, known := g.left[bucket]
	if !known {
		return 0
	}
	return time.Duration((1 - left) * float64(time.Minute) / float64(limit))
}

// wait is how long a bucket is known to be exhausted, without asking anybody.
func (g *gates) wait(bucket string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(time.Until(g.closed[bucket]), 0)
}

func (g *gates) close(bucket string, d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(d); until.After(g.closed[bucket]) {
		g.closed[bucket] = until
	}
}

// block closes a bucket on all replicas, because the vendor said so: its word
// counts more than our count.
func (g *gates) block(ctx context.Context, bucket string, d time.Duration) error {
	if bucket == "" || d <= 0 {
		return nil
	}
	g.close(bucket, d)
	if g.limits[bucket] <= 0 {
		return nil
	}
	return g.store.BlockGate(ctx, bucket, d)
}
