package vendors

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/gerbang-id/gerbang/internal/crashpoint"
)

// ErrLeasePassed is the cause of an Error whose request was not sent, or not
// sent to its end, because the worker's lease had passed.
var ErrLeasePassed = errors.New("the lease passed before the request was sent")

// errSentOnce stops net/http from playing a POST again on a second connection.
var errSentOnce = errors.New("the request was already sent once")

type sendDeadlineKey struct{}

// WithSendDeadline forbids requests made with ctx to write to a vendor's
// connection at or after deadline, which is the end of the worker's lease.
// Reading an answer is not bound by it.
func WithSendDeadline(ctx context.Context, deadline time.Time) context.Context {
	return context.WithValue(ctx, sendDeadlineKey{}, deadline)
}

// fence guards one request. It is asked at every write to the connection: a
// process can be stopped between any two of its own instructions, so an earlier
// check alone let 14 of 35 woken zombies send (design, section 4).
type fence struct {
	deadline time.Time // zero: none
	once     bool      // may be written to one connection only
	now      func() time.Time
	refuse   context.CancelCauseFunc

	// sentOn is the connection that took bytes of this request; nil means that
	// provably nothing was written.
	sentOn atomic.Pointer[fencedConn]
}

// passed asks the monotonic and the wall clock: the first stands still while a
// virtual machine is suspended, the second may be set back.
func (f *fence) passed() bool {
	if f.deadline.IsZero() {
		return false
	}
	now := f.now()
	return !now.Before(f.deadline) || !now.Round(0).Before(f.deadline.Round(0))
}

func (f *fence) sent() bool { return f.sentOn.Load() != nil }

// fencedConn is a plain TCP connection (under TLS, where there is TLS) that
// lets the fence of the request it currently serves decide about each write.
// Requests follow each other on it, HTTP/1.1 without pipelining, and each arms
// it anew.
type fencedConn struct {
	net.Conn
	fence atomic.Pointer[fence] // nil until the first request: the TLS handshake is free
}

func (c *fencedConn) arm(f *fence) {
	c.fence.Store(f)
	// A write that blocks because the vendor stopped reading ends with the lease.
	_ = c.SetWriteDeadline(f.deadline)
}

func (c *fencedConn) Write(p []byte) (int, error) {
	f := c.fence.Load()
	if f == nil {
		return c.Conn.Write(p)
	}
	crashpoint.Hit("vendor-before-write")
	if f.passed() {
		f.refuse(ErrLeasePassed)
		return 0, ErrLeasePassed
	}
	// Claimed before the write, so that a reader never sees "nothing sent" while
	// bytes are on their way.
	first := f.sentOn.CompareAndSwap(nil, c)
	if !first && f.once && f.sentOn.Load() != c {
		f.refuse(errSentOnce)
		return 0, errSentOnce
	}
	n, err := c.Conn.Write(p)
	crashpoint.Hit("vendor-written")
	if first && n == 0 && err != nil {
		f.sentOn.CompareAndSwap(c, nil)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		f.refuse(ErrLeasePassed)
		return n, ErrLeasePassed
	}
	return n, err
}

// fencedUnder finds the fenced connection below TLS. Every connection of the
// transport was dialled by it, so there is always one.
func fencedUnder(conn net.Conn) *fencedConn {
	for {
		switch c := conn.(type) {
		case *fencedConn:
			return c
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}
