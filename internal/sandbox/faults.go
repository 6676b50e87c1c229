package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
)

// Kinds of faults. "Before" means that the vendor did nothing, "after" that
// the work was done and only its answer is lost or spoilt.
const (
	FaultLatency     = "latency"      // LatencyMS more, then the normal answer
	FaultStatus      = "status"       // Status instead of the work
	FaultStatusAfter = "status_after" // Status after the work
	FaultResetBefore = "reset_before" // connection reset before the work
	FaultResetAfter  = "reset_after"  // connection reset after the work
	FaultHang        = "hang"         // no work, no answer
	FaultHangAfter   = "hang_after"   // work done, no answer
	FaultTruncated   = "truncated"    // work done, 200 with half of the JSON
	FaultHTML        = "html"         // no work, 200 with an HTML page
	FaultUnknownEnum = "unknown_enum" // work done, verdicts replaced by UnknownValue
	// FaultSubjectError fails one subject of a bulk screening: the one with
	// the fault's external id, else the first. A single screening gets 500.
	FaultSubjectError = "subject_error"
)

// UnknownValue is what unknown enum values look like here.
const UnknownValue = "not_yet_documented"

var faultKinds = []string{
	FaultLatency, FaultStatus, FaultStatusAfter, FaultResetBefore, FaultResetAfter, FaultHang, FaultHangAfter,
	FaultTruncated, FaultHTML, FaultUnknownEnum, FaultSubjectError,
}

// Fault is a rule that spoils calls. The oldest rule that matches a call and
// is not used up applies, one per call.
type Fault struct {
	// Call is a call's name; empty or "*" means every call.
	Call string `json:"call"`
	Kind string `json:"kind"`
	// Count is how many calls the rule spoils; 0 = until deleted.
	Count int `json:"count,omitempty"`
	// After is how many matching calls pass before the rule begins.
	After int `json:"after,omitempty"`
	// ExternalID limits the rule to calls with this external id, or of the
	// customer created with it as externalRef. Empty means all.
	ExternalID string `json:"externalId,omitempty"`
	// LatencyMS delays the call by milliseconds, whatever the kind.
	LatencyMS int `json:"latencyMs,omitempty"`
	// Status is the answer of the two status kinds: 400 to 599.
	Status int `json:"status,omitempty"`
	// RetryAfter is sent in seconds with 429 and 503; 0 means 1 with 429 and
	// no header otherwise.
	RetryAfter int `json:"retryAfter,omitempty"`
}

func (f Fault) validate() error {
	switch {
	case f.Call != "" && f.Call != "*" && callNamed(f.Call) == nil:
		return fmt.Errorf("unknown call %q", f.Call)
	case !slices.Contains(faultKinds, f.Kind):
		return fmt.Errorf("unknown kind %q", f.Kind)
	case (f.Kind == FaultStatus || f.Kind == FaultStatusAfter) && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("status %d is not within 400..599", f.Status)
	case f.Kind == FaultLatency && f.LatencyMS == 0:
		return fmt.Errorf("a latency fault needs latencyMs")
	case f.Count < 0 || f.After < 0 || f.LatencyMS < 0 || f.RetryAfter < 0:
		return fmt.Errorf("negative numbers make no sense here")
	}
	return nil
}

func (f Fault) matches(q *request) bool {
	if f.Call != "" && f.Call != "*" && f.Call != q.call.name {
		return false
	}
	return f.ExternalID == "" || q.entry.concerns(f.ExternalID)
}

// reply is the answer of the status kinds.
func (f Fault) reply(q *request) reply {
	if f.Status == http.StatusTooManyRequests {
		q.rate.remaining = 0
		return q.rateLimited(max(1, f.RetryAfter))
	}
	answer := jsonReply(f.Status, map[string]any{"error": http.StatusText(f.Status)})
	if f.RetryAfter > 0 {
		answer.header = http.Header{"Retry-After": {strconv.Itoa(f.RetryAfter)}}
	}
	return answer
}

// faults are the rules in force.
type faults struct {
	mu    sync.Mutex
	rules []*activeFault
}

type activeFault struct {
	Fault
	seen, used int
}

// AddFault puts a rule into force, or says what is wrong with it.
func (s *Sandbox) AddFault(f Fault) error {
	if err := f.validate(); err != nil {
		return fmt.Errorf("add fault: %w", err)
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.rules = append(s.faults.rules, &activeFault{Fault: f})
	return nil
}

// ClearFaults takes all rules out of force. Calls that hang go on hanging.
func (s *Sandbox) ClearFaults() { s.faults.clear() }

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// take returns the fault of this call, or one without a kind.
func (f *faults) take(q *request) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, rule := range f.rules {
		if (rule.Count > 0 && rule.used == rule.Count) || !rule.matches(q) {
			continue
		}
		if rule.seen++; rule.seen <= rule.After {
			continue
		}
		rule.used++
		return rule.Fault
	}
	return Fault{}
}
