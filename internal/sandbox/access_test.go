package sandbox_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	body := object{"fullName": "Siapa Saja", "externalRef": "app-1"}
	for _, tc := range []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"right", func(*http.Request) {}, 201},
		{"none", func(q *http.Request) { q.Header.Del("Authorization") }, 401},
		{"another product's", func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+sandbox.DefaultAMLKey) }, 401},
		{"not a bearer", func(q *http.Request) { q.Header.Set("Authorization", "Basic "+sandbox.DefaultIdentityKey) }, 401},
		{"in the query too", func(q *http.Request) { q.URL.RawQuery = "api_key=" + sandbox.DefaultIdentityKey }, 401},
		{"in the query under any name", func(q *http.Request) { q.URL.RawQuery = "x=" + sandbox.DefaultIdentityKey }, 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, sandbox.Options{})
			req := r.request("POST", customersPath, body)
			tc.change(req)
			a, err := r.send(req)
			if err != nil {
				t.Fatal(err)
			}
			r.wantStatus(a, tc.status)
			if a.header.Get("X-RateLimit-Limit") != "120" || a.header.Get("X-RateLimit-Reset") == "" {
				t.Errorf("headers %v", a.header)
			}
		})
	}
}

func TestOlderKeyPrefixesWork(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.Options{Keys: map[string]string{"aml": "aml_older_key"}})
	req := r.request("POST", screeningsPath, object{})
	req.Header.Set("Authorization", "Bearer aml_older_key")
	a, err := r.send(req)
	if err != nil {
		t.Fatal(err)
	}
	r.wantStatus(a, 400) // past the gate, stopped by validation
}

func TestDefaultKeysHaveTheRealShape(t *testing.T) {
	t.Parallel()
	for product, key := range keys {
		secret, ok := strings.CutPrefix(key, "qe_sk_sandbox_")
		if !ok || len(secret) != 32 || strings.Trim(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
			t.Errorf("%s: %s", product, key)
		}
	}
}

func TestSwitches(t *testing.T) {
	t.Parallel()
	r := newRig(t, unlimited())
	id := r.customer("app-1", "Siapa Saja")
	ingest := object{"customerId": id, "valid": true, "photo": "AAAA", "externalId": "app-1:dukcapil:1"}
	for _, tc := range []struct {
		switches sandbox.Switches
		path     string
		body     any
		message  string
	}{
		{sandbox.Switches{IdentityOff: true}, customersPath, object{}, "org capability disabled"},
		{sandbox.Switches{AMLOff: true}, screeningsPath, object{}, "org capability disabled"},
		{sandbox.Switches{AntiFraudOff: true}, evaluatePath, object{}, "org capability disabled"},
		{sandbox.Switches{DukcapilOff: true}, ingestPath, ingest, "org capability disabled"},
		{sandbox.Switches{MissingScopes: []string{"customers:write"}}, customersPath, object{}, "missing scope: customers:write"},
	} {
		r.SetSwitches(tc.switches)
		a := r.post(tc.path, tc.body)
		r.wantStatus(a, 403)
		r.wantAt(a, "error", tc.message)
	}
	r.SetSwitches(sandbox.Switches{PhotoOptional: true})
	delete(ingest, "photo")
	r.wantAt(r.post(ingestPath, ingest), "enrolment.fallbackStub", true)
	r.wantNoViolations()
}

// No 60 seconds hold more calls than the limit, wherever they begin.
func TestLimitsSlide(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.Options{Limits: map[string]int{"kyc.get": 3}})
	id := r.customer("app-1", "Siapa Saja")
	read := func() answer { return r.call("GET", kycPath+id, nil) }
	for i, wait := range []time.Duration{0, 20 * time.Second, 20 * time.Second} {
		r.clock.advance(wait)
		a := read()
		r.wantStatus(a, 200)
		if got, want := a.header.Get("X-RateLimit-Remaining"), strconv.Itoa(2-i); got != want {
			t.Errorf("remaining %s, want %s", got, want)
		}
	}
	a := read()
	r.wantStatus(a, 429)
	r.wantAt(a, "error", "rate limit exceeded")
	r.wantAt(a, "bucket", "kyc.get")
	r.wantAt(a, "limit", 3.0)
	for name, want := range map[string]string{
		"Retry-After": "20", "X-RateLimit-Limit": "3", "X-RateLimit-Remaining": "0",
		"X-RateLimit-Reset": strconv.FormatInt(start.Add(time.Minute).Unix(), 10),
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
	r.clock.advance(20 * time.Second)
	r.wantStatus(read(), 200)
	r.wantStatus(read(), 429) // a clock minute's counter would have let two more in
	if got := r.Effects().RateLimited["kyc.get"]; got != 2 {
		t.Errorf("counted %d refusals", got)
	}

	r.SetLimits(map[string]int{"kyc.get": 0})
	for range 5 {
		a = read()
		r.wantStatus(a, 200)
	}
	if a.header.Get("X-RateLimit-Remaining") == "0" {
		t.Error("an unlimited bucket must not announce that nothing is left")
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	card := sandbox.DocumentOf("app-1", "Siapa Saja")
	for _, tc := range []struct {
		name, path string
		body       func(r *rig, id string) object
		field      string
		rule       string
	}{
		{"no name", customersPath, func(*rig, string) object { return object{"externalRef": "app-9"} }, "fullName", "required"},
		{"wrong type", customersPath, func(*rig, string) object { return object{"fullName": 7, "externalRef": "app-9"} }, "fullName", "type"},
		{"two steps", ktpChallengePath, func(_ *rig, id string) object { return object{"customerId": id, "steps": 2, "ttlMs": 15000} }, "steps", "min"},
		{"eleven steps", faceChallengePath, func(_ *rig, id string) object { return object{"customerId": id, "steps": 11, "ttlMs": 15000} }, "steps", "max"},
		{"short ttl", ktpChallengePath, func(_ *rig, id string) object { return object{"customerId": id, "steps": 3, "ttlMs": 14999} }, "ttlMs", "min"},
		{"long ttl", ktpChallengePath, func(_ *rig, id string) object { return object{"customerId": id, "steps": 3, "ttlMs": 300001} }, "ttlMs", "max"},
		{"no frames", ktpCapturePath, bundleWith("frames", []string{}), "bundle.frames", "min"},
		{"frame not base64", ktpCapturePath, bundleWith("frames", []string{"%%"}), "bundle.frames[0]", "base64"},
		{"platform", ktpCapturePath, bundleWith("platform", "symbian"), "bundle.platform", "oneof"},
		{"version", ktpCapturePath, bundleWith("version", "2.0"), "bundle.version", "eq"},
		{"capturedAt", ktpCapturePath, bundleWith("capturedAt", "kemarin"), "bundle.capturedAt", "datetime"},
		{"unsigned", ktpCapturePath, bundleWith("signature", ""), "bundle.signature", "required"},
		{"face without responses", stepUpPath, func(r *rig, id string) object {
			body := r.stepUpBody(id, "app-1:step-up:1")
			body["bundle"] = bundleWith("version", "1.0")(r, id)["bundle"]
			return body
		}, "bundle.responses", "required"},
		{"trigger", stepUpPath, func(r *rig, id string) object {
			body := r.stepUpBody(id, "app-1:step-up:1")
			body["trigger"] = "a b"
			return body
		}, "trigger", "trigger"},
		{"valid without photo", ingestPath, func(_ *rig, id string) object {
			return object{"customerId": id, "valid": true, "externalId": "app-1:dukcapil:1"}
		}, "photo", "required"},
		{"no verdict", ingestPath, func(_ *rig, id string) object {
			return object{"customerId": id, "externalId": "app-1:dukcapil:1"}
		}, "valid", "required"},
		{"lane", screeningsPath, func(_ *rig, id string) object {
			body := subject(id, "app-1", "Siapa Saja", card.NIK, card.DateOfBirth)
			body["lane"] = "periodic"
			return body
		}, "lane", "oneof"},
		{"day first", screeningsPath, func(_ *rig, id string) object {
			return subject(id, "app-1", "Siapa Saja", card.NIK, "01-02-1990")
		}, "dateOfBirth", "datetime"},
		{"no externalId", screeningsPath, func(_ *rig, id string) object {
			return subject(id, "", "Siapa Saja", card.NIK, card.DateOfBirth)
		}, "externalId", "required"},
		{"local phone", evaluatePath, func(_ *rig, id string) object {
			body := evaluation(id, "app-1", "Siapa Saja")
			body["data"].(object)["phone"] = "0812"
			return body
		}, "data.phone", "e164"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, unlimited())
			a := r.post(tc.path, tc.body(r, r.customer("app-1", "Siapa Saja")))
			r.wantStatus(a, 400)
			fields, _ := a.at("details.fieldErrors").(map[string]any)
			if rules, _ := fields[tc.field].([]any); len(rules) != 1 || rules[0] != tc.rule {
				t.Errorf("field errors %v, want %s: %s", fields, tc.field, tc.rule)
			}
			if v := r.Violations(); len(v) == 0 || !strings.Contains(v[0].Rule, tc.field) {
				t.Errorf("violations %+v", v)
			}
			for _, e := range r.Effects().Effects {
				if e.Call != "customers.create" {
					t.Errorf("a refused call had an effect: %+v", e)
				}
			}
		})
	}
}

// bundleWith is a KTP capture with one member of its bundle changed.
func bundleWith(member string, value any) func(*rig, string) object {
	return func(r *rig, id string) object {
		body := r.ktpBody(id, "app-1:ktp:1")
		bundle := object{
			"version": "1.0", "sdkVersion": "1", "platform": "ios", "frames": []string{"AAAA"},
			"capturedAt": "2026-03-02T09:00:00.25+07:00", "signature": "s",
		}
		bundle[member] = value
		body["bundle"] = bundle
		return body
	}
}

func TestRefusedBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.Options{MaxBody: 100})
	r.wantStatus(r.post(customersPath, []byte(`{"fullName":`)), 400)
	r.wantStatus(r.post(customersPath, []byte(strings.Repeat(" ", 101))), 413)
	req := r.request("POST", customersPath, object{"fullName": "Siapa Saja", "externalRef": "app-1"})
	req.Header.Set("Content-Type", "text/plain")
	a, err := r.send(req)
	if err != nil {
		t.Fatal(err)
	}
	r.wantStatus(a, 415)
	r.wantStatus(r.call("PUT", customersPath, object{}), 404)
	r.wantStatus(r.post("/identity/api/unknown", object{}), 404)
	if n := len(r.Violations()); n != 5 {
		t.Errorf("%d violations: %+v", n, r.Violations())
	}
}

// What is wrong, but was not refused.
func TestQuietViolations(t *testing.T) {
	t.Parallel()
	card := sandbox.DocumentOf("app-1", "Siapa Saja")
	for _, tc := range []struct {
		name string
		do   func(r *rig, id string) *http.Request
		rule string
	}{
		{"no Idempotency-Key", func(r *rig, id string) *http.Request {
			req := r.request("POST", evaluatePath, evaluation(id, "app-1", "Siapa Saja"))
			req.Header.Del("Idempotency-Key")
			return req
		}, "Idempotency-Key header missing"},
		{"another Idempotency-Key", func(r *rig, id string) *http.Request {
			req := r.request("POST", evaluatePath, evaluation(id, "app-1", "Siapa Saja"))
			req.Header.Set("Idempotency-Key", "app-2")
			return req
		}, "Idempotency-Key is not"},
		{"unknown field", func(r *rig, _ string) *http.Request {
			return r.request("POST", customersPath, object{"fullName": "A", "externalRef": "app-2", "email": "a@example.test"})
		}, `unknown field "email"`},
		{"another application's id", func(r *rig, id string) *http.Request {
			return r.request("POST", evaluatePath, evaluation(id, "app-2", "Siapa Saja"))
		}, "not the application's"},
		{"no attempt in the id", func(r *rig, id string) *http.Request {
			return r.request("POST", ktpCapturePath, r.ktpBody(id, "app-1"))
		}, "with :ktp:<n>"},
		{"wrong trigger", func(r *rig, id string) *http.Request {
			r.post(ktpCapturePath, r.ktpBody(id, "app-1:ktp:1"))
			body := r.stepUpBody(id, "app-1:step-up:1")
			body["trigger"] = "login"
			return r.request("POST", stepUpPath, body)
		}, "not onboarding's"},
		{"NIK not of the KTP", func(r *rig, id string) *http.Request {
			r.post(ktpCapturePath, r.ktpBody(id, "app-1:ktp:1"))
			return r.request("POST", screeningsPath, subject(id, "app-1", "Siapa Saja", "9999990101990001", card.DateOfBirth))
		}, "not the one read from the KTP"},
		{"key sent to Dukcapil", func(r *rig, _ string) *http.Request {
			req := r.request("POST", verifyPath, lookup(card.NIK, "Siapa Saja", dayFirst(card.DateOfBirth)))
			req.Header.Set("Authorization", "Bearer "+sandbox.DefaultIdentityKey)
			return req
		}, "bearer key was sent to Dukcapil"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, unlimited())
			a, err := r.send(tc.do(r, r.customer("app-1", "Siapa Saja")))
			if err != nil || a.status/100 != 2 {
				t.Fatalf("%d %s %v", a.status, a.raw, err)
			}
			r.wantViolation(tc.rule)
		})
	}
}
