package api_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestUnreadableBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	nested := func(depth int) string { // the whole body, so many levels deep
		return strings.Repeat(`{"a":`, depth-1) + "{}" + strings.Repeat("}", depth-1)
	}
	w.unchanged(func() {
		for body, faults := range map[string][]string{
			"":                                  {" json"},
			"{":                                 {" json"},
			`{"applicationId":"A",}`:            {" json"},
			`{'applicationId':'A'}`:             {" json"},
			`{"applicationId":A}`:               {" json"},
			`{} {}`:                             {" trailing"},
			`{}]`:                               {" trailing"},
			`{}x`:                               {" trailing"},
			`[]`:                                {" object"},
			`null`:                              {" object"},
			`"text"`:                            {" object"},
			"\xef\xbb\xbf{}":                    {" json"}, // a byte order mark
			"{\"email\":\"a\xff@example.com\"}": {" json"},
			`{"email":"\ud800"}`:                {" json"},
			`{"email":"a","email":"b"}`:         {" duplicate"},
			`{"email":"a","\u0065mail":"b"}`:    {" duplicate"},
			`{"consent":{"version":"1","version":"2"}}`: {" duplicate"},
			nested(33):                         {" depth"},
			nested(100_000):                    {" depth"},
			strings.Repeat("[", 1e6):           {" object"},
			`{"a":` + strings.Repeat("[", 1e6): {" depth"},
		} {
			for _, to := range []struct{ method, path string }{
				{"POST", "/onboardings"}, {"POST", "/onboardings/" + id + "/ktp/capture"}, {"PUT", "/onboardings/" + id + "/dukcapil-verdict"},
				{"PATCH", "/reviews/" + id}, {"POST", "/parked/retry"},
			} {
				w.do("admin", to.method, to.path, body).want(400, "malformed_request").breaks(faults...)
			}
		}
		// 32 levels are not too deep; there just is no such member.
		w.do("admin", "POST", "/onboardings", nested(32)).want(400, "validation_failed").breaks("/a unknown")
		// As many bytes as declared, or nothing was said.
		w.do("admin", "POST", "/onboardings/"+id+"/cancel", `{"because":"I say so"}`).want(400, "validation_failed").breaks("/because unknown")
	})
}

func TestWrongTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	captured := "/onboardings/" + id + "/ktp/capture"
	w.unchanged(func() {
		for _, c := range []struct{ method, path, body, fault string }{
			{"POST", "/onboardings", `{"applicationId":7}`, "/applicationId type"},
			{"POST", "/onboardings", `{"fullName":["Siti"]}`, "/fullName type"},
			{"POST", "/onboardings", `{"nik":9901015403910001}`, "/nik type"},
			{"POST", "/onboardings", `{"consent":"yes"}`, "/consent type"},
			{"POST", "/onboardings", `{"consent":{"acceptedAt":true}}`, "/consent/acceptedAt type"},
			{"POST", "/onboardings", `{"dukcapilVerdict":{"valid":"true"}}`, "/dukcapilVerdict/valid type"},
			{"PUT", "/onboardings/" + id + "/dukcapil-verdict", `{"valid":false,"raw":"text"}`, "/raw type"},
			{"PUT", "/onboardings/" + id + "/dukcapil-verdict", `{"valid":false,"raw":[]}`, "/raw type"},
			{"POST", captured, `{"bundle":"text"}`, "/bundle type"},
			{"POST", captured, `{"bundle":null}`, "/bundle type"},
			{"POST", captured, `{"bundle":{"frames":"one"}}`, "/bundle/frames type"},
			{"POST", captured, `{"bundle":{"frames":["x"],"flashChallengeNonce":7}}`, "/bundle/flashChallengeNonce type"},
			{"POST", captured, `{"bundle":{"frames":["x"],"flashChallengeNonce":null}}`, "/bundle/flashChallengeNonce type"},
			{"POST", captured, `{"bundle":{"frames":["x"]},"hmacKey":{}}`, "/hmacKey type"},
			{"PATCH", "/reviews/" + id, `{"decision":1}`, "/decision type"},
			{"POST", "/parked/retry", `{"cause":"x","dryRun":"yes"}`, "/dryRun type"},
		} {
			w.do("admin", c.method, c.path, c.body).want(400, "malformed_request").breaks(c.fault)
		}
	})
}

func TestInvalidForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.form("Citra Uji Lancar")
	tomorrow := time.Now().AddDate(0, 0, 2).Format(time.DateOnly)
	photo := base64.StdEncoding.EncodeToString([]byte("\x89PNG\r\n\x1a\n" + strings.Repeat("x", 2<<20)))
	w.unchanged(func() {
		for _, c := range []struct {
			member string
			value  any // nil: the member is missing
			faults []string
		}{
			{"applicationId", nil, []string{"/applicationId required"}},
			{"applicationId", "", []string{"/applicationId required"}},
			{"applicationId", "APP 1", []string{"/applicationId application_id"}},
			{"applicationId", "APP/1", []string{"/applicationId application_id"}},
			{"applicationId", strings.Repeat("A", 129), []string{"/applicationId application_id"}},
			{"fullName", nil, []string{"/fullName required"}},
			{"fullName", "   ", []string{"/fullName text"}},
			{"fullName", "Siti\x00Contoh", []string{"/fullName text"}},
			{"fullName", "Siti\nContoh", []string{"/fullName text"}},
			{"fullName", strings.Repeat("é", 201), []string{"/fullName max"}},
			{"email", nil, []string{"/email required"}},
			{"email", "siti", []string{"/email email"}},
			{"email", "Siti <siti@example.com>", []string{"/email email"}},
			{"email", strings.Repeat("s", 250) + "@example.com", []string{"/email max"}},
			{"phone", nil, []string{"/phone required"}},
			{"phone", "081100000001", []string{"/phone e164"}},
			{"phone", "6281100000001", []string{"/phone e164"}},
			{"phone", "+081100000001", []string{"/phone e164"}},
			{"phone", "+62 811 0000 0001", []string{"/phone e164"}},
			{"phone", "+6281100000001234", []string{"/phone e164"}},
			{"nik", "990101540391000", []string{"/nik nik"}},
			{"nik", "99010154039100011", []string{"/nik nik"}},
			{"nik", "99010154O3910001", []string{"/nik nik"}},
			{"nik", "٩٩٠١٠١٥٤٠٣٩١٠٠٠١", []string{"/nik nik"}},
			{"dateOfBirth", "1991-02-30", []string{"/dateOfBirth birthdate"}},
			{"dateOfBirth", "14-03-1991", []string{"/dateOfBirth birthdate"}},
			{"dateOfBirth", "1899-12-31", []string{"/dateOfBirth birthdate"}},
			{"dateOfBirth", tomorrow, []string{"/dateOfBirth birthdate"}},
			{"clientIp", "10.0.0.256", []string{"/clientIp ip"}},
			{"userAgent", strings.Repeat("u", 513), []string{"/userAgent max"}},
			{"referralSource", strings.Repeat("r", 129), []string{"/referralSource max"}},
			{"deviceSessionToken", strings.Repeat("t", 4097), []string{"/deviceSessionToken max"}},
			{"consent", map[string]any{}, []string{"/consent/version required", "/consent/acceptedAt required"}},
			{"consent", map[string]any{"version": "1", "acceptedAt": "yesterday"}, []string{"/consent/acceptedAt rfc3339"}},
			{"consent", map[string]any{"version": strings.Repeat("1", 65), "acceptedAt": "2026-01-01T00:00:00Z"}, []string{"/consent/version max"}},
			{"dukcapilVerdict", map[string]any{}, []string{"/dukcapilVerdict/valid required"}},
			{"dukcapilVerdict", map[string]any{"valid": true}, []string{"/dukcapilVerdict/photo required"}},
			{"dukcapilVerdict", map[string]any{"valid": true, "photo": "R0lGODlhAQ=="}, []string{"/dukcapilVerdict/photo photo"}},
			{"dukcapilVerdict", map[string]any{"valid": true, "photo": "/9j/!"}, []string{"/dukcapilVerdict/photo photo"}},
			{"dukcapilVerdict", map[string]any{"valid": true, "photo": photo}, []string{"/dukcapilVerdict/photo max"}},
			{"dukcapilVerdict", map[string]any{"valid": false, "reason": strings.Repeat("r", 201)}, []string{"/dukcapilVerdict/reason max"}},
			{"dukcapilVerdict", map[string]any{"valid": false, "why": "x"}, []string{"/dukcapilVerdict/why unknown"}},
			{"fullname", "Siti", []string{"/fullname unknown"}}, // case counts
			{"status", "approved", []string{"/status unknown"}},
			{"a/b~c", "x", []string{"/a~1b~0c unknown"}},
			{strings.Repeat("long", 100), "x", []string{" unknown"}},
		} {
			form := maps.Clone(good)
			if delete(form, c.member); c.value != nil {
				form[c.member] = c.value
			}
			a := w.do("frontend", "POST", "/onboardings", form).want(400, "validation_failed").breaks(c.faults...)
			if text, ok := c.value.(string); ok && len(text) > 3 && strings.Contains(string(a.body), text) {
				t.Errorf("%s: the answer repeats the value: %s", c.member, a.body)
			}
		}
		// All faults at once.
		w.do("frontend", "POST", "/onboardings", `{"nik":"1"}`).want(400, "validation_failed").
			breaks("/applicationId required", "/fullName required", "/email required", "/phone required", "/nik nik")
	})
	// A NIK that cannot be is a signal, not an error; null is nothing at all.
	form := maps.Clone(good)
	form["nik"], form["dateOfBirth"], form["consent"] = "0000000000000000", nil, nil
	w.do("frontend", "POST", "/onboardings", form).want(201)
}

func TestInvalidCaptures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/onboardings/" + w.create("Citra Uji Lancar") + "/ktp/capture"
	w.unchanged(func() {
		for body, fault := range map[string]string{
			`{}`:                                 "/bundle required",
			`{"hmacKey":"k"}`:                    "/bundle required",
			`{"bundle":{}}`:                      "/bundle/frames required",
			`{"bundle":{"frames":[ ]}}`:          "/bundle/frames min",
			`{"bundle":{},"Bundle":{}}`:          "/Bundle unknown",
			`{"bundle":{},"customerId":"cus_x"}`: "/customerId unknown",
			`{"bundle":{"frames":["x"]},"hmacKey":"` + strings.Repeat("k", 1025) + `"}`: "/hmacKey max",
		} {
			w.do("sdk", "POST", path, body).want(400, "validation_failed").breaks(fault)
		}
	})
}

func TestInvalidQueries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	for query, fault := range map[string]string{
		"/onboardings?limit=0":                       "/limit min",
		"/onboardings?limit=201":                     "/limit max",
		"/onboardings?limit=many":                    "/limit number",
		"/onboardings?limit=1&limit=2":               "/limit unique",
		"/onboardings?status=happy":                  "/status oneof",
		"/onboardings?state=approved":                " unknown",
		"/onboardings?cursor=%21":                    "/cursor cursor",
		"/onboardings?cursor=AAAA":                   "/cursor cursor",
		"/onboardings?applicationId=%00":             "/applicationId application_id",
		"/onboardings?applicationId=":                "/applicationId application_id",
		"/onboardings/" + id + "?wait=61":            "/wait max",
		"/onboardings/" + id + "?wait=-1":            "/wait min",
		"/onboardings/" + id + "?wait=1s":            "/wait number",
		"/onboardings/" + id + "?verbose=1":          " unknown",
		"/onboardings/" + id + "?wait=%zz":           " query",
		"/reviews?kind=everything":                   "/kind oneof",
		"/reviews?state=all":                         "/state oneof",
		"/reviews?assignee=%00":                      "/assignee text",
		"/reviews?cursor=AAAAAAAAAAAAAAAAAAAAAAAAAA": "/cursor cursor",
		"/reviews?onboardingId=" + id:                " unknown",
	} {
		w.do("admin", "GET", query, nil).want(400, "validation_failed").breaks(fault)
	}
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := w.form("Citra Uji Lancar")
	w.unchanged(func() {
		for _, h := range []header{
			{"Content-Type": ""},
			{"Content-Type": "text/plain"},
			{"Content-Type": "application/x-www-form-urlencoded"},
			{"Content-Type": "application/jsonl"},
			{"Content-Type": "application/json; charset"},
			{"Content-Encoding": "gzip"},
		} {
			w.do("frontend", "POST", "/onboardings", form, h).want(415, "unsupported_media_type")
		}
	})
	w.do("frontend", "POST", "/onboardings", form, header{"Content-Type": "Application/JSON; charset=utf-8"}).want(201)
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	w.unchanged(func() {
		for _, path := range []string{"/", "/onboarding", "/onboardings/", "/onboardings/" + id + "/ktp", "/onboardings/" + id + "/cancel/now", "/v1/onboardings", "/docs/a/b"} {
			w.do("admin", "GET", path, nil).want(404, "not_found")
			w.do("", "GET", path, nil).want(401, "unauthenticated")
		}
		for _, c := range []struct{ method, path, allow string }{
			{"DELETE", "/onboardings", "GET, POST"},
			{"PUT", "/onboardings/" + id, "GET"},
			{"DELETE", "/onboardings/" + id, "GET"},
			{"OPTIONS", "/onboardings/" + id, "GET"},
			{"BREW", "/onboardings/" + id, "GET"},
			{"GET", "/onboardings/" + id + "/cancel", "POST"},
			{"POST", "/onboardings/" + id + "/dukcapil-verdict", "PUT"},
			{"PUT", "/reviews/" + id, "GET, PATCH"},
			{"GET", "/reviews/" + id + "/claim", "POST, DELETE"},
		} {
			a := w.do("admin", c.method, c.path, nil).want(405, "method_not_allowed")
			if got := a.header.Get("Allow"); got != c.allow {
				t.Errorf("%s allows %q", c.path, got)
			}
			w.do("", c.method, c.path, nil).want(401, "unauthenticated")
		}
	})
}

// zeros is a body of blanks without end that counts what was taken of it.
type zeros struct{ taken, left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left <= 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	for i := range p[:n] {
		p[i] = ' '
	}
	z.taken, z.left = z.taken+n, z.left-n
	return int(n), nil
}

func TestHugeBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	w.unchanged(func() {
		for _, path := range []string{"/onboardings", "/onboardings/" + id + "/ktp/capture", "/onboardings/" + id + "/cancel"} {
			for _, declared := range []bool{true, false} {
				body := &zeros{left: 40 << 20}
				req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+path, body)
				w.must(err)
				if declared {
					req.ContentLength = body.left
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Authorization", "Bearer "+w.key("admin"))
				resp, err := http.DefaultClient.Do(req)
				w.must(err)
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				w.must(err)
				a := answer{w, "POST " + path, resp.StatusCode, resp.Header, got}
				a.want(413, "payload_too_large").checkDocument(req)
			}
		}
	})
}

// A declared length over the limit is refused before any of it is read, and so
// before any memory is held for it.
func TestHugeBodyIsNotRead(t *testing.T) {
	w := newWorld(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 20 {
		body := &zeros{left: 40 << 20}
		req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/onboardings", body)
		w.must(err)
		req.ContentLength = body.left
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Expect", "100-continue")
		req.Header.Set("Authorization", "Bearer "+w.key("admin"))
		client := http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
		resp, err := client.Do(req)
		w.must(err)
		resp.Body.Close()
		client.CloseIdleConnections()
		if resp.StatusCode != 413 || body.taken != 0 {
			t.Fatalf("%d after %d bytes", resp.StatusCode, body.taken)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 20<<20 {
		t.Errorf("%d MiB were allocated to refuse bodies", grown>>20)
	}
}

// The bundle reaches the vendor byte for byte, whatever its spacing, the order
// of its members and how its numbers are written: it is signed.
func TestBundleIsPassedOnAsItCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create("Citra Uji Lancar")
	body := w.newCapture(id, "ktp")
	body = strings.Replace(body, `"version"`, `"ocrConfidence":{"nik":1.0e0, "unknown to us":null},"version"`, 1)
	bundle := body[strings.Index(body, ":")+2 : len(body)-2]
	var got struct{ Bundle json.RawMessage }
	w.must(json.Unmarshal([]byte(body), &got))
	if string(got.Bundle) != bundle {
		t.Fatalf("the test itself is wrong: %s", bundle)
	}
	w.do("sdk", "POST", "/onboardings/"+id+"/ktp/capture", body).want(202)
	w.r.Idle()
	for _, e := range w.sb.Journal() {
		if e.Call == "ktp.capture" {
			if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(bundle))); e.BundleSHA256 != sum {
				t.Errorf("the vendor got another bundle: %s, not %s", e.BundleSHA256, sum)
			}
			return
		}
	}
	t.Error("the vendor got no bundle")
}
