package resumer_test

import (
	"slices"
	"strconv"
	"time"
)

// model is one onboarding as design.md section 2 describes it: written from the
// document, not from internal/fsm, whose every decision it is held against. It
// knows what the vendors will answer (who the customer is, which faults lie
// ahead) and works out what must come of each request, run and wait.
type model struct {
	who      actor
	fraud    bool // Anti-Fraud is bought
	registry bool // there is an agreement with Dukcapil
	signoff  bool // a confirmed hit needs two people

	state    string
	version  int64
	attempts int
	due      bool // would be claimed now
	leased   bool
	parked   bool
	level    string
	reason   string
	aged     time.Duration // how long ago the state was entered, as far as time was moved

	faults   []spoilt // of calls to come, in order
	judged   int      // selfies refused
	verdict  string   // brought by the client, not recorded yet: "", valid, not_valid
	fetched  string   // what the registry said, not recorded yet: likewise
	recorded string   // what QE recorded: likewise, or "unclear"
	owed     bool     // Dukcapil gave no answer in time
	granted  bool     // approved at standard already
	reviewer string   // who confirmed the hit
	desk     desk

	done   map[string]bool // vendor calls whose work was done, by external id
	ktps   sequence
	faces  sequence
	nonces map[string]*nonce // by purpose: the last one issued
}

// actor is a test person of the sandbox and what its contract makes of them.
type actor struct {
	name        string
	ktp, selfie []string // of the n-th capture; the last one repeats
	dukcapil    string   // valid, not_valid, human, later
	aml         string   // no_match, review, confirmed
	fraud       string   // allow, review, block
}

// sequence counts submissions and knows which of them the vendor has judged.
type sequence struct {
	submitted int
	verdicts  map[int]string
}

// of is the verdict on the submission under way, which is judged now at the
// latest.
func (s *sequence) of(outcomes []string) string {
	if v, ok := s.verdicts[s.submitted]; ok {
		return v
	}
	v := outcomes[min(len(s.verdicts), len(outcomes)-1)]
	s.verdicts[s.submitted] = v
	return v
}

// desk is the review that was opened last.
type desk struct {
	open    bool
	kind    string
	version int64
	claimed string
}

// nonce is a challenge as far as captures go.
type nonce struct {
	text          string
	used, expired bool
	bundle        []byte // handed in with it
}

// spoilt is a fault of one call: of which, whether the vendor did the work all
// the same, and what its answer reads like.
type spoilt struct {
	call   string // by the sandbox's name; empty: whichever comes first
	name   string
	worked bool
	reads  string // transient, permanent, conflict, invalid
}

const (
	modelAttempts = 3         // of one step, before it parks
	modelBudget   = time.Hour // of the registry
	modelBackoff  = 50 * time.Minute
)

var (
	working  = []string{"registering", "verifying_ktp", "verifying_selfie", "checking_dukcapil", "recording_dukcapil", "screening_aml", "evaluating_fraud", "upgrading", "recording_upgrade"}
	awaited  = []string{"awaiting_ktp", "awaiting_selfie"}
	reviewed = []string{"ktp_review", "dukcapil_review", "aml_review", "aml_signoff", "fraud_review"}
)

// status is what the customer's app shows.
func (m *model) status() string {
	switch {
	case slices.Contains(awaited, m.state):
		return "awaiting_input"
	case slices.Contains(reviewed, m.state):
		return "in_review"
	case m.state == "approved", m.state == "upgrading", m.state == "recording_upgrade":
		return "approved"
	case slices.Contains(working, m.state):
		return "processing"
	}
	return m.state
}

// to moves the onboarding: unleased, due at no time, its attempts forgotten.
func (m *model) to(state string) {
	if m.desk.open {
		m.desk = desk{}
	}
	m.state, m.aged, m.attempts, m.parked, m.due, m.leased = state, 0, 0, false, false, false
	m.version++
	switch {
	case slices.Contains(reviewed, state):
		kind := map[string]string{"ktp_review": "ktp", "dukcapil_review": "dukcapil", "aml_review": "aml", "aml_signoff": "aml_signoff", "fraud_review": "fraud"}
		m.desk = desk{open: true, kind: kind[state], version: m.version}
	case state == "declined":
		m.level = ""
	case m.status() == "approved":
		m.level = "standard"
		if m.recorded == "valid" {
			m.level = "premium"
		}
	}
}

func (m *model) decline(reason string) {
	m.to("declined")
	m.reason = reason
}

// request is what follows a move that a person asked for: the process that took
// it works on at once, or leaves it to whoever polls.
func (m *model) request(worksOn bool) {
	if !slices.Contains(working, m.state) {
		return
	}
	if m.state == "upgrading" && m.verdict == "" {
		return // due when the registry may be back
	}
	if m.state == "upgrading" || !worksOn {
		m.due = true
		return
	}
	m.attempts, m.leased = 1, true
	m.chain()
}

// run is a worker that claims what is due.
func (m *model) run() {
	if m.claim() {
		m.chain()
	}
}

func (m *model) claim() bool {
	if !m.due {
		return false
	}
	m.due, m.leased = false, true
	m.attempts++
	return true
}

// chain works from step to step, in one process, until something stops it.
func (m *model) chain() {
	for m.step() && slices.Contains(working, m.state) {
		if m.state == "upgrading" {
			m.due = m.verdict != ""
			return
		}
		m.attempts, m.leased = 1, true
	}
}

// step makes one call and reports whether it moved the onboarding.
func (m *model) step() bool {
	bounded := m.state != "checking_dukcapil" && m.state != "upgrading"
	if bounded && m.attempts > modelAttempts {
		return m.park()
	}
	if slices.Contains(awaited, m.state) {
		m.to("expired")
		return true
	}
	before := m.version
	fault := map[string]func() string{
		"registering": m.register, "verifying_ktp": m.verifyKTP, "verifying_selfie": m.verifySelfie,
		"checking_dukcapil": m.check, "recording_dukcapil": m.record, "screening_aml": m.screen,
		"evaluating_fraud": m.evaluate, "upgrading": m.upgrade, "recording_upgrade": m.record,
	}[m.state]()
	switch {
	case m.version != before:
		return true
	case bounded && (fault != "transient" || m.attempts >= modelAttempts):
		return m.park()
	}
	m.leased = false // asked again later
	return false
}

func (m *model) park() bool {
	m.parked, m.leased = true, false
	return false
}

// call makes a call under an external id: how it reads, or "" for an answer.
// What was done before is answered as before.
func (m *model) call(name, id string) string {
	n := slices.IndexFunc(m.faults, func(f spoilt) bool { return f.call == "" || f.call == name })
	if n < 0 {
		m.done[id] = true
		return ""
	}
	f := m.faults[n]
	m.faults = slices.Delete(m.faults, n, n+1)
	if f.worked {
		m.done[id] = true
	}
	return f.reads
}

func (m *model) register() string {
	f := m.call("customers.create", "")
	if f == "" {
		m.to("awaiting_ktp")
	}
	return f
}

// capture sends the bundle under way. Lost is set when the customer has to take
// another one because nobody can tell how this one was judged.
func (m *model) capture(call, kind string, s *sequence, outcomes []string, adoptable ...string) (outcome, fault string, lost bool) {
	id := kind + strconv.Itoa(s.submitted)
	fault = m.call(call, id)
	if m.done[id] {
		outcome = s.of(outcomes)
	}
	switch fault {
	case "conflict":
		if read := m.call("kyc.get", ""); read != "" {
			return "", read, false
		}
		if slices.Contains(adoptable, outcome) {
			return outcome, "", false
		}
		return "", "", true
	case "invalid":
		return "", fault, m.nonces[kind].expired
	}
	return outcome, fault, false
}

func (m *model) verifyKTP() string {
	outcome, fault, lost := m.capture("ktp.capture", "ktp", &m.ktps, m.who.ktp, "failed")
	switch {
	case lost:
		m.to("awaiting_ktp")
	case fault != "":
		return fault
	case outcome == "passed":
		m.to("awaiting_selfie")
	case outcome == "failed":
		m.decline("ktp_failed")
	default:
		m.to("ktp_review")
	}
	return ""
}

func (m *model) verifySelfie() string {
	outcome, fault, lost := m.capture("step-up", "face", &m.faces, m.who.selfie, "match", "no_match")
	switch {
	case lost:
		m.to("awaiting_selfie")
	case fault != "":
		return fault
	case outcome == "unreadable":
		m.to("ktp_review")
	case outcome != "match":
		if m.judged++; m.judged < 2 {
			m.to("awaiting_selfie")
		} else {
			m.decline("biometric_mismatch")
		}
	case m.verdict != "":
		m.to("recording_dukcapil")
	case m.registry:
		m.to("checking_dukcapil")
	default:
		m.to("screening_aml")
	}
	return ""
}

// check: whatever the registry does, the customer is held up no longer than
// its budget.
func (m *model) check() string {
	fault := "spent"
	if m.aged < modelBudget {
		fault = m.call("dukcapil.verify", "")
	}
	switch {
	case fault == "transient":
		return fault
	case fault != "" || m.who.dukcapil == "later":
		m.owed = true
		m.to("screening_aml")
	default:
		m.lookedUp("recording_dukcapil")
	}
	return ""
}

func (m *model) upgrade() string {
	switch {
	case m.verdict != "":
		m.to("recording_upgrade")
	case m.aged > 30*24*time.Hour:
		m.owed = false
		m.to("approved")
	case m.call("dukcapil.verify", "") != "" || m.who.dukcapil == "later":
		return "later"
	default:
		m.lookedUp("recording_upgrade")
	}
	return ""
}

func (m *model) lookedUp(record string) {
	if m.who.dukcapil == "human" {
		m.owed, m.recorded = false, "unclear"
		m.to("dukcapil_review")
		return
	}
	m.fetched = m.who.dukcapil
	m.to(record)
}

func (m *model) record() string {
	const id = "recording"
	fault := m.call("dukcapil.ingest", id)
	if fault == "conflict" {
		if read := m.call("kyc.get", ""); read != "" {
			return read
		}
		if m.done[id] {
			fault = ""
		}
	}
	if fault != "" {
		return fault
	}
	upgrade := m.state == "recording_upgrade"
	m.recorded, m.verdict, m.fetched, m.owed = m.verdict+m.fetched, "", "", false
	switch {
	case m.recorded != "valid":
		m.to("dukcapil_review")
	case upgrade:
		m.to("approved")
	default:
		m.to("screening_aml")
	}
	return ""
}

func (m *model) screen() string {
	if fault := m.call("screenings.create", ""); fault != "" {
		return fault
	}
	if m.who.aml == "no_match" {
		m.cleared()
	} else {
		m.to("aml_review")
	}
	return ""
}

func (m *model) evaluate() string {
	if fault := m.call("evaluate", ""); fault != "" {
		return fault
	}
	switch m.who.fraud {
	case "allow":
		m.approve()
	case "block":
		m.decline("fraud_block")
	default:
		m.to("fraud_review")
	}
	return ""
}

// cleared: nothing of the AML desk stands in the way any more.
func (m *model) cleared() {
	if m.fraud {
		m.to("evaluating_fraud")
	} else {
		m.approve()
	}
}

func (m *model) approve() {
	if m.owed {
		m.granted = true
		m.to("upgrading")
	} else {
		m.to("approved")
	}
}
