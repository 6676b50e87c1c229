package store_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gerbang-id/gerbang/internal/devpg/pgtest"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/store"
)

var template = pgtest.Template{Migrate: func(ctx context.Context, url string) error {
	m, err := store.NewMigrator(url)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	_, err = m.Up(ctx)
	return err
}}

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	client = "acme"
	actor  = "key:test"
)

// An invented person. Province 99 does not exist.
const (
	name  = "Zubaidah Rekaan"
	email = "zubaidah.rekaan@example.test"
	phone = "+628119990001"
	nik   = "9999994101900001"
)

var applicant = pii.Applicant{
	FullName: pii.NewSecret(name), Email: pii.NewSecret(email), Phone: pii.NewSecret(phone), NIK: pii.NewSecret(nik),
}

// world is a store on a database of its own.
type world struct {
	t      *testing.T
	db     *pgtest.DB
	st     *store.Store
	policy string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: template.New(t)}
	w.st = w.open(w.db.URL, keyring(t, 0))
	var err error
	w.policy, err = w.st.SavePolicy(t.Context(), fsm.DefaultPolicy())
	must(t, err)
	return w
}

func (w *world) open(url string, k *store.Keyring) *store.Store {
	w.t.Helper()
	st, err := store.Open(w.t.Context(), url, k, store.Options{MaxConns: 4})
	must(w.t, err)
	w.t.Cleanup(st.Close)
	return st
}

// keyring makes a master key of 32 times one byte.
func keyring(t *testing.T, b byte) *store.Keyring {
	t.Helper()
	k, err := store.NewKeyring(base64.StdEncoding.EncodeToString(slices.Repeat([]byte{b}, 32)))
	must(t, err)
	return k
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func (w *world) application(app string) store.NewOnboarding {
	return store.NewOnboarding{ClientID: client, ApplicationID: app, Applicant: applicant, PolicyVersion: w.policy, Actor: actor}
}

// create makes an onboarding, unleased.
func (w *world) create(app string) *store.Onboarding {
	w.t.Helper()
	return w.createAs(w.application(app))
}

func (w *world) createAs(n store.NewOnboarding) *store.Onboarding {
	w.t.Helper()
	o, created, err := w.st.Create(w.t.Context(), n)
	must(w.t, err)
	if !created {
		w.t.Fatalf("%s existed already", n.ApplicationID)
	}
	return o
}

// at makes an onboarding and walks it to a state, unleased and not due, by the
// fewest moves of the table.
func (w *world) at(app string, s fsm.State) *store.Onboarding {
	w.t.Helper()
	o := w.create(app)
	for _, e := range route(o.State, s) {
		w.move(&store.Move{Row: o, Event: e, Facts: o.Facts, Actor: actor})
	}
	return o
}

// route is a shortest sequence of events between two states.
func route(from, to fsm.State) []fsm.Event {
	routes := map[fsm.State][]fsm.Event{from: {}}
	for range fsm.States() {
		for _, e := range fsm.Edges() {
			way, reached := routes[e.From]
			if _, known := routes[e.To]; reached && !known {
				routes[e.To] = append(slices.Clone(way), e.Event)
			}
		}
	}
	return routes[to]
}

func (w *world) advance(m *store.Move) error {
	w.t.Helper()
	return w.st.Advance(w.t.Context(), m)[0]
}

func (w *world) move(m *store.Move) {
	w.t.Helper()
	must(w.t, w.advance(m))
}

func (w *world) get(o *store.Onboarding) *store.Onboarding {
	w.t.Helper()
	fresh, err := w.st.Get(w.t.Context(), o.ClientID, o.ID)
	must(w.t, err)
	return fresh
}

func (w *world) sql(statement string, args ...any) {
	w.t.Helper()
	_, err := w.db.Pool.Exec(w.t.Context(), statement, args...)
	must(w.t, err)
}

// one reads a single value.
func one[T any](w *world, query string, args ...any) (v T) {
	w.t.Helper()
	must(w.t, w.db.Pool.QueryRow(w.t.Context(), query, args...).Scan(&v))
	return v
}

// until asks the database again and again, until it says yes.
func (w *world) until(what, question string, args ...any) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !one[bool](w, question, args...); {
		if time.Now().After(deadline) {
			w.t.Fatalf("10 s passed before %s", what)
		}
	}
}

// dump is the whole database as text, bytea in hex.
func (w *world) dump() string {
	w.t.Helper()
	var b strings.Builder
	rows, err := w.db.Pool.Query(w.t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`)
	must(w.t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(w.t, err)
	for _, table := range tables {
		b.WriteString(one[string](w, fmt.Sprintf(
			`SELECT coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '') FROM %s t`, table)) + "\n\n")
	}
	return b.String()
}

// unchanged runs f and fails if it changed the database.
func (w *world) unchanged(f func()) {
	w.t.Helper()
	before := w.dump()
	f()
	if after := w.dump(); after != before {
		w.t.Errorf("something was written:\n%s\nbefore:\n%s", after, before)
	}
}

// same fails unless what the caller holds is what the database holds.
func (w *world) same(o *store.Onboarding) {
	w.t.Helper()
	held, read := fmt.Sprintf("%+v", state(o)), fmt.Sprintf("%+v", state(w.get(o)))
	if held != read {
		w.t.Errorf("the row at hand is not the row:\n%s\nread:\n%s", held, read)
	}
	events, err := w.st.Events(w.t.Context(), o.ClientID, o.ID)
	must(w.t, err)
	if bad := store.VerifyChain(events); bad != 0 || int64(len(events)) != o.Version {
		w.t.Errorf("%d events at version %d, chain broken at %d", len(events), o.Version, bad)
	}
}

// state is what an onboarding says of itself, without zones and clocks.
func state(o *store.Onboarding) map[string]any {
	verdict := ""
	if o.Verdict != nil {
		verdict = o.Verdict.Raw.Reveal()
	}
	utc := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.UTC().String()
	}
	return map[string]any{
		"state": o.State, "version": o.Version, "facts": o.Facts, "level": o.Level, "reason": o.DeclineReason,
		"identity": o.Identity.NIK.Reveal(), "verdict": verdict, "lease": o.Lease, "attempts": o.Attempts,
		"lastError": o.LastError, "lastErrorAt": utc(o.LastErrorAt), "parked": utc(o.ParkedAt), "cause": o.ParkCause,
		"due": utc(o.DueAt), "created": utc(&o.CreatedAt), "updated": utc(&o.UpdatedAt),
		"stateSince": utc(&o.StateSince), "statusSince": utc(&o.StatusSince),
	}
}

// sqlState is the code of a server's error.
func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// near fails unless a time lies within a few seconds of the database's now
// plus an offset; the offsets of these tests are minutes apart.
func (w *world) near(what string, at *time.Time, in time.Duration) {
	w.t.Helper()
	if at == nil {
		w.t.Errorf("%s: never, want in %v", what, in)
		return
	}
	if got := at.Sub(one[time.Time](w, `SELECT clock_timestamp()`)); (got - in).Abs() > 30*time.Second {
		w.t.Errorf("%s: in %v, want in %v", what, got, in)
	}
}

func ptr[T any](v T) *T { return &v }

func submission(p store.Purpose, n int, nonce, bundle string) *store.Submission {
	return &store.Submission{Purpose: p, N: n, Nonce: nonce, Bundle: []byte(bundle), HMACKey: pii.NewSecret("hmac-of-" + nonce)}
}

var never = uuid.Nil
