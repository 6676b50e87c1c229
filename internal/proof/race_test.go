package proof

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/sandbox"
	"github.com/gerbang-id/gerbang/internal/store"
)

// asked applies and waits until the customer is asked for the KTP.
func (s *Stack) asked(ctx context.Context, c Case) (view, error) {
	v, err := s.apply(ctx, c)
	for err == nil && v.NextAction.Type != "capture_ktp" {
		v, err = s.poll(ctx, v)
	}
	return v, err
}

// challenge asks for a KTP challenge with a key.
func (s *Stack) challenge(ctx context.Context, key, id string) (ch sandbox.FlashChallenge, a answer, err error) {
	q := call{key: key, method: http.MethodPost, path: "/onboardings/" + id + "/ktp/challenge"}
	if a, err = s.do(ctx, q); err == nil && a.status == http.StatusCreated {
		err = q.read(a, &ch, http.StatusCreated)
	}
	return ch, a, err
}

// happened reports whether the trail holds an event.
func (s *Stack) happened(id string, event fsm.Event) bool {
	s.T.Helper()
	events, err := s.Store.Events(s.T.Context(), client, uuid.MustParse(id))
	must(s.T, err)
	for _, e := range events {
		if e.Event == event {
			return true
		}
	}
	return false
}

// TestCaptureAgainstExpiry: the customer hands in at the very deadline. One of
// the two wins, and the trail shows which.
func TestCaptureAgainstExpiry(t *testing.T) {
	t.Parallel()
	s := New(t, Options{})
	s.MustServe("GERBANG_POLL_INTERVAL=2ms")
	ctx := within(t, 30*time.Second)
	rng := seeded(t)
	ends := map[string]int{}
	for n := range 24 {
		v, err := s.asked(ctx, Case{App: fmt.Sprintf("deadline-%d", n), Person: "Dewi Rekaan Sabar"})
		must(t, err)
		ch, _, err := s.challenge(ctx, s.Keys.SDK, v.ID)
		must(t, err)
		var both sync.WaitGroup
		lead := time.Duration(rng.IntN(4000)) * time.Microsecond
		both.Go(func() {
			_ = pause(ctx, lead)
			s.sql(`UPDATE onboardings SET due_at = now() WHERE id = $1 AND state = 'awaiting_ktp'`, v.ID)
		})
		both.Go(func() {
			_ = pause(ctx, 4*time.Millisecond-lead)
			a, err := s.ktp(ctx, v.ID, ch)
			captured, expired := s.happened(v.ID, fsm.Submitted), s.happened(v.ID, fsm.Expire)
			if err != nil || captured == expired && captured || (a.status == http.StatusAccepted) != captured ||
				(a.status != http.StatusAccepted && (a.code() != "invalid_state" || !expired)) {
				t.Errorf("captured %t, expired %t, answered %d %s, %v", captured, expired, a.status, a.body, err)
			}
			ends[fmt.Sprintf("captured %t", captured)]++
		})
		both.Wait()
	}
	t.Logf("%v", ends)
	s.CheckInvariants(t)
}

// TestUpgradeAgainstReview: the client brings a verdict while the late answer of
// the registry sends the customer to an analyst. One of the two counts.
func TestUpgradeAgainstReview(t *testing.T) {
	t.Parallel()
	s := New(t, Options{})
	s.MustServe()
	ctx := within(t, 40*time.Second)
	rng := seeded(t)
	ends := map[string]int{}
	for n := range 8 {
		app := fmt.Sprintf("late-%d", n)
		c := Case{App: app, Person: fmt.Sprintf("Fitri Uji Ganda Nomor %d", n)}
		must(t, s.Vendors.AddFault(sandbox.Fault{Call: "dukcapil.verify", Kind: sandbox.FaultStatus, Status: 401, Count: 1, ExternalID: app}))
		v, err := s.asked(ctx, c)
		must(t, err)
		for v.Upgrade == nil && v.Status != "in_review" {
			must(t, s.act(ctx, c, v, uuid.MustParse(v.ID)))
			v, err = s.poll(ctx, v)
			must(t, err)
		}
		_ = pause(ctx, time.Duration(rng.IntN(150))*time.Millisecond)
		refused := false
		if err := s.supplyVerdict(ctx, v.ID); err != nil {
			if refused = strings.Contains(err.Error(), "invalid_state"); !refused {
				t.Error(err)
			}
		}
		must(t, s.Play(ctx, c))
		o, err := s.Store.Get(ctx, client, uuid.MustParse(v.ID))
		must(t, err)
		want := fsm.Premium
		if refused {
			want = fsm.Standard
		}
		reviewed := s.happened(v.ID, fsm.ApproveFinal)
		if o.State != fsm.Approved || o.Level != want || reviewed != refused {
			t.Errorf("%s at %q; the verdict was refused %t, an analyst approved %t", o.State, o.Level, refused, reviewed)
		}
		ends[fmt.Sprintf("reviewed %t", reviewed)]++
	}
	t.Logf("%v", ends)
	s.CheckInvariants(t)
}

// TestKeyRevokedMidRequest: what a live key began is done in full; a moment
// later the key opens nothing, and the onboarding goes on with another.
func TestKeyRevokedMidRequest(t *testing.T) {
	t.Parallel()
	s := New(t, Options{})
	s.MustServe()
	ctx := within(t, 30*time.Second)
	c := Case{App: "revoked", Person: "Dewi Rekaan Sabar", Want: approved(fsm.Premium)}
	v, err := s.asked(ctx, c)
	must(t, err)
	key, err := s.Store.CreateAPIKey(ctx, store.APIKey{ClientID: client, Role: "sdk"})
	must(t, err)
	_, id, _ := strings.Cut(key, "_")
	id, _, _ = strings.Cut(id, "_")

	s.Vendors.SetLatency("ktp.challenge", 300*time.Millisecond)
	answered := make(chan answer, 1)
	go func() {
		_, a, err := s.challenge(ctx, key, v.ID)
		if err != nil {
			t.Error(err)
		}
		answered <- a
	}()
	_, err = s.Vendors.Await(ctx, func(e sandbox.Entry) bool { return e.Call == "ktp.challenge" })
	must(t, err)
	must(t, s.Store.RevokeAPIKey(ctx, id))
	revoked := time.Now()
	if a := <-answered; a.status != http.StatusCreated {
		t.Errorf("a request under way was answered %d %s", a.status, a.body)
	}
	for {
		_, a, err := s.challenge(ctx, key, v.ID)
		must(t, err)
		if a.status == http.StatusUnauthorized {
			break
		}
		if time.Since(revoked) > 3*time.Second {
			t.Fatalf("%v after it was revoked the key still works: %d", time.Since(revoked), a.status)
		}
	}
	must(t, s.Play(ctx, c))
	s.CheckInvariants(t, c)
}
