package sandbox

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Entry is one call in the journal. It carries ids and no other data of the
// person.
type Entry struct {
	// Seq counts from 1 in the order in which calls were received in full.
	Seq     int64     `json:"seq"`
	At      time.Time `json:"at"`
	Product string    `json:"product,omitempty"`
	// Call is the call's name, or "unknown" for a path nobody serves.
	Call string `json:"call"`
	// ExternalID is externalId or externalRef as sent; ExternalIDs those of a
	// bulk screening's subjects.
	ExternalID  string   `json:"externalId,omitempty"`
	ExternalIDs []string `json:"externalIds,omitempty"`
	// Application is the externalRef of the customer the call is about, when
	// that customer is known here (for Dukcapil: by the NIK their KTP showed).
	Application string `json:"application,omitempty"`
	// CustomerID is the vendor's cus_ id; for Dukcapil the institution's.
	CustomerID     string `json:"customerId,omitempty"`
	IdempotencyKey string `json:"idempotencyKey,omitempty"`
	// BundleSHA256 is the hex digest of the bundle's bytes as received.
	BundleSHA256 string `json:"bundleSha256,omitempty"`
	// Open is true until the answer is on its way (or the connection cut).
	Open bool `json:"open,omitempty"`
	// Status of the answer; 0 when none was sent.
	Status int    `json:"status"`
	Fault  string `json:"fault,omitempty"`
	// Done and Replayed count effects of this call: one at most, but for bulk
	// screenings.
	Done     int   `json:"done,omitempty"`
	Replayed int   `json:"replayed,omitempty"`
	Millis   int64 `json:"millis"`
}

// concerns tells whether the call is about this external id: its own, one of
// its subjects', or its customer's externalRef.
func (e Entry) concerns(externalID string) bool {
	return externalID == e.ExternalID || externalID == e.Application || slices.Contains(e.ExternalIDs, externalID)
}

// Violation is a rule of the contract a caller broke.
type Violation struct {
	Seq        int64  `json:"seq"`
	Call       string `json:"call"`
	ExternalID string `json:"externalId,omitempty"`
	// Rule names the rule, and the field where there is one, never a value.
	Rule string `json:"rule"`
}

// maxViolations bounds the list; after so many, more say nothing new.
const maxViolations = 1000

// journal keeps the newest entries in a ring, so that a load test cannot fill
// the memory.
type journal struct {
	mu   sync.Mutex
	size int
	// last is the newest number given out; base the newest one forgotten by
	// a reset. Numbers never restart, so a call begun before a reset cannot
	// overwrite a newer entry.
	last, base int64
	ring       []Entry
	violations []Violation
	limited    map[string]int
	changed    chan struct{} // closed at the next change; nil while nobody waits
}

func newJournal(size int) *journal { return &journal{size: size, limited: map[string]int{}} }

func (j *journal) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.base, j.ring, j.violations = j.last, nil, nil
	clear(j.limited)
	j.notify()
}

func (j *journal) slot(seq int64) int { return int((seq - j.base - 1) % int64(j.size)) }

// open numbers the entry and keeps it.
func (j *journal) open(e *Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	e.Seq, e.Open = j.last, true
	if at := j.slot(e.Seq); at == len(j.ring) {
		j.ring = append(j.ring, *e)
	} else {
		j.ring[at] = *e
	}
	j.notify()
}

// put overwrites an entry with its newer self, if it is still kept.
func (j *journal) put(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.putLocked(e)
}

func (j *journal) putLocked(e Entry) {
	if e.Seq <= j.base || j.last-e.Seq >= int64(j.size) {
		return
	}
	j.ring[j.slot(e.Seq)] = e
	j.notify()
}

func (j *journal) close(q *request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, rule := range q.violations {
		if q.entry.Seq > j.base && len(j.violations) < maxViolations {
			j.violations = append(j.violations, Violation{Seq: q.entry.Seq, Call: q.entry.Call, ExternalID: q.entry.ExternalID, Rule: rule})
		}
	}
	j.putLocked(q.entry)
}

func (j *journal) countLimited(call string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.limited[call]++
}

func (j *journal) rateLimited() map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.limited)
}

func (j *journal) notify() {
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
}

// entries returns the kept entries, oldest first, and a channel that closes at
// the next change.
func (j *journal) entries() ([]Entry, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.changed == nil {
		j.changed = make(chan struct{})
	}
	kept := make([]Entry, 0, len(j.ring))
	if len(j.ring) == j.size {
		oldest := j.slot(j.last + 1)
		kept = append(kept, j.ring[oldest:]...)
		return append(kept, j.ring[:oldest]...), j.changed
	}
	return append(kept, j.ring...), j.changed
}

// Journal returns the kept calls, oldest first.
func (s *Sandbox) Journal() []Entry {
	entries, _ := s.journal.entries()
	return entries
}

// Violations returns what callers did wrong so far, oldest first.
func (s *Sandbox) Violations() []Violation {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return append([]Violation{}, s.journal.violations...)
}

// Await returns the oldest kept call that satisfies the predicate, waiting for
// one until ctx ends. It is how tests wait without sleeping.
func (s *Sandbox) Await(ctx context.Context, wanted func(Entry) bool) (Entry, error) {
	for {
		entries, changed := s.journal.entries()
		for _, e := range entries {
			if wanted(e) {
				return e, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Entry{}, ctx.Err()
		}
	}
}
