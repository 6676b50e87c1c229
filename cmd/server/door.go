package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// stale is how long a connection must have been idle before it is closed on a
// client: whoever sends on a connection at the moment it is closed sees an
// error that is not theirs to understand. A client that keeps its connections
// busy has them closed with an answer (Connection: close) long before.
const stale = 3 * time.Second

// door lets requests in, and closes without catching anybody's fingers.
type door struct {
	server *http.Server
	listen net.Listener
	mu     sync.Mutex
	idle   map[net.Conn]time.Time // since when
}

func newDoor(server *http.Server, l net.Listener) *door {
	d := &door{server: server, listen: l, idle: map[net.Conn]time.Time{}}
	server.ConnState = d.watch
	return d
}

func (d *door) serve() error { return d.server.Serve(d.listen) }

func (d *door) watch(c net.Conn, s http.ConnState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s == http.StateNew || s == http.StateIdle {
		d.idle[c] = time.Now()
		return
	}
	delete(d.idle, c) // at work, or gone
}

// quiet reports whether no connection became idle a moment ago.
func (d *door) quiet() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, since := range d.idle {
		if time.Since(since) < stale {
			return false
		}
	}
	return true
}

// close waits for the notice, takes no new connections, waits for those that
// are open to be used once more or to be stale, and ends when every request has
// its answer, or ctx ends. Without notice nobody is waited for but requests.
func (d *door) close(ctx context.Context, notice time.Duration) error {
	await(ctx, notice)
	if notice > 0 {
		_ = d.listen.Close() // Serve returns; open connections are still served
		for !d.quiet() && ctx.Err() == nil {
			await(ctx, 50*time.Millisecond)
		}
	}
	// The listener is closed already: Shutdown may trip over that.
	if err := d.server.Shutdown(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
		return errors.Join(fmt.Errorf("requests were cut off: %w", err), d.server.Close())
	}
	return nil
}

func await(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
