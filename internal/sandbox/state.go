package sandbox

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// stamp is the precision the vendor's times have here: milliseconds, UTC.
const stamp = "2006-01-02T15:04:05.000Z"

func at(t time.Time) string { return t.UTC().Format(stamp) }

// state is what the vendors remember. One lock: no work under it waits for
// anything.
type state struct {
	mu        sync.Mutex
	max       int
	byRef     map[string]*customer
	byID      map[string]*customer
	oldest    []*customer // in order of creation, for forgetting
	challenge map[string]*challenge
	records   map[recordKey]*record
	sightings map[string]*sighting // by NIK
	twice     []DoneTwice
	totals    map[string]int // effects by call
}

// customer is one person at Identity, and all that was done for them.
type customer struct {
	id, fullName, externalRef string
	who                       *Person // nil: nobody of the table
	createdAt                 time.Time
	document                  Document
	captures, selfies         int
	enrolments                []string // sources, oldest first
	verifications             []verification
	history                   []tierChange
	level                     string
	verifiedAt                time.Time
	records                   []*record
	nonces, niks              []string // what to forget with the customer
}

type verification struct {
	ID        string `json:"id"`
	Method    string `json:"method"`
	Status    string `json:"status"`
	Score     int    `json:"score"`
	CreatedAt string `json:"createdAt"`
}

type tierChange struct {
	ID        string `json:"id"`
	FromTier  string `json:"fromTier"`
	ToTier    string `json:"toTier"`
	Reason    string `json:"reason"`
	CreatedAt string `json:"createdAt"`
}

// record is one effect and the answer it was given, for replays.
type record struct {
	recordKey
	content  content
	answer   json.RawMessage
	replays  int
	customer *customer
}

type recordKey struct{ call, externalID string }

// sighting is a NIK as a KTP showed it: how Dukcapil, which is asked by NIK
// alone, knows whose outcome to play.
type sighting struct {
	customer *customer
	document Document
	lookups  int
}

func newState(maxCustomers int) *state {
	st := &state{max: maxCustomers}
	st.reset()
	return st
}

func (st *state) reset() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.byRef, st.byID = map[string]*customer{}, map[string]*customer{}
	st.oldest, st.twice = nil, nil
	st.challenge, st.records = map[string]*challenge{}, map[recordKey]*record{}
	st.sightings, st.totals = map[string]*sighting{}, map[string]int{}
}

// applicationOf finds the externalRef behind a call's customer id or, for
// Dukcapil, behind its NIK.
func (st *state) applicationOf(q *request) string {
	st.mu.Lock()
	defer st.mu.Unlock()
	if q.call.product == ProductDukcapil {
		if seen := st.sightings[text(q.members["NIK"])]; seen != nil {
			return seen.customer.externalRef
		}
		return ""
	}
	if q.call.name == "customers.create" {
		return q.entry.ExternalID
	}
	if c := st.byID[q.entry.CustomerID]; c != nil {
		return c.externalRef
	}
	return ""
}

// add keeps a new customer and, at the bound, forgets the oldest.
func (st *state) add(c *customer) {
	st.byRef[c.externalRef], st.byID[c.id] = c, c
	st.oldest = append(st.oldest, c)
	if len(st.oldest) <= st.max {
		return
	}
	gone := st.oldest[0]
	st.oldest[0], st.oldest = nil, st.oldest[1:]
	delete(st.byRef, gone.externalRef)
	delete(st.byID, gone.id)
	for _, r := range gone.records {
		delete(st.records, r.recordKey)
	}
	for _, nonce := range gone.nonces {
		delete(st.challenge, nonce)
	}
	for _, nik := range gone.niks {
		if seen := st.sightings[nik]; seen != nil && seen.customer == gone {
			delete(st.sightings, nik)
		}
	}
}

// see remembers who showed a NIK last. Another customer with the same one
// starts the person's sequence of Dukcapil outcomes anew.
func (st *state) see(nik string, c *customer) {
	seen := st.sightings[nik]
	if seen == nil || seen.customer != c {
		seen = &sighting{customer: c}
		st.sightings[nik] = seen
		c.niks = append(c.niks, nik)
	}
	seen.document = c.document
}

var unknownCustomer = &refusal{status: http.StatusNotFound, message: "customer not found", violation: "unknown customer"}

var conflict = &refusal{
	status: http.StatusConflict, message: "externalId was already used with other content",
	violation: "external id sent again with other content",
}

// once does the work of an external id for a customer, or repeats the answer
// it had. idKind is the middle of the external id ("ktp" in app-1:ktp:1),
// empty for calls that use the application's id itself.
func (s *Sandbox) once(q *request, members map[string]json.RawMessage, idKind string, work func(*customer) (any, *refusal)) (json.RawMessage, *refusal) {
	sum := contentOf(members)
	st := s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	c := st.byID[text(members["customerId"])]
	if c == nil {
		return nil, unknownCustomer
	}
	key := recordKey{q.call.name, text(members["externalId"])}
	if !idFits(key.externalID, c.externalRef, idKind) {
		q.violate("external id is not the application's" + ifNonEmpty(" with :", idKind, ":<n>"))
	}
	if done := st.records[key]; done != nil {
		return replay(q, done, sum)
	}
	answer, refused := work(c)
	if refused != nil {
		return nil, refused
	}
	return st.keep(q, c, key, sum, answer), nil
}

func replay(q *request, done *record, sum content) (json.RawMessage, *refusal) {
	if done.content.whole != sum.whole {
		return nil, conflict
	}
	done.replays++
	q.entry.Replayed++
	return done.answer, nil
}

// keep records an effect, and notices the same work done under another id.
func (st *state) keep(q *request, c *customer, key recordKey, sum content, answer any) json.RawMessage {
	for _, other := range c.records {
		if other.call == key.call && other.content.twin == sum.twin && len(st.twice) < maxViolations {
			st.twice = append(st.twice, DoneTwice{Call: key.call, ExternalIDs: [2]string{other.externalID, key.externalID}})
		}
	}
	done := &record{recordKey: key, content: sum, answer: jsonReply(0, answer).body, customer: c}
	st.records[key] = done
	c.records = append(c.records, done)
	st.totals[key.call]++
	q.entry.Done++
	return done.answer
}

func idFits(externalID, externalRef, kind string) bool {
	if kind == "" {
		return externalID == externalRef
	}
	number, ok := strings.CutPrefix(externalID, externalRef+":"+kind+":")
	n, err := strconv.Atoi(number)
	return ok && err == nil && n >= 1
}

func ifNonEmpty(before, s, after string) string {
	if s == "" {
		return ""
	}
	return before + s + after
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

// Effect counts what was done under one external id of one call.
type Effect struct {
	Call       string `json:"call"`
	ExternalID string `json:"externalId"`
	CustomerID string `json:"customerId"`
	Done       int    `json:"done"`
	Replayed   int    `json:"replayed"`
}

// DoneTwice is the same work (same call, customer and content) done under two
// external ids: what idempotency could not prevent.
type DoneTwice struct {
	Call        string    `json:"call"`
	ExternalIDs [2]string `json:"externalIds"`
}

// Effects is what was done: one by one for the customers still remembered, and
// in all.
type Effects struct {
	Effects    []Effect    `json:"effects"`
	DoneTwice  []DoneTwice `json:"doneTwice"`
	Violations []Violation `json:"violations"`
	// Totals counts effects by call, those of forgotten customers too.
	Totals map[string]int `json:"totals"`
	// RateLimited counts the 429 answers the limits gave, by bucket; faults
	// do not count.
	RateLimited map[string]int `json:"rateLimited"`
}

// Effects lists what was done, in order of the customers' creation.
func (s *Sandbox) Effects() Effects {
	out := Effects{Violations: s.Violations(), RateLimited: s.journal.rateLimited()}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	out.DoneTwice = append([]DoneTwice{}, s.state.twice...)
	out.Totals = maps.Clone(s.state.totals)
	out.Effects = []Effect{}
	for _, c := range s.state.oldest {
		for _, r := range c.records {
			out.Effects = append(out.Effects, Effect{Call: r.call, ExternalID: r.externalID, CustomerID: c.id, Done: 1, Replayed: r.replays})
		}
	}
	return out
}
