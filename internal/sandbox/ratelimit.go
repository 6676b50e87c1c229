package sandbox

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// window is the time a limit counts over. It slides: no 60 seconds, wherever
// they begin, hold more calls than the limit. Of the readings of "per minute"
// it is the strictest, so a client that never meets a 429 here meets none from
// a vendor that counts by the clock's minute.
const window = time.Minute

// unlimitedShown is what X-RateLimit-Limit announces for an unlimited bucket: a
// client that believes the headers must not read 0 as "nothing left".
const unlimitedShown = 1_000_000

// rate is what the X-RateLimit headers say.
type rate struct {
	limit, remaining int
	// reset is when the oldest counted call leaves the window, that is when
	// remaining grows next.
	reset time.Time
}

func (r rate) announce(h http.Header) {
	h.Set("X-RateLimit-Limit", strconv.Itoa(r.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(r.remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(ceilSecond(r.reset).Unix(), 10))
}

// retryAfter is in whole seconds, rounded up, at least 1.
func (r rate) retryAfter(now time.Time) int {
	return max(1, int((r.reset.Sub(now)+time.Second-1)/time.Second))
}

func ceilSecond(t time.Time) time.Time {
	if t.Nanosecond() == 0 {
		return t
	}
	return t.Truncate(time.Second).Add(time.Second)
}

// rates counts calls per key and endpoint.
type rates struct {
	mu      sync.Mutex
	buckets map[bucketKey][]time.Time
}

type bucketKey struct{ key, call string }

func newRates() *rates { return &rates{buckets: map[bucketKey][]time.Time{}} }

func (r *rates) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.buckets)
}

// take counts the call if the window has room.
func (r *rates) take(key string, q *request) (rate, bool) { return r.look(key, q, true) }

// peek says what the headers would show, without counting.
func (r *rates) peek(key string, q *request) rate {
	shown, _ := r.look(key, q, false)
	return shown
}

func (r *rates) look(key string, q *request, count bool) (rate, bool) {
	limit := q.set.limits[q.call.name]
	if limit == 0 {
		return rate{limit: unlimitedShown, remaining: unlimitedShown, reset: q.now.Add(window)}, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := bucketKey{key, q.call.name}
	times := r.buckets[at]
	gone := 0
	for gone < len(times) && !times[gone].After(q.now.Add(-window)) {
		gone++
	}
	times = times[gone:]
	ok := len(times) < limit
	if ok && count {
		times = append(times, q.now)
	}
	// An unknown key must not leave a bucket behind.
	if count {
		r.buckets[at] = times
	}
	reset := q.now.Add(window)
	if len(times) > 0 {
		reset = times[0].Add(window)
	}
	return rate{limit: limit, remaining: limit - len(times), reset: reset}, ok
}
