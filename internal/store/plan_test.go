package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
)

// statement is one that a store sent.
type statement struct {
	sql  string
	args []any
}

// recorder notes what goes over a pool's connections.
type recorder struct {
	mu   sync.Mutex
	sent []statement
}

func (r *recorder) add(sql string, args []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, statement{sql, args})
}

func (r *recorder) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	r.add(d.SQL, d.Args)
	return ctx
}
func (*recorder) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (*recorder) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}
func (r *recorder) TraceBatchQuery(_ context.Context, _ *pgx.Conn, d pgx.TraceBatchQueryData) {
	r.add(d.SQL, d.Args)
}
func (*recorder) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// during returns the statements that f had sent.
func (r *recorder) during(f func()) []statement {
	r.mu.Lock()
	r.sent = nil
	r.mu.Unlock()
	f()
	return r.sent
}

func (w *world) recorded() (*store.Store, *recorder) {
	w.t.Helper()
	cfg, err := pgxpool.ParseConfig(w.db.URL)
	must(w.t, err)
	r := &recorder{}
	cfg.ConnConfig.Tracer = r
	pool, err := pgxpool.NewWithConfig(w.t.Context(), cfg)
	must(w.t, err)
	w.t.Cleanup(pool.Close)
	return store.OnPool(pool, keyring(w.t, 0)), r
}

// plan explains a statement with the very arguments it was sent with.
func (w *world) plan(s statement) string {
	w.t.Helper()
	rows, err := w.db.Pool.Query(w.t.Context(), `EXPLAIN `+s.sql, s.args...)
	must(w.t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(w.t, err)
	return strings.Join(lines, "\n")
}

// wantPlan fails unless a statement reaches its rows by these indexes alone.
func (w *world) wantPlan(what string, s statement, indexes ...string) {
	w.t.Helper()
	plan := w.plan(s)
	if strings.Contains(plan, "Seq Scan") {
		w.t.Errorf("%s reads a whole table:\n%s", what, plan)
	}
	for _, index := range indexes {
		if !strings.Contains(plan, "Index Scan using "+index) {
			w.t.Errorf("%s does not use %s:\n%s", what, index, plan)
		}
	}
}

// seed fills the tables with n onboardings of the same client, n/100 of them due.
func (w *world) seed(n int) {
	w.t.Helper()
	w.sql(`INSERT INTO onboardings (bucket, id, client_id, application_id, state, version, policy, facts, data_key, applicant, chain_head, due_at)
		SELECT get_byte(uuid_send(id), 15), id, $2, i::text, 'verifying_ktp', 1, $3, '{}', '', '', '', CASE WHEN i % 100 = 0 THEN now() + interval '1 minute' END
		FROM (SELECT i, gen_random_uuid() AS id FROM generate_series(1, $1::integer) i) s`, n, client, w.policy)
	w.sql(`INSERT INTO applications (bucket, client_id, application_id, onboarding_id, content_mac) SELECT bucket, client_id, application_id, id, '' FROM onboardings WHERE applicant = ''`)
	w.sql(`INSERT INTO events (bucket, onboarding_id, seq, at, event, from_state, to_state, actor, payload, hash)
		SELECT bucket, id, 1, now(), 'created', '', 'registering', '', '', '' FROM onboardings WHERE applicant = ''`)
	w.sql(`INSERT INTO captures (bucket, onboarding_id, purpose, n, mac, nonce) SELECT bucket, id, 'ktp', 1, '', '' FROM onboardings WHERE applicant = ''`)
	w.sql(`INSERT INTO reviews (bucket, id, onboarding_id, client_id, kind, state, version, sla_at)
		SELECT bucket, gen_random_uuid(), id, client_id, 'ktp', 'withdrawn', 1, now() FROM onboardings WHERE applicant = ''`)
}

// TestPlans: what runs all the time finds its rows by index on a full table,
// with statistics from when it was empty and with fresh ones.
func TestPlans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sql(`ANALYZE`)
	w.seed(10_000)
	o := w.create("app-1")
	st, rec := w.recorded()
	_, err := st.View(t.Context(), client, o.ID) // learns the policy
	must(t, err)

	poll := rec.during(func() {
		_, err := st.View(t.Context(), client, o.ID)
		must(t, err)
	})
	if len(poll) != 1 {
		t.Errorf("a poll sends %d statements", len(poll))
	}
	claim := rec.during(func() {
		_, err := st.Claim(t.Context(), 1, time.Hour)
		must(t, err)
	})
	o = w.get(o)
	move := rec.during(func() {
		must(t, st.Advance(t.Context(), &store.Move{Row: o, Claim: o.Lease, Event: fsm.Passed, Facts: o.Facts, Actor: actor})[0])
	})
	events := rec.during(func() {
		_, err := st.Events(t.Context(), client, o.ID)
		must(t, err)
	})
	again := rec.during(func() {
		_, _, err := st.Create(t.Context(), w.application("app-1"))
		must(t, err)
	})
	reviewed := w.at("app-2", fsm.KTPReview)
	open := rec.during(func() {
		_, err := st.OpenReview(t.Context(), reviewed)
		must(t, err)
	})
	for _, statistics := range []string{"stale", "fresh"} {
		w.wantPlan(statistics+": poll", poll[0], "onboardings_pkey")
		w.wantPlan(statistics+": claim", claim[0], "onboardings_due", "onboardings_pkey")
		w.wantPlan(statistics+": advance", move[1], "onboardings_pkey")
		w.wantPlan(statistics+": events", events[0], "events_pkey")
		w.wantPlan(statistics+": create again", again[0], "applications_pkey")
		w.wantPlan(statistics+": open review", open[0], "reviews_one_open")
		w.sql(`ANALYZE`)
	}
}

// TestStepsStayHeapOnly: a chain of steps under one lease writes no index, as
// long as half of the lease is left.
func TestStepsStayHeapOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.application("app-1")
	n.Lease, n.LeaseFor = uuid.New(), time.Hour
	o := w.createAs(n)
	moves := []fsm.Event{fsm.Passed, fsm.Submitted, fsm.Passed, fsm.Submitted, fsm.PassedWithoutDukcapil, fsm.Passed}
	for _, e := range moves {
		w.move(&store.Move{Row: o, Claim: o.Lease, Event: e, Facts: o.Facts, Actor: actor, Hold: time.Hour, HoldBy: o.Lease})
	}
	w.st.Close() // a session reports what it did when it ends
	query := `SELECT format('%s of %s', n_tup_hot_upd, n_tup_upd) FROM pg_stat_user_tables WHERE relname = 'onboardings'`
	want := fmt.Sprintf("%d of %d", len(moves), len(moves))
	w.until("the statistics are in", `SELECT n_tup_upd >= $1 FROM pg_stat_user_tables WHERE relname = 'onboardings'`, len(moves))
	if got := one[string](w, query); got != want {
		t.Errorf("%s updates were heap-only", got)
	}
}
