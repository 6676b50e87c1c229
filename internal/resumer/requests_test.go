package resumer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/sandbox"
	"github.com/gerbang-id/gerbang/internal/store"
)

func TestCaptures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create(plain, nil)
	submit := func(c resumer.Capture) error {
		_, err := w.r.SubmitCapture(t.Context(), client, id, c, "key:test")
		w.r.Idle()
		return err
	}
	before := w.get(id).Version

	first := w.newCapture(id, store.KTP)
	unissued := first
	unissued.Nonce, unissued.Bundle = "never-issued", bundle(store.KTP, "never-issued", 1)
	if err := submit(unissued); !errors.Is(err, store.ErrChallengeUnknown) {
		t.Errorf("unissued nonce: %v", err)
	}
	late := w.newCapture(id, store.KTP)
	_, err := w.db.Pool.Exec(t.Context(), `UPDATE challenges SET expires_at = now() WHERE nonce = $1`, late.Nonce)
	must(t, err)
	if err := submit(late); !errors.Is(err, store.ErrChallengeExpired) {
		t.Errorf("expired nonce: %v", err)
	}
	if _, err := w.r.Challenge(t.Context(), client, id, store.Face); !errors.Is(err, resumer.ErrInvalidState) {
		t.Errorf("selfie challenge before the KTP: %v", err)
	}
	early := first
	early.Purpose = store.Face
	if err := submit(early); !errors.Is(err, resumer.ErrInvalidState) {
		t.Errorf("selfie before the KTP: %v", err)
	}
	if _, err := w.r.SubmitCapture(t.Context(), "somebody-else", id, first, "key:x"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another client's capture: %v", err)
	}
	if v := w.get(id).Version; v != before {
		t.Fatalf("refused captures moved the row from %d to %d", before, v)
	}

	must(t, submit(first))
	after := w.get(id).Version
	must(t, submit(first)) // the same bundle again, after its verdict
	if v := w.get(id).Version; v != after {
		t.Errorf("the same bundle again moved the row from %d to %d", after, v)
	}
	other := first
	other.Bundle = bundle(store.KTP, first.Nonce, 99)
	if err := submit(other); !errors.Is(err, resumer.ErrInvalidState) {
		t.Errorf("another bundle after the verdict: %v", err)
	}

	want := sha256.Sum256(first.Bundle)
	var passed bool
	for _, e := range w.sb.Journal() {
		passed = passed || e.BundleSHA256 == hex.EncodeToString(want[:])
	}
	if !passed {
		t.Error("the bundle did not reach the vendor byte for byte")
	}
	w.checkInvariants(id)
}

// race runs all at once and returns how many had no error; the others must
// have lost in a way their caller can understand.
func race(t *testing.T, lost []error, all ...func() error) (won int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for _, do := range all {
		wg.Go(func() {
			<-start
			err := do()
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
				return
			}
			for _, e := range lost {
				if errors.Is(err, e) {
					return
				}
			}
			t.Errorf("lost with %v", err)
		})
	}
	close(start)
	wg.Wait()
	return won
}

func TestTwoBundlesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create(plain, nil)
	w.fault(sandbox.Fault{Call: "ktp.capture", Kind: sandbox.FaultStatus, Status: 503})
	var all []func() error
	for range 6 {
		c := w.newCapture(id, store.KTP)
		do := func() error {
			_, err := w.r.SubmitCapture(t.Context(), client, id, c, "key:test")
			return err
		}
		all = append(all, do)
	}
	if won := race(t, []error{resumer.ErrInvalidState}, all...); won != 1 {
		t.Errorf("%d of six bundles were taken", won)
	}
	w.r.Idle()
	w.checkInvariants(id)
}

func TestSameBundleAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create(plain, nil)
	c := w.newCapture(id, store.KTP)
	do := func() error {
		_, err := w.r.SubmitCapture(t.Context(), client, id, c, "key:test")
		return err
	}
	if won := race(t, nil, do, do, do, do); won != 4 {
		t.Errorf("%d of four equal bundles were answered with the result", won)
	}
	w.r.Idle()
	w.checkInvariants(id)
}

func TestCreateAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := make(chan uuid.UUID, 5)
	do := func() error {
		v, _, err := w.r.Create(t.Context(), application("same", plain, nil))
		ids <- v.ID
		return err
	}
	if won := race(t, nil, do, do, do, do, do); won != 5 {
		t.Errorf("%d of five", won)
	}
	first := <-ids
	for range 4 {
		if id := <-ids; id != first {
			t.Errorf("the same application became %s and %s", first, id)
		}
	}
	if _, _, err := w.r.Create(t.Context(), application("same", "Somebody Else", nil)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("other content: %v", err)
	}
	w.r.Idle()
}

// held brings a test person to a state and leaves the row there.
func (w *world) held(person string, s fsm.State) uuid.UUID {
	w.t.Helper()
	id := w.create(person, nil)
	for range 20 {
		if w.get(id).State == s {
			return id
		}
		w.drive1(id)
	}
	w.t.Fatalf("never reached %s", s)
	return id
}

func TestTwoAnalysts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.held("Hasan Uji Tinjau", fsm.KTPReview)
	rev, err := w.st.OpenReview(t.Context(), w.get(id))
	must(t, err)
	decide := func(person string, d fsm.ReviewDecision, version int64) error {
		_, err := w.r.Decide(t.Context(), resumer.ReviewRequest{ClientID: client, ReviewID: rev.ID, Version: version,
			Decision: d, ReasonCode: "seen", Person: person, Actor: "person:" + person})
		return err
	}
	_, err = w.st.ClaimReview(t.Context(), client, rev.ID, "sari", time.Minute)
	must(t, err)
	if err := decide("budi", fsm.DecisionApprove, rev.Version); !errors.Is(err, store.ErrClaimed) {
		t.Errorf("deciding a colleague's case: %v", err)
	}
	must(t, w.st.ReleaseReview(t.Context(), client, rev.ID, "sari"))
	won := race(t, []error{resumer.ErrStaleVersion},
		func() error { return decide("sari", fsm.DecisionApprove, rev.Version) },
		func() error { return decide("budi", fsm.DecisionReject, rev.Version) },
		func() error { return decide("tono", fsm.DecisionApprove, rev.Version) })
	if won != 1 {
		t.Errorf("%d of three decisions were taken", won)
	}
	decided, err := w.st.Review(t.Context(), client, rev.ID)
	must(t, err)
	if err := decide("budi", fsm.DecisionReject, rev.Version); !errors.Is(err, resumer.ErrStaleVersion) {
		t.Errorf("deciding again on what was seen before: %v", err)
	}
	if err := decide("budi", fsm.DecisionReject, decided.Version); !errors.Is(err, resumer.ErrInvalidState) {
		t.Errorf("deciding a decided review: %v", err)
	}
	w.r.Idle()
	w.checkInvariants(id)
}

func TestSignoffNeedsASecondPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.held("Umar Patek", fsm.AMLReview)
	if err := w.decide(id, "sari", fsm.DecisionRecapture); !errors.Is(err, fsm.ErrDecisionNotOffered) {
		t.Errorf("recapture at the AML desk: %v", err)
	}
	must(t, w.decide(id, "sari", fsm.DecisionApprove))
	for _, d := range []fsm.ReviewDecision{fsm.DecisionApprove, fsm.DecisionReject} {
		if err := w.decide(id, "sari", d); !errors.Is(err, fsm.ErrSelfApproval) {
			t.Errorf("own sign-off, %s: %v", d, err)
		}
	}
	if s := w.get(id).State; s != fsm.AMLSignoff {
		t.Fatalf("in %s", s)
	}
	must(t, w.decide(id, "budi", fsm.DecisionApprove))
	w.drive(id, path{})
	w.checkInvariants(id)
}

func TestCancelAgainstDecision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.held("Hasan Uji Tinjau", fsm.KTPReview)
	rev, err := w.st.OpenReview(t.Context(), w.get(id))
	must(t, err)
	race(t, []error{resumer.ErrStaleVersion, resumer.ErrInvalidState},
		func() error { _, err := w.r.Cancel(t.Context(), client, id, "key:test"); return err },
		func() error {
			_, err := w.r.Decide(t.Context(), resumer.ReviewRequest{ClientID: client, ReviewID: rev.ID, Version: rev.Version,
				Decision: fsm.DecisionReject, ReasonCode: "seen", Person: "sari", Actor: "person:sari"})
			return err
		})
	w.r.Idle()
	rev, err = w.st.Review(t.Context(), client, rev.ID)
	must(t, err)
	if o := w.get(id); o.State == fsm.Cancelled != (rev.State == store.ReviewWithdrawn) {
		t.Errorf("onboarding %s, review %s", o.State, rev.State)
	}
	w.checkInvariants(id)
}

func TestApprovedIsNotCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fault(down)
	id := w.create("Ayu Uji Nihil", nil)
	for _, s := range []fsm.State{fsm.Upgrading, fsm.DukcapilReview} {
		for w.get(id).State != s {
			w.drive1(id)
		}
		if _, err := w.r.Cancel(t.Context(), client, id, "key:test"); !errors.Is(err, resumer.ErrInvalidState) {
			t.Errorf("cancel in %s: %v", s, err)
		}
	}
}

func TestVerdictSupplied(t *testing.T) {
	t.Parallel()
	supply := func(w *world, id uuid.UUID, v pii.Verdict) error {
		_, err := w.r.SupplyVerdict(w.t.Context(), client, id, v, "key:test")
		w.r.Idle()
		return err
	}
	lookups := func(w *world) (n int) {
		for _, e := range w.sb.Journal() {
			if e.Call == "dukcapil.verify" && e.Status == 200 {
				n++
			}
		}
		return n
	}
	invalid := pii.Verdict{Reason: pii.NewSecret("not found")}

	for _, s := range []fsm.State{fsm.AwaitingKTP, fsm.AwaitingSelfie} {
		t.Run("noted in "+string(s), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.held(plain, s)
			due := w.get(id).DueAt
			must(t, supply(w, id, valid))
			if o := w.get(id); o.State != s || !o.DueAt.Equal(*due) {
				t.Errorf("the note moved the row to %s, due %v instead of %v", o.State, o.DueAt, due)
			}
			must(t, supply(w, id, valid)) // the same again
			if err := supply(w, id, invalid); !errors.Is(err, resumer.ErrInvalidState) {
				t.Errorf("a second verdict: %v", err)
			}
			w.drive(id, path{})
			if o := w.get(id); o.Level != fsm.Premium || o.Verdict != nil {
				t.Errorf("level %q, verdict kept: %v", o.Level, o.Verdict != nil)
			}
			if n := lookups(w); n != 0 {
				t.Errorf("%d lookups although the verdict was there", n)
			}
			w.checkInvariants(id)
		})
	}
	t.Run("while the lookup is failing", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.fault(sandbox.Fault{Call: "dukcapil.verify", Kind: sandbox.FaultStatus, Status: 503})
		id := w.held(plain, fsm.CheckingDukcapil)
		must(t, supply(w, id, valid))
		w.drive(id, path{})
		if o := w.get(id); o.Level != fsm.Premium {
			t.Errorf("level %q", o.Level)
		}
		if err := supply(w, id, valid); !errors.Is(err, resumer.ErrInvalidState) {
			t.Errorf("after the end: %v", err)
		}
		w.checkInvariants(id)
	})
	t.Run("while the upgrade waits", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.fault(sandbox.Fault{Call: "dukcapil.verify", Kind: sandbox.FaultStatus, Status: 401})
		id := w.held(plain, fsm.Upgrading)
		must(t, supply(w, id, invalid))
		if s := w.get(id).State; s != fsm.DukcapilReview {
			t.Errorf("in %s after a verdict that is not valid", s)
		}
		w.checkInvariants(id)
	})
	t.Run("while Dukcapil is owed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.fault(down)
		id := w.held("Maya Uji Pejabat", fsm.AMLReview)
		must(t, supply(w, id, valid))
		w.drive(id, path{})
		if o := w.get(id); o.Level != fsm.Premium || lookups(w) != 0 {
			t.Errorf("level %q after %d lookups", o.Level, lookups(w))
		}
		w.checkInvariants(id)
	})
	t.Run("in the middle of a step", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		id := w.create(plain, nil)
		w.fault(sandbox.Fault{Call: "ktp.capture", Kind: sandbox.FaultLatency, LatencyMS: 300, Count: 1})
		_, err := w.r.SubmitCapture(t.Context(), client, id, w.newCapture(id, store.KTP), "key:test")
		must(t, err)
		_, err = w.sb.Await(t.Context(), func(e sandbox.Entry) bool { return e.Call == "ktp.capture" })
		must(t, err)
		must(t, supply(w, id, valid)) // the worker's own move is refused, and it repeats the step
		if o := w.get(id); o.State != fsm.AwaitingSelfie {
			t.Errorf("in %s", o.State)
		}
		w.drive(id, path{})
		if o := w.get(id); o.Level != fsm.Premium {
			t.Errorf("level %q", o.Level)
		}
		w.checkInvariants(id)
	})
}

// TestDrain: a row in the middle of a call is given back when draining takes
// too long, and another replica goes on with it at once.
func TestDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fault(sandbox.Fault{Call: "customers.create", Kind: sandbox.FaultHangAfter, Count: 1})
	v, _, err := w.r.Create(t.Context(), application("drained", plain, nil))
	must(t, err)
	_, err = w.sb.Await(t.Context(), func(e sandbox.Entry) bool { return e.Call == "customers.create" })
	must(t, err)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	w.r.Drain(gone)
	o := w.get(v.ID)
	if o.Lease != uuid.Nil || o.Attempts != 0 || o.DueAt.After(o.DBNow()) {
		t.Fatalf("not given back: lease %s, attempts %d, due %v", o.Lease, o.Attempts, o.DueAt)
	}
	cfg := w.r.Config
	cfg.Registerer = nil
	w.r = resumer.New(cfg)
	_, err = w.r.RunOnce(t.Context())
	must(t, err)
	if s := w.get(v.ID).State; s != fsm.AwaitingKTP {
		t.Errorf("the other replica left it in %s", s)
	}
	w.checkInvariants(v.ID)
}

// TestPassedLeaseSendsNothing: a worker whose lease has passed neither calls a
// vendor nor writes.
func TestPassedLeaseSendsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *fsm.Policy, c *resumer.Config) { c.Lease = time.Microsecond })
	id := w.create(plain, nil)
	if n := len(w.sb.Journal()); n != 0 {
		t.Errorf("%d calls were sent", n)
	}
	if o := w.get(id); o.State != fsm.Registering || o.Version != 1 {
		t.Errorf("%s at version %d", o.State, o.Version)
	}
}

// TestNoSlotToSpare: what finds no slot waits for the poll, and is not lost.
func TestNoSlotToSpare(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *fsm.Policy, c *resumer.Config) { c.Slots, c.PollInterval = 1, 20*time.Millisecond })
	w.fault(sandbox.Fault{Call: "customers.create", Kind: sandbox.FaultLatency, LatencyMS: 100, Count: 1})
	w.run()
	for _, app := range []string{"one", "two", "three"} {
		v, _, err := w.r.Create(t.Context(), application(app, plain+" "+app, nil))
		must(t, err)
		defer w.await(v.ID, func(o *store.Onboarding) bool { return o.State == fsm.AwaitingKTP })
	}
}

// TestLogsCarryNoPersonalData over a path with every kind of trouble.
func TestLogsCarryNoPersonalData(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := newWorld(t, func(_ *fsm.Policy, c *resumer.Config) {
		c.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	for _, call := range callOf {
		w.fault(sandbox.Fault{Call: call, Kind: sandbox.FaultStatus, Status: 503, Count: 1})
		w.fault(sandbox.Fault{Call: call, Kind: sandbox.FaultTruncated, Count: 1})
	}
	person := "Tegar Uji Lengkap"
	id := w.create(person, nil)
	w.drive(id, path{})
	doc := sandbox.DocumentOf("app-1", person)
	for _, secret := range []string{person, strings.ToUpper(person), "Tegar", doc.NIK, doc.NIK[:8], doc.DateOfBirth, "someone@example", "+628110000000", "203.0.113.7"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if log.Len() == 0 {
		t.Error("nothing was logged at all")
	}
}
