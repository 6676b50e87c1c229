package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// outage is something that goes wrong with the database.
type outage struct {
	name  string
	env   []string
	begin func(*ailing) (end func())
	reads bool // may be answered all the same
	// spared: anything may be answered all the same, and readiness is not lost for sure.
	spared bool
}

// ailing is a stack on a Postgres of its own, with one server.
type ailing struct {
	*Stack
	pg   *postgres
	proc *Process
}

const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gerbang' AND pid <> pg_backend_pid()`

var outages = []outage{
	{name: "stopped", begin: func(a *ailing) func() {
		a.pg.srv.Stop()
		return a.pg.start
	}},
	{name: "killed", begin: func(a *ailing) func() {
		a.pg.kill()
		return a.pg.start
	}},
	{name: "terminated", spared: true, reads: true, begin: func(a *ailing) func() {
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		all.Go(func() {
			for pause(ctx, 10*time.Millisecond) == nil {
				_, _ = a.DB.Pool.Exec(ctx, terminate)
			}
		})
		return func() { cancel(); all.Wait() }
	}},
	{name: "read-only", reads: true, begin: func(a *ailing) func() {
		set := func(to string) {
			a.sql(`ALTER SYSTEM SET default_transaction_read_only = ` + to)
			a.sql(`SELECT pg_reload_conf()`)
			a.sql(terminate) // as when it fails over: every session is new
		}
		set("on")
		return func() { set("off") }
	}},
	{name: "no connection left", env: []string{"as app"}, begin: func(a *ailing) func() {
		a.sql(`ALTER ROLE app CONNECTION LIMIT 0`)
		a.sql(terminate)
		return func() { a.sql(`ALTER ROLE app CONNECTION LIMIT -1`) }
	}},
	{name: "locked", reads: true, begin: func(a *ailing) func() {
		tx, err := a.DB.Pool.Begin(a.T.Context())
		must(a.T, err)
		_, err = tx.Exec(a.T.Context(), `LOCK TABLE onboardings, events`)
		must(a.T, err)
		return func() { must(a.T, tx.Rollback(a.T.Context())) }
	}},
	{name: "full", reads: true, spared: true, begin: (*ailing).fill},
}

// TestOutages: whatever the database does, clients are answered 503 with
// Retry-After in time, readiness says so, and all comes back by itself.
func TestOutages(t *testing.T) {
	t.Parallel()
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			pg := newPostgres(t)
			a := &ailing{pg: pg}
			env := []string{"GERBANG_MAX_CONNS=4"}
			url := pg.url() + "&lock_timeout=700ms"
			if len(o.env) > 0 {
				url += "&user=app"
			}
			a.Stack = newOn(t, pg, Options{Env: append(env, "DATABASE_URL="+url)})
			a.sql(`CREATE ROLE app LOGIN`)
			a.sql(`GRANT ALL ON ALL TABLES IN SCHEMA public TO app`)
			a.sql(`GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app`)
			a.proc = a.MustServe()
			a.suffer(o)
		})
	}
}

func (a *ailing) suffer(o outage) {
	t, ctx := a.T.(*testing.T), within(a.T.(*testing.T), 100*time.Second)
	a.Vendors.SetLatency("", 30*time.Millisecond)
	cases := []Case{
		{App: "waits", Person: "Dewi Rekaan Sabar", Want: approved(fsm.Premium)},
		{App: "works", Person: "Dewi Rekaan Sabar", Want: approved(fsm.Premium), Faults: []sandbox.Fault{
			{Call: "ktp.capture", Kind: sandbox.FaultHangAfter, Count: 1},
		}},
		{App: "review", Person: "Hasan Uji Tinjau", Want: approved(fsm.Premium, fsm.ReviewKTP)},
	}
	ids := map[string]string{}
	for _, c := range cases {
		ids[c.App] = a.inFlight(ctx, c)
	}
	end := o.begin(a)
	a.turns(ctx, http.StatusServiceUnavailable, 5*time.Second, o.spared)
	refused := 0
	for round := range 2 {
		refused += a.besiege(ctx, o, ids, round)
	}
	t.Logf("%d requests were refused", refused)
	if refused == 0 {
		t.Error("nobody noticed")
	}
	end()
	a.turns(ctx, http.StatusOK, 15*time.Second, false)
	begun := time.Now()
	for _, c := range cases {
		c.Faults = nil
		if err := a.playThrough(ctx, c); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("what was in flight took %v", took)
	}
	a.CheckInvariants(t)
	for _, c := range cases {
		if got, err := a.Store.Get(ctx, client, uuid.MustParse(ids[c.App])); err != nil || got.State != fsm.Approved {
			t.Errorf("%s: %v, %v", c.App, got, err)
		}
	}
}

// inFlight brings a case as far as its KTP capture.
func (a *ailing) inFlight(ctx context.Context, c Case) string {
	t := a.T
	t.Helper()
	for _, f := range c.Faults {
		f.ExternalID = c.App
		must(t, a.Vendors.AddFault(f))
	}
	v, err := a.apply(ctx, c)
	must(t, err)
	for v.NextAction.Type != "capture_ktp" {
		v, err = a.poll(ctx, v)
		must(t, err)
	}
	if c.App != "waits" {
		must(t, a.capture(ctx, v.ID, "ktp", func(ch sandbox.FlashChallenge) json.RawMessage {
			return sandbox.SampleKTPBundle(ch, time.Now(), nil)
		}))
	}
	return v.ID
}

// turns waits until readiness is as wanted.
func (a *ailing) turns(ctx context.Context, want int, limit time.Duration, lenient bool) {
	a.T.Helper()
	begun := time.Now()
	for {
		got, err := a.once(ctx, a.proc, call{method: http.MethodGet, path: "/readyz"}, nil)
		switch {
		case err == nil && got.status == want:
			if want == http.StatusServiceUnavailable && got.header.Get("Retry-After") == "" {
				a.T.Error("readyz: 503 without Retry-After")
			}
			return
		case time.Since(begun) > limit && lenient:
			return
		case time.Since(begun) > limit:
			a.T.Errorf("readyz is not %d after %v: %d %s %v", want, limit, got.status, got.body, err)
			return
		}
		if want == http.StatusServiceUnavailable { // some faults show when something is written, and not before
			_, _ = a.once(ctx, a.proc, a.form("probe"), a.formBody("probe"))
		}
		_ = pause(ctx, 50*time.Millisecond)
	}
}

func (a *ailing) form(app string) call {
	return call{key: a.Keys.Frontend, method: http.MethodPost, path: "/onboardings", body: app}
}

func (a *ailing) formBody(app string) []byte {
	return fmt.Appendf(nil, `{"applicationId":%q,"fullName":"Dewi Rekaan Baru","email":"baru@example.test","phone":"+628110000000"}`, app)
}

// patient asks without haste: how long the server takes is what is measured.
var patient = &http.Client{Timeout: 40 * time.Second}

// besiege sends many requests at once. Each must be answered in time, as an
// outage or as if nothing had happened, and never as a fault of the server.
func (a *ailing) besiege(ctx context.Context, o outage, ids map[string]string, round int) int {
	type ask struct {
		call
		body []byte
		read bool
	}
	asks := []ask{
		{call: call{key: a.Keys.Frontend, method: http.MethodGet, path: "/onboardings/" + ids["waits"]}, read: true},
		{call: call{key: a.Keys.Frontend, method: http.MethodGet, path: "/onboardings/" + ids["works"] + "?wait=1"}, read: true},
		{call: call{key: a.Keys.Frontend, method: http.MethodGet, path: "/onboardings?status=awaiting_input"}, read: true},
		{call: call{key: a.Keys.SDK, method: http.MethodPost, path: "/onboardings/" + ids["waits"] + "/ktp/challenge"}},
		{call: call{key: a.Keys.Analyst, method: http.MethodGet, path: "/reviews"}, read: true},
	}
	for n := range 8 {
		app := fmt.Sprintf("new-%d-%d", round, n)
		asks = append(asks, ask{call: a.form(app), body: a.formBody(app)})
	}
	var all sync.WaitGroup
	var refused atomic.Int64
	for _, q := range asks {
		all.Go(func() {
			begun := time.Now()
			req, err := http.NewRequestWithContext(ctx, q.method, a.proc.URL+q.path, bytes.NewReader(q.body))
			must(a.T, err)
			req.Header.Set("Authorization", "Bearer "+q.key)
			if q.body != nil {
				req.Header.Set("Content-Type", "application/json")
			}
			resp, err := patient.Do(req)
			if err != nil {
				a.T.Errorf("%s %s: %v", q.method, q.path, err)
				return
			}
			_ = resp.Body.Close()
			took := time.Since(begun)
			down := resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != ""
			fine := resp.StatusCode < 400 && (o.spared || (o.reads && q.read))
			if down {
				refused.Add(1)
			}
			if !down && !fine {
				a.T.Errorf("%s %s: %d, Retry-After %q", q.method, q.path, resp.StatusCode, resp.Header.Get("Retry-After"))
			}
			if took > 12*time.Second {
				a.T.Errorf("%s %s: answered %d after %v", q.method, q.path, resp.StatusCode, took)
			}
		})
	}
	all.Wait()
	return int(refused.Load())
}

// fill fills the disk under the tables that every move writes to. As root it is
// a real disk, of a megabyte; who may not mount one gets the same error from a
// trigger, which takes part in all but Postgres's own half of it.
func (a *ailing) fill() (end func()) {
	t := a.T
	disk := a.pg.dir + "/disk"
	must(t, os.Mkdir(disk, 0o700))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=2m,mode=0777", "gerbang-proof", disk).CombinedOutput(); err != nil {
		t.Logf("no disk of our own to fill (%v: %s); a trigger refuses in its place", err, out)
		a.sql(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$`)
		a.sql(`CREATE TRIGGER full_disk BEFORE INSERT ON events EXECUTE FUNCTION full_disk()`)
		return func() { a.sql(`DROP TRIGGER full_disk ON events`) }
	}
	t.Cleanup(func() {
		a.pg.srv.Stop()
		if out, err := exec.Command("umount", "-l", disk).CombinedOutput(); err != nil {
			t.Errorf("unmount %s: %v: %s", disk, err, out)
		}
	})
	must(t, os.Mkdir(disk+"/pg", 0o700))
	must(t, sameOwner(a.pg.srv.Dir(), disk+"/pg"))
	a.sql(`CREATE TABLESPACE small LOCATION '` + disk + `/pg'`)
	a.sql(`ALTER TABLE events SET TABLESPACE small`)
	a.sql(`ALTER TABLE onboardings SET TABLESPACE small`)
	a.sql(`CREATE TABLE filler (x text) TABLESPACE small`)
	for size := 100; size > 0; size /= 10 { // to the last page
		for {
			_, err := a.DB.Pool.Exec(t.Context(), `INSERT INTO filler SELECT repeat('x', 1900) FROM generate_series(1, $1)`, size)
			if err != nil {
				break
			}
		}
	}
	return func() { a.sql(`DROP TABLE filler`); a.sql(`CHECKPOINT`) }
}
