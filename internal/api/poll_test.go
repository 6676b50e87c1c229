package api_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gerbang-id/gerbang/internal/api"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
)

func TestETags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	a := w.do("frontend", "GET", "/onboardings/"+id, nil).want(200)
	if a.header.Get("ETag") != `"2"` || a.header.Get("Cache-Control") != "private, no-cache" || a.header.Get("Retry-After") != "" {
		t.Errorf("headers: %v", a.header)
	}
	for match, status := range map[string]int{
		`"2"`: 304, `W/"2"`: 304, `"1", "2"`: 304, `*`: 304, `"1"`: 200, `2`: 200, `"22"`: 200, `garbage`: 200,
	} {
		a := w.do("frontend", "GET", "/onboardings/"+id, nil, header{"If-None-Match": match}).want(status)
		if a.header.Get("ETag") != `"2"` || (status == 304 && len(a.body) != 0) {
			t.Errorf("%s: %v %s", match, a.header, a.body)
		}
	}
}

// A poll that waits is woken by a move of this process: nobody reads again.
func TestWaitEndsWithTheNextMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	entered := make(chan struct{})
	handler := api.NewTimed(w.replica(), time.Hour, time.Now)
	url := w.serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		handler.ServeHTTP(rw, r)
	}))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			v := w.doAt(url, "frontend", "GET", "/onboardings/"+id+"?wait=60", nil, header{"If-None-Match": `"2"`}).want(200).view()
			if v.Status != "cancelled" || v.Version != 3 {
				t.Errorf("woken with %+v", v)
			}
		})
		<-entered
	}
	// An older version, and nobody's onboarding, are answered at once.
	if v := w.do("frontend", "GET", "/onboardings/"+id+"?wait=60", nil, header{"If-None-Match": `"1"`}).want(200).view(); v.Version != 2 {
		t.Errorf("answered with %+v", v)
	}
	w.do("globex/frontend", "GET", "/onboardings/"+id+"?wait=60", nil).want(404, "not_found")
	w.do("frontend", "POST", "/onboardings/"+id+"/cancel", nil).want(200)
	wg.Wait()
}

// replica is the configuration of a further process.
func (w *world) replica() api.Config {
	c := w.cfg
	c.Registerer = nil
	return c
}

// A move by another process is found by reading again.
func TestWaitSeesOtherProcesses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	keyring, err := store.NewKeyring("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	w.must(err)
	st, err := store.Open(t.Context(), w.db.URL, keyring, store.Options{MaxConns: 4})
	w.must(err)
	t.Cleanup(st.Close)
	c := w.replica()
	c.Store = st
	entered := make(chan struct{}, 2)
	handler := api.New(c)
	replica := w.serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		handler.ServeHTTP(rw, r)
	}))
	w.doAt(replica, "frontend", "GET", "/onboardings/"+id, nil).want(200) // so that it knows key and policy
	<-entered
	var wg sync.WaitGroup
	wg.Go(func() {
		v := w.doAt(replica, "frontend", "GET", "/onboardings/"+id+"?wait=60", nil, header{"If-None-Match": `"2"`}).want(200).view()
		if v.Status != "cancelled" {
			t.Errorf("the other replica says %+v", v)
		}
	})
	<-entered
	w.do("frontend", "POST", "/onboardings/"+id+"/cancel", nil).want(200)
	wg.Wait()
}

func TestWaitEndsInTime(t *testing.T) {
	t.Parallel()
	draining := make(chan struct{})
	w := newWorld(t, func(_ *fsm.Policy, c *api.Config) { c.Draining = draining })
	id := w.create("Citra Uji Lancar")
	path := "/onboardings/" + id
	begun := time.Now()
	w.do("frontend", "GET", path+"?wait=1", nil, header{"If-None-Match": `"2"`}).want(304)
	w.do("frontend", "GET", path+"?wait=1", nil).want(200)
	if took := time.Since(begun); took < 2*time.Second {
		t.Errorf("waited %v of two seconds", took)
	}
	// A process about to end answers what it has.
	begun = time.Now()
	var wg sync.WaitGroup
	wg.Go(func() { w.do("frontend", "GET", path+"?wait=60", nil, header{"If-None-Match": `"2"`}).want(304) })
	wg.Go(func() { w.do("frontend", "GET", path+"?wait=60", nil).want(200) })
	close(draining)
	wg.Wait()
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("kept a process from ending for %v", took)
	}
	w.do("", "GET", "/readyz", nil).want(503, "vendor_unavailable")
	w.do("", "GET", "/healthz", nil).want(200)
}

// A client that goes away is not waited for.
func TestWaitEndsWithTheClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	entered, left := make(chan struct{}), make(chan struct{})
	handler := api.New(w.replica())
	url := w.serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		close(entered)
		handler.ServeHTTP(rw, r)
		close(left)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", url+"/onboardings/"+id+"?wait=60", nil)
	w.must(err)
	req.Header.Set("Authorization", "Bearer "+w.key("frontend"))
	go func() {
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			t.Error("answered")
		}
	}()
	<-entered
	cancel()
	<-left
	if log := w.log.String(); strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("that is no error: %s", log)
	}
}

// A poll is one query, by the primary key.
func TestPollIsOneQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	wire := newWire(t, w.db.URL)
	keyring, err := store.NewKeyring("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	w.must(err)
	st, err := store.Open(t.Context(), wire.url, keyring, store.Options{MaxConns: 4})
	w.must(err)
	t.Cleanup(st.Close)
	c := w.replica()
	c.Store = st
	frozen := time.Now() // the key is known all the time
	url := w.serve(api.NewTimed(c, time.Hour, func() time.Time { return frozen }))
	// The first one reads the key and the policy as well, and prepares statements.
	w.doAt(url, "frontend", "GET", "/onboardings/"+id, nil).want(200)
	before := wire.executed.Load()
	for range 3 {
		w.doAt(url, "frontend", "GET", "/onboardings/"+id, nil).want(200)
	}
	if n := wire.executed.Load() - before; n != 3 {
		t.Errorf("3 polls took %d queries", n)
	}
}

// wire is a way to Postgres that counts the statements passing by.
type wire struct {
	url      string
	executed atomic.Int64
}

func newWire(t *testing.T, url string) *wire {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	network, address := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	x := &wire{url: fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", cfg.User, l.Addr(), cfg.Database)}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := cfg.DialFunc(t.Context(), network, address)
			if err != nil {
				t.Error(err)
				return
			}
			go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
			go func() { x.pass(client, server); _ = server.Close() }()
		}
	}()
	return x
}

// pass copies a frontend's messages: a start without a type, then a type, a
// length that counts itself, and the rest (PostgreSQL, 54.2.1).
func (x *wire) pass(client io.Reader, server io.Writer) {
	for header := 4; ; header = 5 {
		message := make([]byte, header)
		if _, err := io.ReadFull(client, message); err != nil {
			return
		}
		length := binary.BigEndian.Uint32(message[header-4:])
		message = append(message, make([]byte, length-4)...)
		if _, err := io.ReadFull(client, message[header:]); err != nil {
			return
		}
		if header == 5 && (message[0] == 'E' || message[0] == 'Q') { // Execute, Query
			x.executed.Add(1)
		}
		if _, err := server.Write(message); err != nil {
			return
		}
	}
}
