package store_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
)

// A proxy stands between a store and its Postgres and can lose a message once.
type proxy struct {
	target *pgconn.Config
	lose   atomic.Int32
	before func() // run once before an answer is lost, if set
}

const (
	loseNothing int32 = iota
	loseRequest       // the connection breaks before the next move reaches the server
	loseAnswer        // the connection breaks before the next COMMIT's answer reaches the client
)

// newProxy starts one and returns the URL that leads through it.
func newProxy(t *testing.T, dsn string) (*proxy, string) {
	t.Helper()
	cfg, err := pgconn.ParseConfig(dsn)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	p := &proxy{target: cfg}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	u := url.URL{Scheme: "postgres", User: url.UserPassword(cfg.User, cfg.Password), Host: l.Addr().String(), Path: "/" + cfg.Database, RawQuery: "sslmode=disable"}
	return p, u.String()
}

func (p *proxy) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	network, address := pgconn.NetworkAddress(p.target.Host, p.target.Port)
	s, err := net.Dial(network, address)
	if err != nil {
		return
	}
	defer func() { _ = s.Close() }()
	go func() {
		defer func() { _ = c.Close() }()
		p.answers(c, s)
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if err != nil || bytes.Contains(buf[:n], []byte("WITH moved AS")) && p.lose.CompareAndSwap(loseRequest, loseNothing) {
			return
		}
		if _, err := s.Write(buf[:n]); err != nil {
			return
		}
	}
}

// answers passes the server's messages on, one by one: a type, four bytes of
// length, a body. CommandComplete is C, its body the command's tag.
func (p *proxy) answers(c, s net.Conn) {
	head := make([]byte, 5)
	for {
		if _, err := io.ReadFull(s, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(s, body); err != nil {
			return
		}
		if head[0] == 'C' && string(body) == "COMMIT\x00" && p.lose.CompareAndSwap(loseAnswer, loseNothing) {
			if p.before != nil {
				p.before()
			}
			return
		}
		if _, err := c.Write(append(head, body...)); err != nil {
			return
		}
	}
}

// TestAmbiguousCommit: the move was committed and nobody heard of it. Reading
// the row tells.
func TestAmbiguousCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, through := newProxy(t, w.db.URL)
	st := w.open(through, keyring(t, 0))
	o := w.create("app-1")
	for _, e := range []fsm.Event{fsm.Passed, fsm.Submitted, fsm.Referred} {
		p.lose.Store(loseAnswer)
		if err := st.Advance(t.Context(), &store.Move{Row: o, Event: e, Facts: o.Facts, Actor: actor})[0]; err != nil {
			t.Fatalf("%s was committed, and reported as: %v", e, err)
		}
		if p.lose.Load() != loseNothing {
			t.Fatal("no answer was lost")
		}
		w.same(o)
	}
	if n := one[int](w, `SELECT count(*) FROM reviews`); o.State != fsm.KTPReview || n != 1 {
		t.Errorf("in %s with %d reviews", o.State, n)
	}
}

// TestAmbiguousCommitOfALostLease: between COMMIT and the reading that resolves
// it, the lease passed and another process took the row. The move counts, but
// the caller must not believe that the other's time is its own.
func TestAmbiguousCommitOfALostLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, through := newProxy(t, w.db.URL)
	st := w.open(through, keyring(t, 0))
	w.create("app-1")
	o := w.claim(1)[0]
	for _, e := range []fsm.Event{fsm.Passed, fsm.Submitted} {
		must(t, st.Advance(t.Context(), &store.Move{Row: o, Claim: o.Lease, Event: e, Facts: o.Facts, Actor: actor, Hold: time.Hour, HoldBy: o.Lease})[0])
	}
	p.before = func() {
		w.sql(`UPDATE onboardings SET due_at = now() - interval '1 second' WHERE id = $1`, o.ID)
		if rows, err := w.st.Claim(t.Context(), 1, time.Hour); err != nil || len(rows) != 1 {
			t.Errorf("the other took %d rows: %v", len(rows), err)
		}
	}
	p.lose.Store(loseAnswer)
	m := &store.Move{Row: o, Claim: o.Lease, Event: fsm.Recapture, Facts: o.Facts, Actor: actor, Hold: time.Hour, HoldBy: o.Lease}
	must(t, st.Advance(t.Context(), m)[0])
	if o.State != fsm.AwaitingKTP || o.Lease != never || !o.LeaseEnds().IsZero() {
		t.Errorf("%s, believed to be held until %v", o.State, o.LeaseEnds())
	}
}

// TestLostMove: the move never arrived. That is an outage, and nothing moved.
func TestLostMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, through := newProxy(t, w.db.URL)
	st := w.open(through, keyring(t, 0))
	o := w.create("app-1")
	p.lose.Store(loseRequest)
	m := &store.Move{Row: o, Event: fsm.Passed, Facts: o.Facts, Actor: actor}
	w.unchanged(func() { wantErr(t, st.Advance(t.Context(), m)[0], store.ErrUnavailable) })
	if o.State != fsm.Registering || o.Version != 1 {
		t.Errorf("the caller's row changed: %+v", state(o))
	}
	must(t, st.Advance(t.Context(), m)[0]) // and can be repeated as it is
	w.same(o)
}

// TestAmbiguousCreate: whoever applies again gets what was made.
func TestAmbiguousCreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, through := newProxy(t, w.db.URL)
	st := w.open(through, keyring(t, 0))
	p.lose.Store(loseAnswer)
	_, _, err := st.Create(t.Context(), w.application("app-1"))
	wantErr(t, err, store.ErrUnavailable)
	o, created, err := st.Create(t.Context(), w.application("app-1"))
	must(t, err)
	if created {
		t.Error("made twice")
	}
	w.same(o)
}

// TestKilledSession: a session ended by the server is an outage, and the next
// one works.
func TestKilledSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.create("app-1")
	tx, err := w.db.Pool.Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM onboardings WHERE id = $1 FOR UPDATE`, o.ID) // the move will wait here
	must(t, err)
	done := make(chan error, 1)
	go func() {
		done <- w.st.Advance(t.Context(), &store.Move{Row: o, Event: fsm.Passed, Facts: o.Facts, Actor: actor})[0]
	}()
	w.until("the waiting move is killed", `SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) FROM pg_stat_activity
		WHERE application_name = 'gerbang' AND datname = current_database() AND wait_event_type = 'Lock'`)
	err = <-done
	wantErr(t, err, store.ErrUnavailable)
	must(t, tx.Rollback(t.Context()))
	w.same(w.get(o))
	if o.Version != 1 {
		t.Error("the caller's row changed")
	}
	w.move(&store.Move{Row: o, Event: fsm.Passed, Facts: o.Facts, Actor: actor})
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	dead := l.Addr().String()
	must(t, l.Close())
	_, err = store.Open(t.Context(), fmt.Sprintf("postgres://someone:MARKER@%s/gerbang?sslmode=disable", dead), keyring(t, 0), store.Options{})
	wantErr(t, err, store.ErrUnavailable)
	if err == nil || strings.Contains(err.Error(), "MARKER") {
		t.Errorf("%v", err)
	}
	_, err = store.Open(t.Context(), "postgres://someone:MARKER@host:port/%%", keyring(t, 0), store.Options{})
	if err == nil || strings.Contains(err.Error(), "MARKER") {
		t.Errorf("%v", err)
	}
}
