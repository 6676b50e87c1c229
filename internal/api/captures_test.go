package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

func TestChallengeIsTheVendorsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	for _, body := range []any{nil, "{}", ""} {
		a := w.do("sdk", "POST", "/onboardings/"+id+"/ktp/challenge", body).want(201)
		var c sandbox.FlashChallenge
		a.read(&c)
		if c.Purpose != "ktp" || c.Nonce == "" || len(c.Colors) != 5 || c.HMACSecret == "" || c.ExpiresAt == "" {
			t.Errorf("challenge: %s", a.body)
		}
		if a.header.Get("Cache-Control") != "no-store" {
			t.Error("a challenge may be stored")
		}
	}
}

func TestCapturesOutOfOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	late := w.newCapture(id, "ktp")
	w.unchanged(func() {
		for _, what := range []string{"challenge", "capture"} {
			p := w.do("sdk", "POST", "/onboardings/"+id+"/face/"+what, map[string]any{
				"challenge": nil, "capture": json.RawMessage(captureBody("face", "none", 1)),
			}[what]).want(409, "invalid_state").problem()
			if want := []string{"capture_ktp", "supply_dukcapil_verdict", "cancel"}; !slices.Equal(p.AllowedActions, want) {
				t.Errorf("%s: allowed %q, want %q", what, p.AllowedActions, want)
			}
		}
	})
	w.capture(id, "ktp")
	w.unchanged(func() {
		p := w.do("sdk", "POST", "/onboardings/"+id+"/ktp/capture", late).want(409, "invalid_state").problem()
		if !slices.Contains(p.AllowedActions, "capture_selfie") {
			t.Errorf("allowed %q", p.AllowedActions)
		}
	})
}

func TestNonces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, other := w.create("Citra Uji Lancar"), w.create("Ujiwati")
	path := "/onboardings/" + id + "/ktp/capture"
	expired := w.newCapture(id, "ktp")
	_, err := w.db.Pool.Exec(t.Context(), `UPDATE challenges SET expires_at = now()`)
	w.must(err)
	foreign := w.newCapture(other, "ktp")
	w.unchanged(func() {
		w.do("sdk", "POST", path, captureBody("ktp", "never-issued", 1)).want(422, "challenge_unknown")
		w.do("sdk", "POST", path, foreign).want(422, "challenge_unknown")
		w.do("sdk", "POST", path, `{"bundle":{"frames":["x"]}}`).want(422, "challenge_unknown")
		w.do("sdk", "POST", path, `{"bundle":{"frames":["x"],"flashChallengeNonce":""}}`).want(422, "challenge_unknown")
		w.do("sdk", "POST", path, `{"bundle":{"frames":["x"],"flashChallengeNonce":"a\u0000b"}}`).want(422, "challenge_unknown")
		w.do("sdk", "POST", path, expired).want(422, "challenge_expired")
	})
	// A nonce of the KTP's is none of the selfie's.
	w.capture(id, "ktp")
	w.unchanged(func() {
		w.do("sdk", "POST", "/onboardings/"+id+"/face/capture", strings.Replace(foreign, "never", "", 1)).want(422, "challenge_unknown")
	})
}

func TestTheSameBundleTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	path := "/onboardings/" + id + "/ktp/capture"
	bundle := w.newCapture(id, "ktp")
	w.do("sdk", "POST", path, bundle).want(202)
	w.r.Idle()
	w.unchanged(func() {
		if v := w.do("sdk", "POST", path, bundle).want(202).view(); v.NextAction.Type != "capture_selfie" {
			t.Errorf("the second time: %+v", v)
		}
		// The same challenge with another bundle is another thing.
		w.do("sdk", "POST", path, strings.Replace(bundle, "9.9.", "8.8.", 1)).want(409, "invalid_state")
	})
	if n := calls(w, "ktp.capture"); n != 1 {
		t.Errorf("the vendor was called %d times", n)
	}
}

func calls(w *world, name string) (n int) {
	for _, e := range w.sb.Journal() {
		if e.Call == name {
			n++
		}
	}
	return n
}

// Two bundles at once: one is taken, the other finds the onboarding moved. The
// same bundle at once is taken once, and both hear so.
func TestTwoBundlesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for round := range 5 {
		id := w.create(fmt.Sprintf("Orang Rekaan %d", round))
		path := "/onboardings/" + id + "/ktp/capture"
		first, second := w.newCapture(id, "ktp"), w.newCapture(id, "ktp")
		bundles := []string{first, second, first, second}
		got := make([]answer, len(bundles))
		var wg sync.WaitGroup
		for i, b := range bundles {
			wg.Go(func() { got[i] = w.do("sdk", "POST", path, b) })
		}
		wg.Wait()
		w.r.Idle()
		if got[0].status != got[2].status || got[1].status != got[3].status || got[0].status+got[1].status != 202+409 {
			t.Errorf("statuses %d %d %d %d", got[0].status, got[1].status, got[2].status, got[3].status)
		}
		for _, a := range got {
			if a.status == 409 {
				a.want(409, "invalid_state")
			}
		}
		if n := calls(w, "ktp.capture"); n != round+1 {
			t.Errorf("the vendor was called %d times in %d rounds", n, round+1)
		}
	}
}

// Another bundle while one is being verified.
func TestBundleWhileOneIsVerified(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	path := "/onboardings/" + id + "/ktp/capture"
	first, second := w.newCapture(id, "ktp"), w.newCapture(id, "ktp")
	w.must(w.sb.AddFault(sandbox.Fault{Call: "ktp.capture", Kind: sandbox.FaultHang, Count: 1}))
	w.do("sdk", "POST", path, first).want(202)
	p := w.do("sdk", "POST", path, second).want(409, "invalid_state").problem()
	if slices.Contains(p.AllowedActions, "capture_ktp") || !slices.Contains(p.AllowedActions, "cancel") {
		t.Errorf("allowed %q", p.AllowedActions)
	}
	if v := w.do("sdk", "POST", path, first).want(202).view(); v.Status != "processing" {
		t.Errorf("the same again: %+v", v)
	}
	w.sb.Close() // ends the hanging call
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	path := "/onboardings/" + id + "/dukcapil-verdict"
	verdict := `{"valid":true,"photo":"/9j/4AAQSkZJRg==","raw":{ "RESPONSE_CODE" : "01" }}`
	w.unchanged(func() {
		w.do("sdk", "PUT", path, `{"valid":true}`).want(400, "validation_failed").breaks("/photo required")
	})
	v := w.do("sdk", "PUT", path, verdict).want(200).view()
	w.unchanged(func() {
		if again := w.do("sdk", "PUT", path, verdict).want(200).view(); again.Version != v.Version {
			t.Errorf("the same verdict again: version %d, then %d", v.Version, again.Version)
		}
		w.do("sdk", "PUT", path, `{"valid":false,"reason":"nik_not_found"}`).want(409, "invalid_state")
	})
	w.capture(id, "ktp")
	w.capture(id, "face")
	if v = w.poll(id); v.Status != "approved" || *v.KYCLevel != "premium" {
		t.Errorf("in the end: %+v", v)
	}
	if n := calls(w, "dukcapil.verify"); n != 0 {
		t.Errorf("Dukcapil was asked %d times", n)
	}

	form := w.form("Ujiwati")
	form["dukcapilVerdict"] = json.RawMessage(`{"valid":false,"reason":"nik_not_found","raw":{"RESPONSE_CODE":"13"}}`)
	id = w.do("frontend", "POST", "/onboardings", form).want(201).view().ID
	w.r.Idle()
	w.capture(id, "ktp")
	w.capture(id, "face")
	if v = w.poll(id); v.Status != "in_review" || w.openReview(id).Kind != "dukcapil" {
		t.Errorf("with a verdict that is not valid: %+v", v)
	}
}

// A vendor that gives no answer to a challenge is no answer of ours either.
func TestVendorUnavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	w.must(w.sb.AddFault(sandbox.Fault{Call: "ktp.challenge", Kind: sandbox.FaultStatus, Status: http.StatusServiceUnavailable, Count: 1}))
	w.unchanged(func() {
		a := w.do("sdk", "POST", "/onboardings/"+id+"/ktp/challenge", nil).want(503, "vendor_unavailable")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	})
	w.do("sdk", "POST", "/onboardings/"+id+"/ktp/challenge", nil).want(201)
}
