package proof

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// balancer is what stands before the replicas: round robin, on to the next one
// when a connection is refused or the answer is 503 with Retry-After, and for no
// other reason. Whatever else goes wrong, its clients would have seen.
type balancer struct {
	stack *Stack
	calls http.Transport
	turn  atomic.Int64

	mu   sync.Mutex
	seen []string // that no client should see
	on   int      // times another replica was asked
}

func (b *balancer) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = append(b.seen, fmt.Sprintf(format, args...))
}

// ServeHTTP forwards a request to the replicas in turn.
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	for range 200 {
		servers := b.stack.Servers()
		p := servers[int(b.turn.Add(1))%len(servers)]
		if p.URL == "" {
			continue // it has just been started
		}
		req, err := http.NewRequestWithContext(r.Context(), r.Method, p.URL+r.URL.RequestURI(), bytes.NewReader(body))
		if err != nil {
			b.note("%v", err)
			return
		}
		req.Header = r.Header.Clone()
		resp, err := b.calls.RoundTrip(req)
		switch {
		case r.Context().Err() != nil:
			return
		case errors.Is(err, syscall.ECONNREFUSED):
		case err != nil:
			b.note("%s %s by %s: %v", r.Method, r.URL.Path, p.Name, err)
			w.WriteHeader(http.StatusBadGateway)
			return
		case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
			_ = resp.Body.Close()
		default:
			b.pass(w, resp)
			return
		}
		b.mu.Lock()
		b.on++
		b.mu.Unlock()
		_ = pause(r.Context(), 5*time.Millisecond)
	}
	b.note("%s %s: nobody answered", r.Method, r.URL.Path)
	w.WriteHeader(http.StatusBadGateway)
}

func (b *balancer) pass(w http.ResponseWriter, resp *http.Response) {
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.note("an answer broke off: %v", err)
	}
	if resp.StatusCode >= 500 {
		b.note("%d %s", resp.StatusCode, text)
	}
	resp.Header.Del("Connection")
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(text)
}

// behind is the same stack as clients of a balancer see it.
func behind(t *testing.T, s *Stack, h http.Handler) *Stack {
	t.Helper()
	door := httptest.NewServer(h)
	t.Cleanup(door.Close)
	return &Stack{T: t, DB: s.DB, Store: s.Store, Vendors: s.Vendors, Keys: s.Keys,
		servers: []*Process{{Name: "the balancer", URL: door.URL, ended: make(chan struct{})}}}
}

// TestRollingRestart: three replicas are restarted one by one under load.
// Clients see no error but 503 with Retry-After and refused connections; what a
// replica had in hand is given back at once, and no step is repeated.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	const lease = 20 * time.Second // whoever waited for one would be noticed
	s := New(t, Options{
		Sandbox: sandbox.Options{Latency: 20 * time.Millisecond},
		Env:     []string{"GERBANG_LEASE=" + lease.String(), "GERBANG_VENDOR_TIMEOUT=5s"},
	})
	replicas := []*Process{s.MustServe(), s.MustServe(), s.MustServe()}
	b := &balancer{stack: s}
	clients := behind(t, s, b)
	ctx := within(t, 50*time.Second)

	var cases []Case
	var wrong []error
	begun := time.Now()
	for wave := 0; len(replicas) > 0; wave++ { // a wave in flight at each restart
		crowd := crowd(fmt.Sprintf("wave%d", wave), 25)
		cases = append(cases, crowd...)
		played := make(chan []error, 1)
		go func() { played <- clients.PlayAll(ctx, crowd) }()
		must(t, pause(ctx, 250*time.Millisecond))
		leaving := replicas[0]
		replicas = replicas[1:]
		asked := time.Now()
		must(t, leaving.Term())
		if took := time.Since(asked); took > 8*time.Second {
			t.Errorf("%s took %v to leave", leaving.Name, took)
		}
		gone := time.Now()
		s.MustServe()
		wrong = append(wrong, <-played...)
		if took := time.Since(gone); took > lease/3 {
			t.Errorf("%v after %s had left: somebody waited for a lease to pass", took, leaving.Name)
		}
	}
	t.Logf("%d onboardings over three restarts in %v; %d times another replica was asked", len(cases), time.Since(begun), b.on)
	for _, err := range wrong {
		t.Error(err)
	}
	for _, what := range b.seen {
		t.Errorf("a client saw: %s", what)
	}
	s.CheckInvariants(t, cases...)
	for _, e := range s.Vendors.Effects().Effects {
		if e.Replayed != 0 {
			t.Errorf("%s of %s was sent %d times", e.Call, e.ExternalID, e.Replayed+1)
		}
	}
	lookups := map[string]int{}
	for _, e := range s.Vendors.Journal() {
		if e.Call == "dukcapil.verify" {
			if lookups[e.Application]++; lookups[e.Application] > 1 {
				t.Errorf("%s was looked up twice", e.Application)
			}
		}
	}
}
