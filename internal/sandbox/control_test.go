package sandbox_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

func TestJournalHoldsEveryCallInOrderAndNoPersonalData(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	got := walk(r, "app-1", "Nina Uji Duakali")
	a := r.call("GET", "/_sandbox/journal", nil)
	items, _ := a.at("items").([]any)
	if len(items) != 13 {
		t.Fatalf("%d entries", len(items))
	}
	for i, item := range items {
		if seq := item.(map[string]any)["seq"]; seq != float64(i+1) {
			t.Errorf("entry %d has number %v", i, seq)
		}
	}
	for _, secret := range []string{"Nina", "nina", got.nik, "1993", "example.test", "+62", "sandbox-password", "qe_sk"} {
		if strings.Contains(string(a.raw), secret) {
			t.Errorf("the journal holds %q", secret)
		}
	}
	for _, e := range r.Journal() {
		if e.Application != "app-1" || e.Open || e.Status/100 != 2 {
			t.Errorf("%+v", e)
		}
	}
	filtered := r.call("GET", "/_sandbox/journal?call=step-up&externalId=app-1:step-up:2", nil)
	if items, _ := filtered.at("items").([]any); len(items) != 1 {
		t.Errorf("%s", filtered.raw)
	}
}

// A bundle is known again by the digest of exactly the bytes that came.
func TestJournalKnowsTheBundleByteForByte(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	id := r.customer("app-1", "Siapa Saja")
	bundle := `{ "version":"1.0",  "sdkVersion":"1<2","platform":"web", "frames" :["AAAA"],` +
		`"capturedAt":"2026-03-02T09:00:00Z","signature":"s", "extra": 1e2 }`
	body := fmt.Sprintf(`{"externalId":"app-1:ktp:1","customerId":%q,"bundle":%s}`, id, bundle)
	r.wantStatus(r.post(ktpCapturePath, []byte(body)), 200)
	sum := sha256.Sum256([]byte(bundle))
	if got := r.Journal()[1].BundleSHA256; got != hex.EncodeToString(sum[:]) {
		t.Errorf("digest %s", got)
	}
	r.wantNoViolations()
}

func TestJournalIsBounded(t *testing.T) {
	t.Parallel()
	opt := unlimited()
	opt.JournalSize = 3
	r := newRig(t, opt)
	for i := range 5 {
		r.customer(fmt.Sprint("app-", i), "Siapa Saja")
	}
	if j := r.Journal(); len(j) != 3 || j[0].Seq != 3 || j[2].Seq != 5 {
		t.Errorf("%+v", j)
	}
}

// A call that outlives its place in the journal must not come back into it.
func TestJournalForgetsOpenCallsToo(t *testing.T) {
	t.Parallel()
	opt := unlimited()
	opt.JournalSize = 2
	r := newRig(t, opt)
	r.fault(sandbox.Fault{Call: "customers.create", Kind: "hang", Count: 1})
	ctx, giveUp := context.WithCancel(t.Context())
	ended := make(chan struct{})
	served := r.Sandbox
	go func() {
		defer close(ended)
		req := httptest.NewRequestWithContext(ctx, "POST", customersPath, strings.NewReader(`{}`))
		req.Header.Set("Authorization", "Bearer "+sandbox.DefaultIdentityKey)
		// A recorder has no connection to cut: the handler panics instead.
		defer func() { _ = recover() }()
		served.ServeHTTP(httptest.NewRecorder(), req)
	}()
	r.await(func(e sandbox.Entry) bool { return e.Fault == "hang" })
	for i := range 3 {
		r.customer(fmt.Sprint("app-", i), "Siapa Saja")
	}
	giveUp()
	<-ended
	if j := r.Journal(); len(j) != 2 || j[0].Seq != 3 || j[1].Seq != 4 {
		t.Errorf("%+v", j)
	}
}

func TestOldCustomersAreForgotten(t *testing.T) {
	t.Parallel()
	opt := unlimited()
	opt.MaxCustomers = 2
	r := newRig(t, opt)
	first := r.customer("app-1", "Ayu Uji Nihil")
	for range 2 {
		r.post(ktpCapturePath, r.ktpBody(first, fmt.Sprint("app-1:ktp:", len(r.Journal()))))
	}
	second := r.customer("app-2", "Ayu Uji Nihil")
	r.post(ktpCapturePath, r.ktpBody(second, "app-2:ktp:1"))
	r.post(ktpCapturePath, r.ktpBody(first, "app-1:ktp:99"))
	for i := 3; i <= 5; i++ {
		r.customer(fmt.Sprint("app-", i), "Siapa Saja")
	}
	r.wantStatus(r.call("GET", kycPath+first, nil), 404)
	if e := r.Effects(); len(e.Effects) != 2 || e.Effects[0].ExternalID != "app-4" || e.Totals["customers.create"] != 5 {
		t.Errorf("%+v", e)
	}
}

func TestResetForgetsEverything(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	id := r.customer("app-1", "Siapa Saja")
	r.post(customersPath, object{})
	r.fault(sandbox.Fault{Kind: "html"})
	r.SetDukcapil(sandbox.DukcapilState{})
	r.SetSwitches(sandbox.Switches{IdentityOff: true})
	r.wantStatus(r.post("/_sandbox/reset", nil), 204)
	if len(r.Journal()) != 0 || len(r.Violations()) != 0 || len(r.Effects().Effects) != 0 {
		t.Errorf("%+v %+v", r.Journal(), r.Effects())
	}
	r.wantStatus(r.call("GET", kycPath+id, nil), 404)
	r.wantAt(r.post(verifyPath, lookup("9901015403910001", "Citra Uji Lancar", "14-03-1991")), "content.0.NIK", "Sesuai")
}

func TestControls(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.Options{})
	r.wantStatus(r.post("/_sandbox/faults", object{"call": "evaluate", "kind": "html", "count": 1, "externalId": "app-1"}), 204)
	r.wantStatus(r.call("DELETE", "/_sandbox/faults", nil), 204)
	r.wantStatus(r.post("/_sandbox/limits", object{"evaluate": 0}), 204)
	r.wantStatus(r.post("/_sandbox/latency", object{"call": "evaluate", "ms": 1}), 204)
	r.wantStatus(r.post("/_sandbox/switches", object{"amlOff": true}), 204)
	r.wantStatus(r.post(screeningsPath, object{}), 403)
	persons := r.call("GET", "/_sandbox/persons", nil)
	if items, _ := persons.at("items").([]any); len(items) != len(sandbox.Persons) {
		t.Errorf("%d persons", len(items))
	}
	effects := r.call("GET", "/_sandbox/effects", nil)
	for _, list := range []string{"effects", "doneTwice", "violations"} {
		if items, ok := effects.at(list).([]any); !ok || len(items) != 0 {
			t.Errorf("%s: %s", list, effects.raw)
		}
	}
	for path, body := range map[string]any{
		"faults": object{"call": "evaluate", "kind": "html", "cuont": 1}, "limits": object{"evaluat": 1},
		"latency": object{"call": "x", "ms": 1}, "dukcapil": object{"up": true, "code": "06"}, "switches": object{"amlOf": true},
	} {
		r.wantStatus(r.post("/_sandbox/"+path, body), 400)
	}
	r.wantStatus(r.call("GET", "/_sandbox/nothing", nil), 404)
	if n := len(r.Journal()); n != 1 {
		t.Errorf("controls must not appear in the journal: %d entries", n)
	}
}

func TestJournalEntriesAreReadableJSON(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	r.customer("app-1", "Siapa Saja")
	var page struct{ Items []sandbox.Entry }
	a := r.call("GET", "/_sandbox/journal", nil)
	if err := json.Unmarshal(a.raw, &page); err != nil || page.Items[0].Done != 1 || page.Items[0].IdempotencyKey != "app-1" {
		t.Errorf("%v: %s", err, a.raw)
	}
}
