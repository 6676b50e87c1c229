package resumer

import (
	"errors"
	"sync"
	"time"

	"github.com/gerbang-id/gerbang/internal/vendors"
)

// tripAfter is how many calls in a row must bring no answer before a breaker
// opens. Below that the rows' own backoff is protection enough, and a fault
// that hits a few calls must not hold up the others.
const tripAfter = 20

// breaker keeps an outage of a vendor's product from becoming a storm. Open:
// rows wait and spend no attempt. When its time is over, one probe goes out; an
// answer lets twice as many through each time until it is closed again.
type breaker struct {
	mu       sync.Mutex
	base     time.Duration // of the first opening
	limit    time.Duration // cap of later ones
	failures int           // in a row, while closed
	open     bool
	until    time.Time
	cooldown time.Duration
	allowed  int // calls at once, while open and past until
	inFlight int
}

// maxCooldown caps how long a breaker stays open between probes.
const maxCooldown = 15 * time.Second

// probeWait is how long a row waits that finds the probe under way.
const probeWait = 100 * time.Millisecond

// allow asks for one call; wait > 0 says no, and when to ask again. A call that
// was allowed must be reported to done.
func (b *breaker) allow(now time.Time) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if wait = b.closedFor(now); wait == 0 {
		b.inFlight++
	}
	return wait
}

// wait is how long there is no use in asking.
func (b *breaker) wait(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closedFor(now)
}

func (b *breaker) closedFor(now time.Time) time.Duration {
	switch {
	case !b.open:
		return 0
	case now.Before(b.until):
		return b.until.Sub(now)
	case b.inFlight >= b.allowed:
		return probeWait
	}
	return 0
}

// done reports how an allowed call ended. opened says that this was the one
// too many.
func (b *breaker) done(now time.Time, err error) (opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight--
	switch {
	case !outage(err):
		b.failures = 0
		if b.open && !now.Before(b.until) {
			if b.allowed *= 2; b.allowed > tripAfter {
				b.open, b.cooldown = false, 0
			}
		}
		return false
	case b.open:
		if !now.Before(b.until) { // the probe failed
			b.trip(now)
		}
		return false
	}
	if b.failures++; b.failures < tripAfter {
		return false
	}
	b.trip(now)
	return true
}

func (b *breaker) trip(now time.Time) {
	b.cooldown = min(max(2*b.cooldown, b.base), b.limit)
	b.open, b.failures, b.allowed, b.until = true, 0, 1, now.Add(b.cooldown)
}

// outage tells a vendor that gives no answer from one that does: a refusal is
// an answer, and a lease that passed is ours.
func outage(err error) bool {
	var v *vendors.Error
	if !errors.As(err, &v) || !v.Retryable() || v.Status == 429 {
		return false
	}
	return v.Reason != vendors.ReasonLeasePassed && v.Reason != vendors.ReasonCanceled
}

// release takes back an allowed call that was not made.
func (b *breaker) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight--
}
