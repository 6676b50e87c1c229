package sandbox_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/sandbox"
)

// start is a fixed point in time: nothing in these tests depends on today.
var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// rig is a sandbox behind a real HTTP server, and a client without manners of
// its own: no retries, no reuse of connections.
type rig struct {
	*testing.T
	*sandbox.Sandbox
	clock  *clock
	url    string
	client *http.Client
}

func newRig(t *testing.T, opt sandbox.Options) *rig {
	t.Helper()
	r := &rig{T: t, clock: &clock{now: start}}
	opt.Clock = r.clock.Now
	r.Sandbox = sandbox.New(opt)
	server := httptest.NewServer(r.Sandbox)
	t.Cleanup(func() { r.Sandbox.Close(); server.Close() })
	r.url = server.URL
	r.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	return r
}

// unlimited is for tests that are not about limits.
func unlimited() sandbox.Options {
	limits := map[string]int{}
	for _, name := range []string{
		"customers.create", "ktp.challenge", "ktp.capture", "face.challenge", "step-up", "dukcapil.ingest",
		"kyc.get", "screenings.create", "evaluate",
	} {
		limits[name] = 0
	}
	return sandbox.Options{Limits: limits}
}

type answer struct {
	status int
	header http.Header
	raw    []byte
	body   any
}

// at walks to a member by a path like "data.matches.0.score".
func (a answer) at(path string) any {
	node := a.body
	for step := range strings.SplitSeq(path, ".") {
		switch n := node.(type) {
		case map[string]any:
			node = n[step]
		case []any:
			if i := int(step[0] - '0'); i < len(n) {
				node = n[i]
			} else {
				node = nil
			}
		default:
			return nil
		}
	}
	return node
}

func (r *rig) send(req *http.Request) (answer, error) {
	resp, err := r.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: resp.StatusCode, header: resp.Header, raw: raw}
	_ = json.Unmarshal(raw, &a.body)
	return a, nil
}

var keys = map[string]string{
	"identity": sandbox.DefaultIdentityKey, "aml": sandbox.DefaultAMLKey, "anti-fraud": sandbox.DefaultAntiFraudKey,
}

func (r *rig) request(method, path string, body any) *http.Request {
	r.Helper()
	raw, ok := body.([]byte)
	if !ok && body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			r.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, r.url+path, bytes.NewReader(raw))
	if err != nil {
		r.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if key := keys[strings.Split(path, "/")[1]]; key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	var ids struct{ ExternalID, ExternalRef string }
	_ = json.Unmarshal(raw, &ids)
	if id := ids.ExternalID + ids.ExternalRef; id != "" {
		req.Header.Set("Idempotency-Key", id)
	}
	return req
}

func (r *rig) call(method, path string, body any) answer {
	r.Helper()
	a, err := r.send(r.request(method, path, body))
	if err != nil {
		r.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (r *rig) post(path string, body any) answer { r.Helper(); return r.call("POST", path, body) }

const (
	customersPath     = "/identity/api/customers"
	ktpChallengePath  = "/identity/api/identity/document/ktp/challenge"
	ktpCapturePath    = "/identity/api/identity/document/ktp/capture"
	faceChallengePath = "/identity/api/identity/face/flash-challenge"
	stepUpPath        = "/identity/api/identity/auth/step-up"
	ingestPath        = "/identity/api/identity/nik/dukcapil"
	kycPath           = "/identity/api/identity/kyc/"
	screeningsPath    = "/aml/api/screenings"
	evaluatePath      = "/anti-fraud/api/evaluate"
	verifyPath        = "/dukcapil/get_json/gerbang-sandbox/CALL_VERIFY_BY_ELEMEN"
)

type object = map[string]any

func (r *rig) customer(ref, name string) string {
	r.Helper()
	a := r.post(customersPath, object{"fullName": name, "externalRef": ref})
	id, _ := a.at("data.id").(string)
	if a.status/100 != 2 || !strings.HasPrefix(id, "cus_") {
		r.Fatalf("create customer: %d %s", a.status, a.raw)
	}
	return id
}

func (r *rig) challenge(path, customerID string) sandbox.FlashChallenge {
	r.Helper()
	a := r.post(path, object{"customerId": customerID, "steps": 3, "ttlMs": 60000})
	var out struct{ FlashChallenge sandbox.FlashChallenge }
	if err := json.Unmarshal(a.raw, &out); err != nil || a.status != 200 || out.FlashChallenge.Nonce == "" {
		r.Fatalf("challenge: %d %s %v", a.status, a.raw, err)
	}
	return out.FlashChallenge
}

func (r *rig) ktpBody(customerID, externalID string) object {
	r.Helper()
	ch := r.challenge(ktpChallengePath, customerID)
	return object{"customerId": customerID, "externalId": externalID, "bundle": sandbox.SampleKTPBundle(ch, r.clock.Now(), nil)}
}

func (r *rig) stepUpBody(customerID, externalID string) object {
	r.Helper()
	ch := r.challenge(faceChallengePath, customerID)
	return object{
		"customerId": customerID, "externalId": externalID, "riskLevel": "medium", "trigger": "onboarding",
		"actionLabel": "Initial onboarding biometric", "bundle": sandbox.SampleFaceBundle(ch, r.clock.Now()),
	}
}

func subject(customerID, externalID, name, nik, born string) object {
	return object{
		"lane": "onboarding", "customerId": customerID, "subjectType": "individual", "fullName": name, "nik": nik,
		"dateOfBirth": born, "nationality": "ID", "externalId": externalID,
	}
}

func evaluation(customerID, externalID, name string) object {
	return object{"customerId": customerID, "lane": "onboarding", "externalId": externalID, "data": object{
		"fullName": name, "email": "uji@example.test", "phone": "+6281200000000",
	}}
}

func lookup(nik, name, born string) object {
	return object{
		"USER_ID": "sandbox-user", "PASSWORD": "sandbox-password", "IP_USER": "10.0.0.1", "TRESHOLD": "90",
		"NIK": nik, "NAMA_LGKP": name, "TGL_LHR": born,
	}
}

// dayFirst turns YYYY-MM-DD into Dukcapil's dd-mm-yyyy.
func dayFirst(date string) string {
	parts := strings.Split(date, "-")
	return parts[2] + "-" + parts[1] + "-" + parts[0]
}

func (r *rig) wantStatus(a answer, status int) {
	r.Helper()
	if a.status != status {
		r.Fatalf("status %d, want %d: %s", a.status, status, a.raw)
	}
}

func (r *rig) wantAt(a answer, path string, want any) {
	r.Helper()
	if got := a.at(path); got != want {
		r.Errorf("%s = %v, want %v in %s", path, got, want, a.raw)
	}
}

func (r *rig) wantNoViolations() {
	r.Helper()
	if v := r.Violations(); len(v) > 0 {
		r.Errorf("violations: %+v", v)
	}
	if twice := r.Effects().DoneTwice; len(twice) > 0 {
		r.Errorf("done twice: %+v", twice)
	}
}

// wantViolation wants exactly one violation, whose rule holds the words.
func (r *rig) wantViolation(words string) {
	r.Helper()
	if v := r.Violations(); len(v) != 1 || !strings.Contains(v[0].Rule, words) {
		r.Errorf("violations %+v, want one of %q", v, words)
	}
}
