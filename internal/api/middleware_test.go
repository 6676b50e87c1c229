package api_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gerbang-id/gerbang/internal/api"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/store"
)

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for sent, kept := range map[string]bool{
		"order-4711.b_2": true, strings.Repeat("x", 64): true, strings.Repeat("x", 65): false, "a b": false, `"quoted"`: false, "": false,
	} {
		got := w.do("", "GET", "/healthz", nil, header{"X-Request-Id": sent}).want(200).header.Get("X-Request-Id")
		if (got == sent) != kept || got == "" {
			t.Errorf("%q became %q", sent, got)
		}
	}
}

func TestHeadersOfAuthenticatedAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	for _, path := range []string{"/onboardings", "/onboardings/" + id + "/events", "/reviews", "/nowhere", "/onboardings/" + uuid.NewString()} {
		h := w.do("admin", "GET", path, nil).header
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// broken is a resumer that fails in ways nobody foresaw.
type broken struct {
	resumer.Requests
	err error
}

func (b broken) Cancel(context.Context, string, uuid.UUID, string) (store.View, error) {
	if b.err == nil {
		panic("Siti Contohwati, 9901015403910001")
	}
	return store.View{}, b.err
}

func TestUnforeseenErrorsAreBare(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]broken{"panic": {}, "error": {err: errors.New("disk on fire")}} {
		w := newWorld(t, func(_ *fsm.Policy, c *api.Config) { c.Requests = b })
		path := "/onboardings/" + uuid.NewString() + "/cancel"
		a := w.do("admin", "POST", path, nil, header{"X-Request-Id": "call-1"}).want(500, "internal")
		if p := a.problem(); p.Errors != nil || strings.Contains(string(a.body), "fire") || strings.Contains(string(a.body), "Siti") {
			t.Errorf("%s: %s", name, a.body)
		}
		log := w.log.String()
		if n := strings.Count(log, `"level":"ERROR"`); n != 1 || !strings.Contains(log, `"request_id":"call-1"`) {
			t.Errorf("%s: logged %d times: %s", name, n, log)
		}
		if strings.Contains(log, "Siti") || strings.Contains(log, "9901015403910001") {
			t.Errorf("%s: the log names the customer", name)
		}
		w.do("admin", "GET", "/onboardings", nil).want(200) // still alive
	}
}

func TestKnownErrors(t *testing.T) {
	t.Parallel()
	id := uuid.NewString()
	for err, want := range map[error]struct {
		status int
		code   string
		after  string
	}{
		store.ErrUnavailable: {503, "vendor_unavailable", "1"},
		resumer.ErrBusy:      {503, "vendor_unavailable", "1"},
		&resumer.VendorUnavailable{RetryAfter: 1500 * time.Millisecond, Err: errors.New("x")}: {503, "vendor_unavailable", "2"},
		context.DeadlineExceeded: {503, "vendor_unavailable", "1"},
	} {
		w := newWorld(t, func(_ *fsm.Policy, c *api.Config) { c.Requests = broken{err: err} })
		a := w.do("admin", "POST", "/onboardings/"+id+"/cancel", nil).want(want.status, want.code)
		if got := a.header.Get("Retry-After"); got != want.after {
			t.Errorf("%v: Retry-After %q", err, got)
		}
	}
}

// A whole journey, and the log knows neither the customer nor what was asked
// for; it names the route, the key and the request.
func TestLogsHoldNoPersonalData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.reach("Hasan Uji Tinjau", "ktp")
	rev := w.openReview(id)
	w.do("analyst:ani", "GET", "/reviews/"+rev.ID, nil).want(200)
	w.decide("analyst:ani", rev, "approve").want(200)
	w.capture(id, "face")
	w.do("frontend", "POST", "/onboardings", `{"fullName":7,"email":"hasan.rekaan@example.com"}`).want(400)
	w.do("frontend", "GET", "/onboardings?applicationId=Hasan", nil).want(200)
	w.do("frontend", "GET", "/Hasan?Hasan=1", nil, header{"User-Agent": "Hasan"}).want(404)
	log := w.log.String()
	if found := regexp.MustCompile(`(?i)hasan|tinjau|9903012105900003|1990-05-21|orang\.rekaan|81100000001|noted by hand|gbk_`).FindString(log); found != "" {
		t.Errorf("the log holds %q", found)
	}
	keyID := strings.Split(w.key("analyst:ani"), "_")[1]
	for _, line := range []string{`"method":"PATCH","route":"/reviews/{id}","status":200,"duration":`, `"key_id":"` + keyID + `"`, `"route":"unknown","status":404`} {
		if !strings.Contains(log, line) {
			t.Errorf("the log lacks %s", line)
		}
	}
}

func TestMetricsCountRoutes(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	w := newWorld(t, func(_ *fsm.Policy, c *api.Config) { c.Registerer = reg })
	id := w.create("Citra Uji Lancar")
	w.poll(id)
	w.do("frontend", "GET", "/onboardings/"+id+"?wait=0", nil).want(200)
	w.do("frontend", "BREW", "/onboardings/"+id, nil).want(405)
	w.do("frontend", "GET", "/somewhere/"+id, nil).want(404)
	families, err := reg.Gather()
	w.must(err)
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetValue()
			}
			got[key] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for _, key := range []string{
		"gerbang_http_requests_total POST /onboardings 201",
		"gerbang_http_requests_total GET /onboardings/{id} 200",
		"gerbang_http_requests_total GET /onboardings/{id}?wait 200",
		"gerbang_http_requests_total GET unknown 404",
		"gerbang_http_request_duration_seconds GET /onboardings/{id}",
	} {
		if got[key] != 1 {
			t.Errorf("%s: %v", key, got)
		}
	}
	for key := range got {
		if strings.Contains(key, id) || strings.Contains(key, "BREW") {
			t.Errorf("a label anybody can make up: %s", key)
		}
	}
}

// A key is believed for a second. Then it is asked for again.
func TestRevokedKeyEndsWithinASecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now()
	url := w.serve(api.NewTimed(w.replica(), time.Second, func() time.Time { return now }))
	w.doAt(url, "frontend", "GET", "/onboardings", nil).want(200)
	w.must(w.st.RevokeAPIKey(t.Context(), strings.Split(w.key("frontend"), "_")[1]))
	now = now.Add(999 * time.Millisecond)
	w.doAt(url, "frontend", "GET", "/onboardings", nil).want(200)
	now = now.Add(time.Millisecond)
	w.doAt(url, "frontend", "GET", "/onboardings", nil).want(401, "unauthenticated")
}
