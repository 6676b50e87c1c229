package vendors

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// stopped is a clock that shows before for its first readings and after for
// all later ones: a process stopped in between.
func stopped(before, after time.Time, readings int64) func() time.Time {
	var n atomic.Int64
	return func() time.Time {
		if n.Add(1) <= readings {
			return before
		}
		return after
	}
}

func fencedCaller(t *testing.T) *Caller {
	t.Helper()
	transport := NewTransport(time.Minute)
	t.Cleanup(transport.CloseIdle)
	return &Caller{Transport: transport}
}

func fencedPost(url string) Call {
	return Call{Product: "identity", Name: "step-up", Method: http.MethodPost, URL: url,
		Header: http.Header{"Idempotency-Key": {"app-1:step-up:1"}}, Body: NewBody().Set("a", 1)}
}

// A worker that is stopped after the dial and woken when its lease has passed
// sends nothing, over a new connection or a pooled one, with TLS or without.
func TestWokenZombieSendsNothing(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		for _, pooled := range []bool{false, true} {
			for _, method := range []string{http.MethodPost, http.MethodGet} {
				var requests, dials atomic.Int64
				srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					requests.Add(1)
					_, _ = io.WriteString(w, "{}")
				}))
				srv.Config.ErrorLog = log.New(io.Discard, "", 0)
				if secure {
					srv.StartTLS()
				} else {
					srv.Start()
				}
				t.Cleanup(srv.Close)
				c := fencedCaller(t)
				dial := c.Transport.base.DialContext
				c.Transport.base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
					dials.Add(1)
					return dial(ctx, network, addr)
				}
				if secure {
					c.Transport.base.TLSClientConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig
				}
				call := fencedPost(srv.URL)
				call.Method = method
				if method == http.MethodGet {
					call.Body = nil
				}
				if pooled {
					if _, err := c.Do(t.Context(), call); err != nil {
						t.Fatal(err)
					}
				}
				seen := requests.Load()

				deadline := time.Now().Add(time.Hour)
				c.Transport.now = stopped(deadline.Add(-time.Second), deadline, 1)
				_, err := c.Do(WithSendDeadline(t.Context(), deadline), call)
				var e *Error
				if !errors.Is(err, ErrLeasePassed) || !errors.As(err, &e) || e.OutcomeUnknown() || e.Reason != ReasonLeasePassed {
					t.Errorf("secure %v, pooled %v, %s: got %v", secure, pooled, method, err)
				}
				if requests.Load() != seen {
					t.Errorf("secure %v, pooled %v, %s: the zombie sent", secure, pooled, method)
				}
				if dials.Load() != 1 {
					t.Errorf("secure %v, pooled %v, %s: %d connections, want the one", secure, pooled, method, dials.Load())
				}

				// The next worker, whose lease is good, is not held back.
				c.Transport.now = time.Now
				if _, err := c.Do(WithSendDeadline(t.Context(), deadline), call); err != nil {
					t.Errorf("secure %v, pooled %v, %s: after the zombie: %v", secure, pooled, method, err)
				}
			}
		}
	}
}

// A lease that passed before anything began does not even dial.
func TestLeasePassedBeforeDial(t *testing.T) {
	t.Parallel()
	var dials atomic.Int64
	c := fencedCaller(t)
	c.Transport.base.DialContext = func(context.Context, string, string) (net.Conn, error) {
		dials.Add(1)
		return nil, errors.New("no network here")
	}
	_, err := c.Do(WithSendDeadline(t.Context(), time.Now()), fencedPost("http://vendor.invalid"))
	if !errors.Is(err, ErrLeasePassed) || dials.Load() != 0 {
		t.Errorf("got %v after %d dials", err, dials.Load())
	}
}

// A lease that passes within a long body cuts it: the vendor never sees the
// request whole, and the outcome counts as unknown.
func TestLeasePassedWithinBody(t *testing.T) {
	t.Parallel()
	var whole atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		whole.Store(err == nil)
	}))
	c := fencedCaller(t)
	call := fencedPost(srv.URL)
	call.Body = NewBody().Set("bundle", string(make([]byte, 1<<20)))
	deadline := time.Now().Add(time.Hour)
	c.Transport.now = stopped(deadline.Add(-time.Second), deadline, 4)
	_, err := c.Do(WithSendDeadline(t.Context(), deadline), call)
	srv.Close() // waits for the handler
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrLeasePassed) || !e.OutcomeUnknown() || whole.Load() {
		t.Errorf("got %v, whole body %v", err, whole.Load())
	}
}

// dropSecond serves HTTP on a listener: the first request on a connection is
// answered, the second is read and the connection closed without an answer,
// which is what net/http takes for an idle connection that died.
func dropSecond(t *testing.T) (url string, requests *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	requests = new(atomic.Int64)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				in := bufio.NewReader(conn)
				for n := range 2 {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					requests.Add(1)
					if n == 0 {
						_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String(), requests
}

// net/http would play a POST with an Idempotency-Key again on a fresh
// connection. It must reach the vendor once.
func TestPostIsSentOnce(t *testing.T) {
	t.Parallel()
	url, requests := dropSecond(t)
	c := fencedCaller(t)
	if _, err := c.Do(t.Context(), fencedPost(url)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Do(t.Context(), fencedPost(url))
	var e *Error
	if !errors.As(err, &e) || !e.OutcomeUnknown() || !e.Retryable() || e.Reason != ReasonConnection {
		t.Errorf("got %v", err)
	}
	if got := requests.Load(); got != 2 {
		t.Errorf("two calls became %d requests", got)
	}
}

// A read may be repeated by net/http, under the same fence.
func TestGetIsRepeated(t *testing.T) {
	t.Parallel()
	url, requests := dropSecond(t)
	c := fencedCaller(t)
	get := Call{Product: "identity", Name: "kyc.get", Method: http.MethodGet, URL: url}
	for range 2 {
		if _, err := c.Do(t.Context(), get); err != nil {
			t.Fatal(err)
		}
	}
	if got := requests.Load(); got != 3 {
		t.Errorf("%d requests, want 3: the second was cut and repeated", got)
	}
}

// deadPooled refuses every byte once it is gone, as a connection does whose
// peer is.
type deadPooled struct {
	net.Conn
	gone atomic.Bool
}

func (c *deadPooled) Write(p []byte) (int, error) {
	if c.gone.Load() {
		return 0, syscall.EPIPE
	}
	return c.Conn.Write(p)
}

// While provably nothing was written, net/http may try another connection, and
// the lease holds there too.
func TestReplayWhenNothingWasWritten(t *testing.T) {
	t.Parallel()
	for _, leaseHolds := range []bool{true, false} {
		var requests atomic.Int64
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			body, _ := io.ReadAll(r.Body)
			if string(body) != `{"a":1}` {
				t.Errorf("body %q", body)
			}
			_, _ = io.WriteString(w, "{}")
		}))
		t.Cleanup(srv.Close)
		c := fencedCaller(t)
		first := &deadPooled{}
		c.Transport.base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil || first.Conn != nil {
				return &fencedConn{Conn: conn}, err
			}
			first.Conn = conn
			return &fencedConn{Conn: first}, nil
		}
		if _, err := c.Do(t.Context(), fencedPost(srv.URL)); err != nil {
			t.Fatal(err)
		}
		first.gone.Store(true)
		deadline := time.Now().Add(time.Hour)
		if !leaseHolds { // before sending, at the dead connection, and then no more
			c.Transport.now = stopped(deadline.Add(-time.Second), deadline, 2)
		}
		_, err := c.Do(WithSendDeadline(t.Context(), deadline), fencedPost(srv.URL))
		switch {
		case leaseHolds && (err != nil || requests.Load() != 2):
			t.Errorf("got %v after %d requests, want a replay", err, requests.Load())
		case !leaseHolds && (!errors.Is(err, ErrLeasePassed) || requests.Load() != 1):
			t.Errorf("got %v after %d requests, want the replay fenced", err, requests.Load())
		}
	}
}

// suspended moves t's wall clock by d and leaves its monotonic reading, which
// is the second word of a time.Time; no exported function does that.
func suspended(t time.Time, d time.Duration) time.Time {
	moved := t.Add(d)
	*(*int64)(unsafe.Add(unsafe.Pointer(&moved), 8)) -= int64(d)
	return moved
}

// Either clock ends a lease: the wall clock when the monotonic one stood still
// in a suspended machine.
func TestPassedByEitherClock(t *testing.T) {
	t.Parallel()
	now := time.Now()
	f := fence{deadline: now.Add(time.Second), now: func() time.Time { return now }}
	if f.passed() {
		t.Error("passed a second early")
	}
	f.now = func() time.Time { return suspended(now, 2*time.Second) }
	if !f.passed() {
		t.Error("not passed by the wall clock")
	}
	f.now = func() time.Time { return suspended(now.Add(2*time.Second), -2*time.Second) }
	if !f.passed() {
		t.Error("not passed by the monotonic clock")
	}
}

// stuck blocks a write until its deadline.
type stuck struct{ net.Conn }

func (stuck) Write([]byte) (int, error)        { return 0, os.ErrDeadlineExceeded }
func (stuck) SetWriteDeadline(time.Time) error { return nil }

// A write that blocks until the lease has passed ends as one that came too late.
func TestBlockedWriteEndsWithTheLease(t *testing.T) {
	t.Parallel()
	var refused error
	now := time.Now()
	c := &fencedConn{Conn: stuck{}}
	c.arm(&fence{deadline: now.Add(time.Second), now: func() time.Time { return now }, refuse: func(err error) { refused = err }})
	if _, err := c.Write([]byte("x")); !errors.Is(err, ErrLeasePassed) || !errors.Is(refused, ErrLeasePassed) {
		t.Errorf("got %v, refused with %v", err, refused)
	}
}
