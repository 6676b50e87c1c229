package proof

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/devpg/pgtest"
	"github.com/gerbang-id/gerbang/internal/sandbox"
	"github.com/gerbang-id/gerbang/internal/store"
)

// patience bounds every wait for another process.
const patience = 30 * time.Second

// Lease is how long a server of a [Stack] holds a row. It is short, since what
// is killed is taken over when it passes, and long enough for a busy machine.
const Lease = 1500 * time.Millisecond

// client owns all that a stack does.
const client = "acme"

var template = pgtest.Template{Migrate: func(ctx context.Context, url string) error {
	m, err := store.NewMigrator(url)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	_, err = m.Up(ctx)
	return err
}}

// Options of a Stack; the zero value is the release server on a healthy vendor.
type Options struct {
	Build   Build
	Env     []string        // more variables for its servers, which win over [Stack.env]
	Sandbox sandbox.Options // Limits: nil is unlimited
}

// Stack is a database of its own, the vendors, and as many servers as are
// started. Everything ends with the test.
type Stack struct {
	T       testing.TB
	DB      *pgtest.DB
	Store   *store.Store // a second pair of eyes on the database; no server uses it
	Vendors *sandbox.Sandbox
	Keys    Keys

	binary string
	vars   []string

	mu      sync.Mutex
	servers []*Process
	next    int      // whose turn it is to answer
	odd     []string // answers no client should have seen
}

// Keys are API keys of the one client, by who holds them.
type Keys struct{ Frontend, SDK, Analyst, Signoff, Operator string }

// New makes a stack without servers. It fails the test when it cannot.
func New(t testing.TB, o Options) *Stack {
	t.Helper()
	s := &Stack{T: t}
	var err error
	if s.binary, err = Binary(o.Build); err != nil {
		t.Fatal(err)
	}
	s.DB = template.New(t)
	if o.Sandbox.Limits == nil {
		o.Sandbox.Limits = unlimited()
	}
	s.Vendors = sandbox.New(o.Sandbox)
	door := httptest.NewServer(s.Vendors)
	t.Cleanup(func() { s.Vendors.Close(); door.Close() })

	masterKey := base64.StdEncoding.EncodeToString(make([]byte, 32))
	keyring, err := store.NewKeyring(masterKey)
	if err == nil {
		s.Store, err = store.Open(t.Context(), s.DB.URL, keyring, store.Options{MaxConns: 4})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Store.Close)
	s.createKeys(t)
	s.vars = append(s.env(door.URL, masterKey), o.Env...)
	t.Cleanup(func() { // before the database goes
		s.KillAll()
		if t.Failed() {
			s.keepLogs(t)
		}
	})
	return s
}

// buckets are the vendor's rate limits.
var buckets = []string{
	"customers.create", "ktp.challenge", "ktp.capture", "face.challenge", "step-up", "dukcapil.ingest",
	"screenings.create", "evaluate", "reads",
}

func unlimited() map[string]int {
	limits := map[string]int{}
	for _, b := range buckets {
		limits[b] = 0
	}
	return limits
}

// env is what every server gets: fast, unlimited, and nothing of the user's.
func (s *Stack) env(vendors, masterKey string) []string {
	d := sandbox.DefaultDukcapil
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GODEBUG=" + os.Getenv("GODEBUG"),
		"GERBANG_ADDR=127.0.0.1:0", "DATABASE_URL=" + s.DB.URL, "GERBANG_MASTER_KEY=" + masterKey,
		"GERBANG_QE_IDENTITY_URL=" + vendors + "/identity", "GERBANG_QE_IDENTITY_KEY=" + sandbox.DefaultIdentityKey,
		"GERBANG_QE_AML_URL=" + vendors + "/aml", "GERBANG_QE_AML_KEY=" + sandbox.DefaultAMLKey,
		"GERBANG_QE_FRAUD_URL=" + vendors + "/anti-fraud", "GERBANG_QE_FRAUD_KEY=" + sandbox.DefaultAntiFraudKey,
		"GERBANG_DUKCAPIL_URL=" + vendors, "GERBANG_DUKCAPIL_CUSTOMER_ID=" + d.CustomerID,
		"GERBANG_DUKCAPIL_USER_ID=" + d.UserID, "GERBANG_DUKCAPIL_PASSWORD=" + d.Password,
		"GERBANG_DUKCAPIL_IP_USER=" + d.IPUser,
		"GERBANG_QE_LIMITS=" + strings.Join(buckets, "=0,") + "=0",
		"GERBANG_LEASE=" + Lease.String(), "GERBANG_VENDOR_TIMEOUT=500ms", "GERBANG_POLL_INTERVAL=50ms",
		"GERBANG_RETRY_BASE=10ms", "GERBANG_RETRY_MAX=100ms", "GERBANG_UPGRADE_RETRY=100ms",
		"GERBANG_MAX_CONNS=6", "GERBANG_DRAIN_TIMEOUT=10s", "GERBANG_LOG_LEVEL=info",
	}
}

func (s *Stack) createKeys(t testing.TB) {
	t.Helper()
	for _, k := range []struct {
		into          *string
		role, subject string
	}{
		{&s.Keys.Frontend, "frontend", ""},
		{&s.Keys.SDK, "sdk", ""},
		{&s.Keys.Analyst, "signoff", "Ani Analis"},
		{&s.Keys.Signoff, "signoff", "Bima Kepatuhan"},
		{&s.Keys.Operator, "operator", "Deni Operator"},
	} {
		key, err := s.Store.CreateAPIKey(t.Context(), store.APIKey{ClientID: client, Role: k.role, Subject: k.subject})
		if err != nil {
			t.Fatal(err)
		}
		*k.into = key
	}
}

// Serve starts one more server and waits until it takes requests. The variables
// win over the stack's. It may be called from any goroutine.
func (s *Stack) Serve(env ...string) (*Process, error) {
	return s.ServeBinary(s.binary, env...)
}

// ServeBinary does so with another binary, for rolling deploys.
func (s *Stack) ServeBinary(binary string, env ...string) (*Process, error) {
	s.mu.Lock()
	name := fmt.Sprintf("server %d", len(s.servers)+1)
	p, serving, err := launch(name, binary, append(s.vars[:len(s.vars):len(s.vars)], env...))
	if err == nil {
		s.servers = append(s.servers, p)
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return p, p.ready(serving)
}

// MustServe is Serve that fails the test.
func (s *Stack) MustServe(env ...string) *Process {
	s.T.Helper()
	p, err := s.Serve(env...)
	if err != nil {
		s.T.Fatal(err)
	}
	return p
}

// Servers are all that were started, those that are gone too.
func (s *Stack) Servers() []*Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Process(nil), s.servers...)
}

// KillAll kills whatever still runs.
func (s *Stack) KillAll() {
	for _, p := range s.Servers() {
		p.Kill()
	}
}

// pick returns the next server in turn that answers, and waits for one.
func (s *Stack) pick(ctx context.Context) (*Process, error) {
	for {
		s.mu.Lock()
		for range s.servers {
			s.next++
			if p := s.servers[s.next%len(s.servers)]; p.answers() {
				s.mu.Unlock()
				return p, nil
			}
		}
		s.mu.Unlock()
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return nil, fmt.Errorf("no server answers: %w", err)
		}
	}
}

// pause waits as somebody does who asks again later.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// keepLogs writes the servers' logs where the person who reads the failure
// finds them.
func (s *Stack) keepLogs(t testing.TB) {
	dir, err := os.MkdirTemp("", "gerbang-proof-logs-")
	if err != nil {
		t.Log(err)
		return
	}
	for _, p := range s.Servers() {
		file := dir + "/" + strings.ReplaceAll(p.Name, " ", "-") + ".log"
		if err := os.WriteFile(file, []byte(p.Log()), 0o600); err != nil {
			t.Log(err)
		}
		t.Logf("log of %s: %s\n%s", p.Name, file, p.Tail(12))
	}
}
