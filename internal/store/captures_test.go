package store_test

import (
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/store"
)

func (w *world) challenge(o *store.Onboarding, p store.Purpose, nonce string, in time.Duration) {
	w.t.Helper()
	must(w.t, w.st.RecordChallenge(w.t.Context(), o.ID, p, nonce, "fc_"+nonce, time.Now().Add(in)))
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, other := w.at("app-1", fsm.AwaitingKTP), w.at("app-2", fsm.AwaitingKTP)
	w.challenge(o, store.KTP, "fresh", time.Hour)
	w.challenge(o, store.KTP, "late", -time.Hour)
	w.challenge(o, store.KTP, "used", time.Hour)
	w.challenge(o, store.KTP, "used-late", time.Hour)
	for i, nonce := range []string{"used", "used-late"} {
		w.move(&store.Move{Row: o, Event: fsm.Submitted, Facts: o.Facts, Actor: actor, Submission: submission(store.KTP, i+1, nonce, nonce)})
		w.move(&store.Move{Row: o, Event: fsm.Recapture, Facts: o.Facts, Actor: actor})
	}
	w.sql(`UPDATE challenges SET expires_at = now() - interval '1 hour' WHERE nonce = 'used-late'`)
	w.unchanged(func() { // issued once more: the first record stands
		w.challenge(o, store.KTP, "late", time.Hour)
		w.challenge(o, store.KTP, "used", time.Hour)
	})
	for _, tc := range []struct {
		what    string
		o       *store.Onboarding
		p       store.Purpose
		nonce   string
		check   error
		expired bool
		known   bool
	}{
		{"fresh", o, store.KTP, "fresh", nil, false, true},
		{"late", o, store.KTP, "late", store.ErrChallengeExpired, true, true},
		{"used", o, store.KTP, "used", store.ErrChallengeUnknown, false, true},
		{"used, late", o, store.KTP, "used-late", store.ErrChallengeUnknown, true, true},
		{"never issued", o, store.KTP, "made-up", store.ErrChallengeUnknown, false, false},
		{"issued for the KTP", o, store.Face, "fresh", store.ErrChallengeUnknown, false, false},
		{"issued to another", other, store.KTP, "fresh", store.ErrChallengeUnknown, false, false},
	} {
		wantErr(t, w.st.CheckChallenge(t.Context(), tc.o.ID, tc.p, tc.nonce), tc.check)
		expired, err := w.st.ChallengeExpired(t.Context(), tc.o.ID, tc.p, tc.nonce)
		if !tc.known {
			wantErr(t, err, store.ErrChallengeUnknown)
		} else if err != nil || expired != tc.expired {
			t.Errorf("%s: expired %v, %v", tc.what, expired, err)
		}
	}
}

// TestCapture follows a bundle from submission to verdict: kept byte for byte,
// then deleted; that it was handed in is remembered.
func TestCapture(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const bundle = "{ \"signed\" :\t\"as it is\", \"frames\":[ ] }\n"
	for _, tc := range []struct {
		at      fsm.State
		purpose store.Purpose
		judge   fsm.Event
	}{
		{fsm.AwaitingKTP, store.KTP, fsm.Passed}, {fsm.AwaitingKTP, store.KTP, fsm.Failed}, {fsm.AwaitingKTP, store.KTP, fsm.Referred},
		{fsm.AwaitingKTP, store.KTP, fsm.Recapture}, {fsm.AwaitingKTP, store.KTP, fsm.Cancel},
		{fsm.AwaitingSelfie, store.Face, fsm.Passed}, {fsm.AwaitingSelfie, store.Face, fsm.Retry}, {fsm.AwaitingSelfie, store.Face, fsm.Failed},
	} {
		name := string(tc.purpose) + " " + string(tc.judge)
		o := w.at(name, tc.at)
		submitted := func(p store.Purpose, b string) bool {
			t.Helper()
			found, err := w.st.Submitted(t.Context(), o, p, []byte(b))
			must(t, err)
			return found
		}
		if submitted(tc.purpose, bundle) {
			t.Errorf("%s: submitted before its submission", name)
		}
		w.challenge(o, tc.purpose, "nonce", time.Hour)
		w.move(&store.Move{Row: o, Event: fsm.Submitted, Facts: o.Facts, Actor: actor, Submission: submission(tc.purpose, 1, "nonce", bundle)})
		sub, err := w.st.Capture(t.Context(), o, tc.purpose, 1)
		must(t, err)
		if string(sub.Bundle) != bundle || sub.Nonce != "nonce" || sub.HMACKey.Reveal() != "hmac-of-nonce" || sub.N != 1 || sub.Purpose != tc.purpose {
			t.Errorf("%s: the bundle came back as %q", name, sub.Bundle)
		}
		for _, wrong := range []struct {
			p store.Purpose
			n int
		}{{tc.purpose, 2}, {map[store.Purpose]store.Purpose{store.KTP: store.Face, store.Face: store.KTP}[tc.purpose], 1}} {
			_, err := w.st.Capture(t.Context(), o, wrong.p, wrong.n)
			wantErr(t, err, store.ErrNotFound)
		}
		w.move(&store.Move{Row: o, Event: fsm.VerdictSupplied, Facts: o.Facts, Actor: actor}) // a note is no verdict
		if _, err := w.st.Capture(t.Context(), o, tc.purpose, 1); err != nil {
			t.Errorf("%s: a note deleted the bundle: %v", name, err)
		}
		w.move(&store.Move{Row: o, Event: tc.judge, Facts: o.Facts, Actor: actor})
		_, err = w.st.Capture(t.Context(), o, tc.purpose, 1)
		wantErr(t, err, store.ErrNotFound)
		if n := one[int](w, `SELECT count(*) FROM captures WHERE onboarding_id = $1 AND (bundle IS NOT NULL OR hmac_key IS NOT NULL)`, o.ID); n != 0 {
			t.Errorf("%s: the bundle outlives its verdict", name)
		}
		other := map[store.Purpose]store.Purpose{store.KTP: store.Face, store.Face: store.KTP}[tc.purpose]
		if !submitted(tc.purpose, bundle) || submitted(tc.purpose, bundle+" ") || submitted(other, bundle) {
			t.Errorf("%s: not recognised again, or something else is", name)
		}
	}
}

// TestCaptureWithoutKey: native SDKs sign with a key of the device.
func TestCaptureWithoutKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.at("app-1", fsm.AwaitingKTP)
	w.move(&store.Move{Row: o, Event: fsm.Submitted, Facts: o.Facts, Actor: actor,
		Submission: &store.Submission{Purpose: store.KTP, N: 1, Nonce: "nonce", Bundle: []byte("{}")}})
	sub, err := w.st.Capture(t.Context(), o, store.KTP, 1)
	must(t, err)
	if !sub.HMACKey.IsZero() || string(sub.Bundle) != "{}" {
		t.Error("a key from nowhere")
	}
}

// TestCaptureTakenNumber: a bundle or a number that is taken loses, and leaves
// nothing behind.
func TestCaptureTakenNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.at("app-1", fsm.AwaitingKTP)
	w.move(&store.Move{Row: o, Event: fsm.Submitted, Facts: o.Facts, Actor: actor, Submission: submission(store.KTP, 1, "nonce-1", "first")})
	w.move(&store.Move{Row: o, Event: fsm.Recapture, Facts: o.Facts, Actor: actor})
	w.challenge(o, store.KTP, "nonce-2", time.Hour)
	for what, sub := range map[string]*store.Submission{
		"the number is taken": submission(store.KTP, 1, "nonce-2", "second"),
		"the bundle is known": submission(store.KTP, 2, "nonce-2", "first"),
	} {
		w.unchanged(func() {
			err := w.advance(&store.Move{Row: o, Event: fsm.Submitted, Facts: o.Facts, Actor: actor, Submission: sub})
			if err == nil {
				t.Errorf("%s: moved", what)
			}
			wantErr(t, err, store.ErrMoved)
		})
	}
	w.same(o)
	w.move(&store.Move{Row: o, Event: fsm.Submitted, Facts: o.Facts, Actor: actor, Submission: submission(store.KTP, 2, "nonce-2", "second")})
	w.same(o)
}
