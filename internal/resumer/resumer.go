package resumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
	"github.com/gerbang-id/gerbang/internal/store"
	"github.com/gerbang-id/gerbang/internal/vendors/dukcapil"
	"github.com/gerbang-id/gerbang/internal/vendors/quantumelixir"
)

// Config of a Resumer; New fills the zero values with the defaults named here.
type Config struct {
	Store    *store.Store
	QE       *quantumelixir.Client
	Dukcapil *dukcapil.Client // nil: no agreement with the registry
	Policy   string           // version of the policy new onboardings get

	Lease        time.Duration // how long a claim holds, 30 s
	PollInterval time.Duration // how often the net is cast, 1 s
	RetryBase    time.Duration // backoff of the first retry, 500 ms
	RetryMax     time.Duration // backoff's cap, 1 m
	UpgradeRetry time.Duration // first wait for a late Dukcapil answer, 15 m
	MaxAttempts  int           // claims of one step before it parks, 25
	Slots        int           // rows worked on at once, 64
	// Limits are the calls a minute that the vendor's contract allows, by
	// bucket (vendors.Bucket...); 0 or absent is unlimited.
	Limits map[string]int
	Linger time.Duration // how long a screening waits for company when calls are plentiful, 2 ms

	Log        *slog.Logger
	Registerer prometheus.Registerer // nil: not measured
}

// Resumer moves onboardings. Start it with Run; requests may come before that.
type Resumer struct {
	Config
	slots    chan struct{} // holds one token per row being worked on
	nudge    chan struct{} // something may be due before the next poll
	drain    chan struct{} // closed: claim nothing more, give back
	mu       sync.Mutex    // between closing drain and counting one more
	running  sync.WaitGroup
	starved  atomic.Bool     // the last poll found no slot
	work     context.Context // of the chains; ends when draining takes too long
	stop     context.CancelFunc
	gates    *gates
	breakers map[string]*breaker // by product
	screener *screener
	metrics  *metrics
}

var _ Requests = (*Resumer)(nil)

// New returns a Resumer that has not started to poll.
func New(cfg Config) *Resumer {
	or := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	or(&cfg.Lease, 30*time.Second)
	or(&cfg.PollInterval, time.Second)
	or(&cfg.RetryBase, 500*time.Millisecond)
	or(&cfg.RetryMax, time.Minute)
	or(&cfg.UpgradeRetry, 15*time.Minute)
	or(&cfg.Linger, 2*time.Millisecond)
	if cfg.MaxAttempts <= 0 {
		cfg.MaxAttempts = 25
	}
	if cfg.Slots <= 0 {
		cfg.Slots = 64
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r := &Resumer{
		Config: cfg, slots: make(chan struct{}, cfg.Slots),
		nudge: make(chan struct{}, 1), drain: make(chan struct{}), metrics: newMetrics(cfg.Registerer, cfg.Store),
	}
	r.work, r.stop = context.WithCancel(context.Background())
	r.gates = newGates(cfg.Store, cfg.Limits)
	r.screener = &screener{r: r}
	r.breakers = map[string]*breaker{}
	for _, a := range admissions {
		r.breakers[a.product] = &breaker{base: cfg.RetryBase, limit: min(cfg.RetryMax, maxCooldown)}
	}
	return r
}

// Run polls until Drain is called or ctx ends.
func (r *Resumer) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.drain:
			return
		case <-r.nudge:
		case <-timer.C:
		}
		n, full, err := r.poll(ctx)
		if err != nil && ctx.Err() == nil {
			r.Log.Error("claim failed", "error", err)
		}
		wait := r.PollInterval
		if n > 0 && full {
			wait = 0
		}
		timer.Reset(wait)
	}
}

// poll claims due rows for the free slots and sets each on its way. full says
// that every row asked for was there: there may be more.
func (r *Resumer) poll(ctx context.Context) (n int, full bool, err error) {
	// Half of the slots at most: requests that come meanwhile are to find one.
	free := 0
	for free < max(cap(r.slots)/2, 1) && r.acquire() {
		free++
	}
	if free == 0 {
		r.starved.Store(true) // whoever finishes first nudges
		return 0, false, nil
	}
	rows, err := r.Store.Claim(ctx, free, r.Lease, r.closed()...)
	for range free - len(rows) {
		r.release()
	}
	for _, o := range rows {
		crashpoint.Hit("claim-taken")
		r.start(o)
	}
	return len(rows), len(rows) == free, err
}

// RunOnce claims what is due now, works it to rest and returns how many rows
// that were.
func (r *Resumer) RunOnce(ctx context.Context) (int, error) {
	n, _, err := r.poll(ctx)
	r.Idle()
	return n, err
}

// Idle blocks until no row is being worked on.
func (r *Resumer) Idle() { r.running.Wait() }

// Drain stops claiming, lets every row finish its step and gives it back. What
// is not done when ctx ends is cut off; its lease passes by itself.
func (r *Resumer) Drain(ctx context.Context) {
	r.mu.Lock()
	if !r.draining() {
		close(r.drain)
	}
	r.mu.Unlock()
	crashpoint.Hit("drain-begun")
	done := make(chan struct{})
	go func() { r.running.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		r.stop()
		<-done
	}
	crashpoint.Hit("drain-done")
	r.stop()
}

func (r *Resumer) draining() bool {
	select {
	case <-r.drain:
		return true
	default:
		return false
	}
}

// acquire takes a slot, unless none is free or the process is draining. Drain
// waits for every slot that was taken.
func (r *Resumer) acquire() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining() {
		return false
	}
	select {
	case r.slots <- struct{}{}:
		r.running.Add(1)
		return true
	default:
		return false
	}
}

func (r *Resumer) release() {
	<-r.slots
	r.running.Done()
}

// start works a claimed row in the slot that its caller acquired.
func (r *Resumer) start(o *store.Onboarding) {
	go func() {
		defer func() {
			r.release()
			if r.starved.CompareAndSwap(true, false) {
				r.wake(0)
			}
		}()
		r.chain(o)
	}()
}

// wake makes the poll look again after a delay, when that comes before its
// own time.
func (r *Resumer) wake(delay time.Duration) {
	if delay >= r.PollInterval {
		return
	}
	time.AfterFunc(delay, func() {
		select {
		case r.nudge <- struct{}{}:
		default:
		}
	})
}

// chain works a row from step to step until it waits, ends, fails or is
// somebody else's. A panic is this row's alone: it is counted as an attempt.
func (r *Resumer) chain(o *store.Onboarding) {
	defer func() {
		if p := recover(); p != nil {
			r.Log.Error("step panicked", "onboarding_id", o.ID, "state", o.State,
				"attempt", o.Attempts, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			r.giveUpOrRetry(o, "panic", 0)
		}
	}()
	for r.one(o) {
	}
}

// one makes one step and reports whether the row goes on to another at once.
func (r *Resumer) one(o *store.Onboarding) bool {
	if o.Attempts > r.MaxAttempts && boundedAttempts(o.State) {
		r.park(o, "attempts_exhausted", "")
		return false
	}
	crashpoint.Hit("step-before")
	move, err := r.step(r.work, o)
	if err != nil {
		r.fail(o, err)
		return false
	}
	crashpoint.Hit("step-decided")
	err = r.Store.Advance(r.work, move)[0]
	switch {
	case err == nil:
		crashpoint.Hit("step-committed")
		r.metrics.moved(move)
		r.Log.Debug("moved", "onboarding_id", o.ID, "state", o.State, "event", move.Event, "version", o.Version)
		return o.Lease != uuid.Nil
	case errors.Is(err, store.ErrMoved):
		return r.stillMine(o)
	case errors.Is(err, store.ErrUnavailable):
		r.Log.Error("commit failed", "onboarding_id", o.ID, "state", o.State, "event", move.Event, "error", err)
		r.sitOut(o)
		return false
	default:
		r.Log.Error("commit failed", "onboarding_id", o.ID, "state", o.State, "event", move.Event, "error", err)
		return false // the lease passes, and the step is repeated with the same external id
	}
}

// stillMine reads a row whose move was refused. A note may have grown its
// version meanwhile: then the step is repeated, and the vendor replays.
func (r *Resumer) stillMine(o *store.Onboarding) bool {
	fresh, err := r.Store.Get(r.work, o.ClientID, o.ID)
	if err != nil || fresh.Lease != o.Lease || fresh.State != o.State || fresh.Version == o.Version ||
		!time.Now().Before(fresh.LeaseEnds()) {
		return false
	}
	*o = *fresh
	return true
}
