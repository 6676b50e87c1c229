package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gerbang-id/gerbang/internal/devpg"
	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// hasty is the policy of the second server: its customers have a second.
// Everything else is as in the built-in one.
//
//go:embed hasty.yaml
var hasty []byte

// stack is all that runs: Postgres, the vendors, two servers on one database.
type stack struct {
	postgres *devpg.Server
	vendors  *sandbox.Sandbox
	door     *http.Server // the vendors'
	servers  []*process   // the second has the hasty policy
	client   *http.Client
	keys     keys

	// felt counts the customers who have yet to meet their outage.
	felt sync.WaitGroup
	// outagesOver ends all outages, once everybody has felt theirs.
	outagesOver func()
}

// keys of the demo's client, one per part that is played.
type keys struct{ frontend, sdk, analyst, signoff1, signoff2, operator, auditor string }

// buckets are the vendors' rate limits. The cast comes all at once, which a
// minute's contract would stretch; limits are not what is shown here.
var buckets = []string{
	"customers.create", "ktp.challenge", "ktp.capture", "face.challenge", "step-up", "dukcapil.ingest",
	"screenings.create", "evaluate",
}

// start brings everything up. What is up when something fails is taken down.
func start(ctx context.Context, binary, dir string, latency time.Duration) (s *stack, err error) {
	s = &stack{client: &http.Client{}}
	s.outagesOver = sync.OnceFunc(func() {
		s.felt.Wait()
		s.vendors.ClearFaults()
	})
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if s.postgres, err = devpg.Start(ctx, devpg.Options{}); err != nil {
		return s, err
	}
	const database = "gerbang"
	if err := s.postgres.CreateDatabase(ctx, database); err != nil {
		return s, err
	}
	vendors, err := s.openVendors(latency)
	if err != nil {
		return s, err
	}
	env := append(environment(), "DATABASE_URL="+s.postgres.URL(database), "GERBANG_MASTER_KEY="+masterKey())
	env = append(env, vendorEnvironment(vendors)...)
	if _, err := command(ctx, binary, env, "migrate", "up"); err != nil {
		return s, err
	}
	if err := s.createKeys(ctx, binary, env); err != nil {
		return s, err
	}
	policy := filepath.Join(dir, "hasty.yaml")
	if err := os.WriteFile(policy, hasty, 0o600); err != nil {
		return s, err
	}
	for i, file := range []string{"", policy} {
		p, err := serve(ctx, fmt.Sprintf("server %d", i+1), binary, append(env[:len(env):len(env)], "GERBANG_POLICY="+file))
		if err != nil {
			return s, err
		}
		s.servers = append(s.servers, p)
	}
	return s, nil
}

// openVendors serves the sandbox and returns its address.
func (s *stack) openVendors(latency time.Duration) (string, error) {
	unlimited := map[string]int{}
	for _, bucket := range buckets {
		unlimited[bucket] = 0
	}
	s.vendors = sandbox.New(sandbox.Options{Latency: latency, Limits: unlimited})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen for the sandbox: %w", err)
	}
	s.door = &http.Server{Handler: s.vendors, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.door.Serve(l) }() // ends at Close
	return "http://" + l.Addr().String(), nil
}

// environment is what the servers have from us: enough to run, and no variable
// of the user's that would configure them.
func environment() []string {
	env := []string{
		"GERBANG_ADDR=127.0.0.1:0", "GERBANG_LOG_FORMAT=json",
		// Fast, so that an outage and its end fit into a demo. The budget is
		// still long enough for everybody whose registry works.
		"GERBANG_DUKCAPIL_BUDGET=4s", "GERBANG_UPGRADE_RETRY=1s", "GERBANG_POLL_INTERVAL=200ms",
		"GERBANG_RETRY_BASE=200ms", "GERBANG_RETRY_MAX=2s",
		"GERBANG_QE_LIMITS=" + strings.Join(buckets, "=0,") + "=0",
	}
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func vendorEnvironment(base string) []string {
	d := sandbox.DefaultDukcapil
	return []string{
		"GERBANG_QE_IDENTITY_URL=" + base + "/identity", "GERBANG_QE_IDENTITY_KEY=" + sandbox.DefaultIdentityKey,
		"GERBANG_QE_AML_URL=" + base + "/aml", "GERBANG_QE_AML_KEY=" + sandbox.DefaultAMLKey,
		"GERBANG_QE_FRAUD_URL=" + base + "/anti-fraud", "GERBANG_QE_FRAUD_KEY=" + sandbox.DefaultAntiFraudKey,
		"GERBANG_DUKCAPIL_URL=" + base, "GERBANG_DUKCAPIL_CUSTOMER_ID=" + d.CustomerID,
		"GERBANG_DUKCAPIL_USER_ID=" + d.UserID, "GERBANG_DUKCAPIL_PASSWORD=" + d.Password,
		"GERBANG_DUKCAPIL_IP_USER=" + d.IPUser,
	}
}

func masterKey() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return base64.StdEncoding.EncodeToString(key)
}

func (s *stack) createKeys(ctx context.Context, binary string, env []string) error {
	for _, k := range []struct {
		into          *string
		role, subject string
	}{
		{&s.keys.frontend, "frontend", ""},
		{&s.keys.sdk, "sdk", ""},
		{&s.keys.analyst, "analyst", "Ani Analis"},
		{&s.keys.signoff1, "signoff", "Bima Kepatuhan"},
		{&s.keys.signoff2, "signoff", "Cici Kepatuhan"},
		{&s.keys.operator, "operator", "Deni Operator"},
		{&s.keys.auditor, "auditor", "Erna Auditor"},
	} {
		args := []string{"keys", "create", "--client", "demo", "--role", k.role}
		if k.subject != "" {
			args = append(args, "--subject", k.subject)
		}
		key, err := command(ctx, binary, env, args...)
		if err != nil {
			return err
		}
		*k.into = key
	}
	return nil
}

// stop takes down whatever is up, last come first gone.
func (s *stack) stop() error {
	var wg sync.WaitGroup
	ends := make([]error, len(s.servers))
	for i, p := range s.servers {
		wg.Go(func() { ends[i] = p.stop() })
	}
	wg.Wait()
	s.client.CloseIdleConnections()
	if s.vendors != nil {
		s.vendors.Close()
	}
	if s.door != nil {
		_ = s.door.Close()
	}
	if s.postgres != nil {
		s.postgres.Stop()
	}
	return errors.Join(ends...)
}
