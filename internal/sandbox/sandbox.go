package sandbox

import (
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Keys a sandbox accepts unless Options.Keys says otherwise. They have the
// shape of real ones (qe_sk_sandbox_ and 32 base32 characters) and open nothing.
const (
	DefaultIdentityKey  = "qe_sk_sandbox_GERBANGIDENTITY2345672345672345A"
	DefaultAMLKey       = "qe_sk_sandbox_GERBANGAMLSCREENING234567234567A"
	DefaultAntiFraudKey = "qe_sk_sandbox_GERBANGANTIFRAUD2345672345672345"
)

// Product names, as in the vendor's base URLs.
const (
	ProductIdentity  = "identity"
	ProductAML       = "aml"
	ProductAntiFraud = "anti-fraud"
	ProductDukcapil  = "dukcapil"
)

// Options configure a Sandbox. The zero value is the vendor as documented.
type Options struct {
	// Keys holds the bearer key of each Quantum Elixir product; products
	// missing here keep their default key.
	Keys map[string]string
	// Dukcapil holds the credentials of the PKS agreement; the zero value
	// means [DefaultDukcapil].
	Dukcapil DukcapilCredentials
	// Limits overrides calls per minute by bucket (the call's name);
	// 0 = unlimited.
	Limits map[string]int
	// Clock stamps answers, expiry and rate windows; nil means time.Now.
	// Latency and hangs always use real timers.
	Clock func() time.Time
	// NewID makes the vendor's ids; nil means prefix and random text.
	NewID func(prefix string) string
	// Latency is added to every call before its work.
	Latency time.Duration
	// Switches turn capabilities off; the zero value has everything on.
	Switches Switches
	// HangLimit bounds the hang faults; 0 means two minutes.
	HangLimit time.Duration
	// MaxBody is the largest accepted request in bytes (413 above);
	// 0 means 16 MiB.
	MaxBody int64
	// JournalSize is how many calls the journal keeps; 0 means 100,000.
	JournalSize int
	// MaxCustomers bounds memory: beyond it the oldest customer is forgotten
	// with everything done for them; 0 means 20,000 (at some 9 kB each).
	MaxCustomers int
}

// DukcapilCredentials are what every Dukcapil request must carry: the first in
// its path, the others in its body.
type DukcapilCredentials struct {
	CustomerID string `json:"customerId"`
	UserID     string `json:"userId"`
	Password   string `json:"-"`
	IPUser     string `json:"ipUser"`
}

// DefaultDukcapil is accepted unless Options.Dukcapil says otherwise.
var DefaultDukcapil = DukcapilCredentials{
	CustomerID: "gerbang-sandbox", UserID: "sandbox-user", Password: "sandbox-password", IPUser: "10.0.0.1",
}

// Switches are capabilities of the organisation at the vendor.
type Switches struct {
	IdentityOff  bool `json:"identityOff"`
	AMLOff       bool `json:"amlOff"`
	AntiFraudOff bool `json:"antiFraudOff"`
	// DukcapilOff is the org's dukcapilEnabled, switched off: the verdict
	// ingest answers 403.
	DukcapilOff bool `json:"dukcapilOff"`
	// MissingScopes are refused with 403 "missing scope: ...".
	MissingScopes []string `json:"missingScopes"`
	// PhotoOptional accepts a valid Dukcapil verdict without a photo and
	// answers fallbackStub true. Off, because the documentation requires one.
	PhotoOptional bool `json:"photoOptional"`
	// VerifySignatures refuses a challenge's bundle whose signature is not
	// [Sign]'s. Off, because the vendor documents no signing string.
	VerifySignatures bool `json:"verifySignatures"`
}

// DukcapilState is Dukcapil's health. Down with a Code answers that
// RESPONSE_CODE to everyone, down without one answers 503 with an HTML page.
type DukcapilState struct {
	Up   bool   `json:"up"`
	Code string `json:"code,omitempty"`
}

// settings is what can change while calls run: replaced whole, never mutated.
type settings struct {
	limits      map[string]int
	latency     time.Duration
	callLatency map[string]time.Duration
	switches    Switches
	dukcapil    DukcapilState
}

// Sandbox is an http.Handler that plays all vendors. Safe for concurrent use.
type Sandbox struct {
	opt     Options
	mux     *http.ServeMux
	state   *state
	journal *journal
	faults  *faults
	rates   *rates

	change   sync.Mutex // serialises writers of settings
	settings atomic.Pointer[settings]

	stop   chan struct{}
	closed sync.Once
}

// New makes a sandbox. Serve it with any http.Server; call Close before (or
// from RegisterOnShutdown of) that server, so that hanging calls end.
func New(opt Options) *Sandbox {
	keys := map[string]string{
		ProductIdentity: DefaultIdentityKey, ProductAML: DefaultAMLKey, ProductAntiFraud: DefaultAntiFraudKey,
	}
	maps.Copy(keys, opt.Keys)
	opt.Keys = keys
	if opt.Dukcapil == (DukcapilCredentials{}) {
		opt.Dukcapil = DefaultDukcapil
	}
	if opt.Clock == nil {
		opt.Clock = time.Now
	}
	if opt.NewID == nil {
		opt.NewID = func(prefix string) string { return prefix + strings.ToLower(rand.Text()[:20]) }
	}
	if opt.HangLimit == 0 {
		opt.HangLimit = 2 * time.Minute
	}
	if opt.MaxBody == 0 {
		opt.MaxBody = 16 << 20
	}
	if opt.JournalSize == 0 {
		opt.JournalSize = 100_000
	}
	if opt.MaxCustomers == 0 {
		opt.MaxCustomers = 20_000
	}
	s := &Sandbox{
		opt:     opt,
		state:   newState(opt.MaxCustomers),
		journal: newJournal(opt.JournalSize),
		faults:  &faults{},
		rates:   newRates(),
		stop:    make(chan struct{}),
	}
	s.settings.Store(s.initial())
	s.mux = s.routes()
	return s
}

func (s *Sandbox) initial() *settings {
	limits := map[string]int{}
	for _, c := range calls {
		if c.product != ProductDukcapil {
			limits[c.name] = c.limit
		}
	}
	maps.Copy(limits, s.opt.Limits)
	return &settings{
		limits: limits, latency: s.opt.Latency, callLatency: map[string]time.Duration{},
		switches: s.opt.Switches, dukcapil: DukcapilState{Up: true},
	}
}

// ServeHTTP plays the vendors under /identity, /aml, /anti-fraud and
// /dukcapil, and the controls under /_sandbox.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close ends all hanging and delayed calls, now and later. It is safe to call
// more than once.
func (s *Sandbox) Close() { s.closed.Do(func() { close(s.stop) }) }

// Reset forgets customers, journal, violations, effects and faults and goes
// back to the Options the sandbox was made with.
func (s *Sandbox) Reset() {
	s.update(func(set *settings) { *set = *s.initial() })
	s.faults.clear()
	s.rates.clear()
	s.state.reset()
	s.journal.reset()
}

// SetLimits changes calls per minute by bucket (0 = unlimited) and starts all
// windows anew. Buckets not named keep their limit.
func (s *Sandbox) SetLimits(limits map[string]int) {
	s.update(func(set *settings) {
		set.limits = maps.Clone(set.limits)
		maps.Copy(set.limits, limits)
	})
	s.rates.clear()
}

// SetLatency changes the latency of one call by its name, or of all calls that
// have none of their own when call is empty.
func (s *Sandbox) SetLatency(call string, d time.Duration) {
	s.update(func(set *settings) {
		if call == "" {
			set.latency = d
			return
		}
		set.callLatency = maps.Clone(set.callLatency)
		set.callLatency[call] = d
	})
}

// SetSwitches replaces all switches.
func (s *Sandbox) SetSwitches(sw Switches) {
	sw.MissingScopes = slices.Clone(sw.MissingScopes)
	s.update(func(set *settings) { set.switches = sw })
}

// SetDukcapil takes Dukcapil down or brings it back.
func (s *Sandbox) SetDukcapil(d DukcapilState) {
	s.update(func(set *settings) { set.dukcapil = d })
}

func (s *Sandbox) update(change func(*settings)) {
	s.change.Lock()
	defer s.change.Unlock()
	next := *s.settings.Load()
	change(&next)
	s.settings.Store(&next)
}
