package api_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/api"
	"github.com/gerbang-id/gerbang/internal/fsm"
)

// TestPatience: a request that gets nowhere is answered, not held for as long as
// its client waits; a poll that asks to wait and a slow upload are not meant.
func TestPatience(t *testing.T) {
	t.Parallel()
	const patience = 300 * time.Millisecond
	w := newWorld(t, func(_ *fsm.Policy, c *api.Config) { c.Patience = patience })
	id := w.create("Citra Uji Lancar")
	w.do("frontend", "GET", "/onboardings/"+id+"?wait=1", nil, header{"If-None-Match": `"2"`}).want(304)
	reader, writer := io.Pipe()
	go func() { // a body that takes longer than a request may
		for _, part := range []string{`{"bundle"`, `:`, `{}`, `}`} {
			time.Sleep(patience / 2)
			_, _ = writer.Write([]byte(part))
		}
		_ = writer.Close()
	}()
	w.do("sdk", "POST", "/onboardings/"+id+"/ktp/capture", reader).want(400, "validation_failed")

	lock, err := w.db.Pool.Begin(t.Context())
	w.must(err)
	_, err = lock.Exec(t.Context(), `LOCK TABLE onboardings`)
	w.must(err)
	begun := time.Now()
	for _, a := range []answer{
		w.do("frontend", "GET", "/onboardings/"+id, nil), w.do("frontend", "POST", "/onboardings/"+id+"/cancel", nil),
	} {
		if a.want(503, "vendor_unavailable"); a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if took := time.Since(begun); took > 4*time.Second { // the lock's own limit is 5 s
		t.Errorf("two requests took %v", took)
	}
	w.must(lock.Rollback(t.Context()))
	w.do("frontend", "GET", "/onboardings/"+id, nil).want(200)
}

// TestDrainingClosesConnections: a client that is told so does not send its next
// request into a closing connection.
func TestDrainingClosesConnections(t *testing.T) {
	t.Parallel()
	draining := make(chan struct{})
	w := newWorld(t, func(_ *fsm.Policy, c *api.Config) { c.Draining = draining })
	told := func() bool {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/healthz", nil)
		w.must(err)
		resp, err := http.DefaultClient.Do(req)
		w.must(err)
		w.must(resp.Body.Close())
		return resp.Close
	}
	before := told()
	close(draining)
	if before || !told() {
		t.Errorf("told to close before: %t", before)
	}
}
