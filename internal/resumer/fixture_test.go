package resumer_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/devpg/pgtest"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/sandbox"
	"github.com/gerbang-id/gerbang/internal/store"
	"github.com/gerbang-id/gerbang/internal/vendors"
	"github.com/gerbang-id/gerbang/internal/vendors/dukcapil"
	"github.com/gerbang-id/gerbang/internal/vendors/quantumelixir"
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

const client = "acme"

// world is one service on its own database, with the vendors simulated over
// real HTTP.
type world struct {
	t  *testing.T
	db *pgtest.DB
	st *store.Store
	sb *sandbox.Sandbox
	r  *resumer.Resumer
	n  *atomic.Int64
}

func newWorld(t *testing.T, change ...func(*fsm.Policy, *resumer.Config)) *world {
	t.Helper()
	w := &world{t: t, db: template.New(t), sb: sandbox.New(sandbox.Options{Limits: unlimited()}), n: new(atomic.Int64)}
	srv := httptest.NewServer(w.sb)
	t.Cleanup(func() { w.sb.Close(); srv.Close() })
	t.Cleanup(func() {
		if v := w.sb.Violations(); len(v) > 0 {
			t.Errorf("the vendors complain about our calls: %+v", v)
		}
		if d := w.sb.Effects().DoneTwice; len(d) > 0 {
			t.Errorf("done twice at the vendors: %+v", d)
		}
	})

	keyring, err := store.NewKeyring(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	must(t, err)
	w.st, err = store.Open(t.Context(), w.db.URL, keyring, store.Options{MaxConns: 8})
	must(t, err)
	t.Cleanup(w.st.Close)

	policy := fsm.DefaultPolicy()
	cfg := resumer.Config{Store: w.st, Lease: 20 * time.Second, RetryBase: time.Millisecond, RetryMax: 2 * time.Millisecond,
		PollInterval: time.Hour}
	caller := &vendors.Caller{Transport: vendors.NewTransport(2 * time.Second), Timeout: 2 * time.Second}
	cfg.QE = quantumelixir.New(quantumelixir.Config{
		Identity:  quantumelixir.Endpoint{BaseURL: srv.URL + "/identity", Key: pii.NewSecret(sandbox.DefaultIdentityKey)},
		AML:       quantumelixir.Endpoint{BaseURL: srv.URL + "/aml", Key: pii.NewSecret(sandbox.DefaultAMLKey)},
		AntiFraud: quantumelixir.Endpoint{BaseURL: srv.URL + "/anti-fraud", Key: pii.NewSecret(sandbox.DefaultAntiFraudKey)},
	}, caller)
	d := sandbox.DefaultDukcapil
	cfg.Dukcapil = dukcapil.New(dukcapil.Config{BaseURL: srv.URL, CustomerID: d.CustomerID, UserID: pii.NewSecret(d.UserID),
		Password: pii.NewSecret(d.Password), IPUser: d.IPUser}, caller)
	for _, c := range change {
		c(&policy, &cfg)
	}
	cfg.Policy, err = w.st.SavePolicy(t.Context(), policy)
	must(t, err)
	w.r = resumer.New(cfg)
	t.Cleanup(func() { w.r.Drain(context.WithoutCancel(t.Context())) })
	return w
}

func unlimited() map[string]int {
	limits := map[string]int{}
	for _, b := range []string{vendors.BucketCustomers, vendors.BucketKTPChallenge, vendors.BucketKTPCapture, vendors.BucketFaceChallenge,
		vendors.BucketStepUp, vendors.BucketDukcapilIngest, vendors.BucketScreenings, vendors.BucketEvaluate} {
		limits[b] = 0
	}
	return limits
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// create starts an onboarding for a test person and returns its id.
func (w *world) create(person string, verdict *pii.Verdict) uuid.UUID {
	w.t.Helper()
	app := fmt.Sprintf("app-%d", w.n.Add(1))
	v, created, err := w.r.Create(w.t.Context(), application(app, person, verdict))
	must(w.t, err)
	if !created {
		w.t.Fatal("not created")
	}
	w.r.Idle()
	return v.ID
}

func application(app, person string, verdict *pii.Verdict) resumer.Application {
	doc := sandbox.DocumentOf(app, person)
	born, _ := pii.ParseDate(doc.DateOfBirth)
	return resumer.Application{
		ClientID: client, ApplicationID: app, Verdict: verdict, Actor: "key:test",
		Applicant: pii.Applicant{
			FullName: pii.NewSecret(person), Email: pii.NewSecret("someone@example.test"), Phone: pii.NewSecret("+628110000000"),
			NIK: pii.NewSecret(doc.NIK), DateOfBirth: born, ClientIP: pii.NewSecret("203.0.113.7"),
		},
	}
}

func (w *world) get(id uuid.UUID) *store.Onboarding {
	w.t.Helper()
	o, err := w.st.Get(w.t.Context(), client, id)
	must(w.t, err)
	return o
}

// bundle is a capture as a device would send it: odd spacing included.
func bundle(p store.Purpose, nonce string, n int64) []byte {
	extra := ""
	if p == store.Face {
		extra = `, "challenges":["blink"], "responses":[{"challenge":"blink","satisfied":true}], "passiveLivenessScores":[0.98]`
	}
	return fmt.Appendf(nil, `{ "version":"1.0","sdkVersion":"9.9.%d",  "platform":"android", "frames":["/9j/4AAQSkZJRg=="],
		"capturedAt":"2026-01-02T03:04:05Z","signature":"c2lnbmVk","flashChallengeNonce":%q%s }`, n, nonce, extra)
}

// capture gets a challenge and hands in a bundle for it.
func (w *world) capture(id uuid.UUID, p store.Purpose) {
	w.t.Helper()
	_, err := w.r.SubmitCapture(w.t.Context(), client, id, w.newCapture(id, p), "key:test")
	must(w.t, err)
	w.r.Idle()
}

func (w *world) newCapture(id uuid.UUID, p store.Purpose) resumer.Capture {
	w.t.Helper()
	c, err := w.tryCapture(id, p)
	must(w.t, err)
	return c
}

func (w *world) tryCapture(id uuid.UUID, p store.Purpose) (resumer.Capture, error) {
	w.t.Helper()
	c, err := w.r.Challenge(w.t.Context(), client, id, p)
	if err != nil {
		return resumer.Capture{}, err
	}
	var flash struct{ Nonce string }
	must(w.t, json.Unmarshal(c.Raw, &flash))
	return resumer.Capture{Purpose: p, Nonce: flash.Nonce, Bundle: bundle(p, flash.Nonce, w.n.Add(1))}, nil
}

// in is the same world for a subtest.
func (w *world) in(t *testing.T) *world {
	return &world{t: t, db: w.db, st: w.st, sb: w.sb, r: w.r, n: w.n}
}

// decide takes the open review of an onboarding as a given person.
func (w *world) decide(id uuid.UUID, person string, d fsm.ReviewDecision) error {
	w.t.Helper()
	rev, err := w.st.OpenReview(w.t.Context(), w.get(id))
	must(w.t, err)
	_, err = w.r.Decide(w.t.Context(), resumer.ReviewRequest{
		ClientID: client, ReviewID: rev.ID, Version: rev.Version, Decision: d, ReasonCode: "looked_at",
		Note: pii.NewSecret("noted"), Person: person, Actor: "person:" + person,
	})
	w.r.Idle()
	return err
}

// tick makes a row due now, whatever it waits for, and works what is due.
func (w *world) tick(id uuid.UUID) {
	w.t.Helper()
	_, err := w.db.Pool.Exec(w.t.Context(), `UPDATE onboardings SET due_at = now() WHERE id = $1 AND due_at IS NOT NULL`, id)
	must(w.t, err)
	_, err = w.r.RunOnce(w.t.Context())
	must(w.t, err)
}

// age moves a row's clock back, as if it had entered its state that long ago.
func (w *world) age(id uuid.UUID, d time.Duration) {
	w.t.Helper()
	_, err := w.db.Pool.Exec(w.t.Context(), `UPDATE onboardings SET state_since = state_since - $2::interval WHERE id = $1`, id, d.String())
	must(w.t, err)
}

func (w *world) fault(f sandbox.Fault) {
	w.t.Helper()
	must(w.t, w.sb.AddFault(f))
}

// checkInvariants holds for every row at any moment.
func (w *world) checkInvariants(id uuid.UUID) []store.Event {
	w.t.Helper()
	o := w.get(id)
	events, err := w.st.Events(w.t.Context(), client, id)
	must(w.t, err)
	if bad := store.VerifyChain(events); bad != 0 {
		w.t.Errorf("chain broken at event %d", bad)
	}
	if int64(len(events)) != o.Version {
		w.t.Errorf("%d events at version %d", len(events), o.Version)
	}
	state := fsm.State("")
	for _, e := range events {
		if e.From != state {
			w.t.Errorf("event %d starts at %q, the one before ended at %q", e.Seq, e.From, state)
		}
		state = e.To
		if e.Event == fsm.Created || e.Event.IsNote() {
			continue
		}
		if edge, err := fsm.Next(e.From, e.Event); err != nil || edge.To != e.To {
			w.t.Errorf("event %d is not in the table: %s --%s--> %s", e.Seq, e.From, e.Event, e.To)
		}
	}
	if state != o.State {
		w.t.Errorf("events end at %s, the row is in %s", state, o.State)
	}
	if o.State.Kind() == fsm.Final {
		var kept int
		must(w.t, w.db.Pool.QueryRow(w.t.Context(),
			`SELECT count(*) FROM captures WHERE onboarding_id = $1 AND bundle IS NOT NULL`, id).Scan(&kept))
		if kept != 0 {
			w.t.Errorf("%d bundles outlive their verdict", kept)
		}
	}
	return events
}
