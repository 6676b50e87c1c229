package quantumelixir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

const (
	nik     = "3100004101900001" // visibly invented
	testKey = "qe_sk_sandbox_ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

// bundle is a signed document full of what a JSON encoder would change.
const bundle = "{ \"version\" :\t\"1.0\",\r\n \"sig\\u006eature\":\"a<b>&c\\u2028\u2028\\/é\",\"n\":1.0e+400 ,\"big\":123456789012345678901234567890.10, \"z\":[ ] }"

type received struct {
	method, path, auth, contentType, idempotencyKey, body string
	requests                                              int
}

// vendorAnswering serves every product from one address and gives one answer.
func vendorAnswering(t *testing.T, status int, body string) (*Client, *received) {
	t.Helper()
	got := new(received)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*got = received{r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"),
			r.Header.Get("Idempotency-Key"), string(b), got.requests + 1}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	transport := vendors.NewTransport(time.Minute)
	t.Cleanup(func() { transport.CloseIdle(); srv.Close() })
	at := func(product string) Endpoint {
		return Endpoint{BaseURL: srv.URL + "/" + product + "/", Key: pii.NewSecret(testKey)}
	}
	return New(Config{Identity: at("identity"), AML: at("aml"), AntiFraud: at("anti-fraud")},
		&vendors.Caller{Transport: transport}), got
}

func date(s string) pii.Date {
	d, err := pii.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

var subject = Subject{ExternalID: "app-1", CustomerID: "cus_1", FullName: pii.NewSecret("Sari <Contoh>"),
	NIK: pii.NewSecret(nik), DateOfBirth: date("1990-01-01"), Email: pii.NewSecret("sari@contoh.example")}

const subjectJSON = `{"lane":"onboarding","customerId":"cus_1","subjectType":"individual","fullName":"Sari <Contoh>","nik":"` + nik +
	`","dateOfBirth":"1990-01-01","nationality":"ID","email":"sari@contoh.example","externalId":"app-1"}`

var capture = Capture{ExternalID: "app-1:ktp:2", CustomerID: "cus_1", Bundle: pii.NewBytes([]byte(bundle)), HMACKey: pii.NewSecret("k&y")}

// call is one call of the client, its request on the wire, an answer, and what
// is to be read in it.
type call struct {
	name                   string
	do                     func(context.Context, *Client) (any, error)
	method, path, key, req string
	answer                 string
	read                   func(any) string
	want                   string
	lacking                []string // answers that are none
}

var calls = []call{
	{
		name: "customers.create",
		do: func(ctx context.Context, c *Client) (any, error) {
			return c.CreateCustomer(ctx, NewCustomer{ExternalRef: "app-1", FullName: pii.NewSecret("Sari <Contoh>")})
		},
		method: "POST", path: "/identity/api/customers", key: "app-1",
		req:    `{"fullName":"Sari <Contoh>","externalRef":"app-1"}`,
		answer: `{"id":"cus_1","fullName":"x","new":[1]}`, read: func(v any) string { return v.(string) }, want: "cus_1",
		lacking: []string{`{}`, `{"id":""}`, `{"id":7}`, `{"id":null}`, `{"jobId":"job_1","id":"cus_1"}`},
	},
	{
		name: "ktp.challenge",
		do: func(ctx context.Context, c *Client) (any, error) {
			return c.KTPChallenge(ctx, "cus_1", 3, 90*time.Second)
		},
		method: "POST", path: "/identity/api/identity/document/ktp/challenge",
		req:    `{"customerId":"cus_1","steps":3,"ttlMs":90000}`,
		answer: `{"flashChallenge":{ "id":"fc_1","nonce":"n<1>","expiresAt":"2025-03-01T19:00:00+07:00", "x" : 1e3 }}`,
		read:   readChallenge,
		want:   `fc_1 n<1> 2025-03-01T12:00:00Z { "id":"fc_1","nonce":"n<1>","expiresAt":"2025-03-01T19:00:00+07:00", "x" : 1e3 }`,
		lacking: []string{`{}`, `{"flashChallenge":null}`, `{"flashChallenge":"x"}`, `{"flashChallenge":{"nonce":"n"}}`,
			`{"flashChallenge":{"nonce":"","expiresAt":"2025-03-01T12:00:00Z"}}`, `{"flashChallenge":{"nonce":"n","expiresAt":"soon"}}`},
	},
	{
		name: "face.challenge",
		do: func(ctx context.Context, c *Client) (any, error) {
			return c.FaceChallenge(ctx, "cus_1", 10, time.Minute)
		},
		method: "POST", path: "/identity/api/identity/face/flash-challenge",
		req:    `{"customerId":"cus_1","steps":10,"ttlMs":60000}`,
		answer: `{"flashChallenge":{"id":"fc_2","nonce":"n","expiresAt":"2025-03-01T12:00:00Z"}}`,
		read:   readChallenge, want: `fc_2 n 2025-03-01T12:00:00Z {"id":"fc_2","nonce":"n","expiresAt":"2025-03-01T12:00:00Z"}`,
	},
	{
		name:   "ktp.capture",
		do:     func(ctx context.Context, c *Client) (any, error) { return c.KTPCapture(ctx, capture) },
		method: "POST", path: "/identity/api/identity/document/ktp/capture", key: "app-1:ktp:2",
		req: `{"customerId":"cus_1","bundle":` + bundle + `,"hmacKey":"k&y","externalId":"app-1:ktp:2"}`,
		answer: `{"verification":{"id":"ver_1","status":"verified","score":91.5},
			"ktpBundle":{"id":"ktpb_1","verdict":"passed","assuranceTier":"high","framesStored":3,
			"ocr":{"nik":` + nik + `,"fullName":"SARI CONTOH","dateOfBirth":"01-01-1990","placeOfBirth":null,"gender":"PEREMPUAN","address":{"rt":1},"rt_rw":"001/002"}},
			"faceEnrolment":{"id":"fe_1","source":"ktp_extract"},
			"antiSpoof":{"fused":"live","assuranceTier":"standard","voters":[{"name":"moire","passed":true}],"passed":true,"present":true},
			"tamper":{"fused":"new_word","voters":[{"name":"font","passed":false,"reason":"kerning"}]}}`,
		read: func(v any) string {
			r := v.(KTPResult)
			return fmt.Sprint(r.Verification, r.Bundle, r.FaceEnrolment, r.AntiSpoof, r.Tamper,
				r.OCR.NIK.Reveal(), r.OCR.FullName.Reveal(), r.OCR.BirthDate().Reveal(), r.OCR.PlaceOfBirth.Reveal(),
				r.OCR.Gender.Reveal(), r.OCR.Address.Reveal(), len(r.OCR.Other), r.OCR.Other["rt_rw"].Reveal())
		},
		want: fmt.Sprint(Verification{"ver_1", "verified", 91.5}, KTPBundle{"ktpb_1", "passed", "high", 3},
			Enrolment{"fe_1", "ktp_extract", false}, AntiSpoof{"live", "standard", []Voter{{"moire", true, ""}}, true, true},
			Tamper{"new_word", []Voter{{"font", false, "kerning"}}},
			nik, "SARI CONTOH", "1990-01-01", "", "PEREMPUAN", `{"rt":1}`, 1, "001/002"),
		lacking: []string{`{}`, `{"verification":{"status":"pending"}}`, `{"ktpBundle":{"verdict":true}}`, `{"ktpBundle":[]}`},
	},
	{
		name: "step-up",
		do: func(ctx context.Context, c *Client) (any, error) {
			return c.StepUp(ctx, Capture{ExternalID: "app-1:step-up:1", CustomerID: "cus_1", Bundle: pii.NewBytes([]byte(bundle))})
		},
		method: "POST", path: "/identity/api/identity/auth/step-up", key: "app-1:step-up:1",
		req: `{"customerId":"cus_1","riskLevel":"medium","actionLabel":"Initial onboarding biometric","trigger":"onboarding","bundle":` +
			bundle + `,"externalId":"app-1:step-up:1"}`,
		answer: `{"allow":true,"liveness":{"verdict":"live","assuranceTier":"high"},"match":{"verdict":"match","similarity":0.8,"threshold":0.45},
			"verification":{"id":"ver_2","status":"verified","score":"80"},"audit":{"riskLevel":"medium"}}`,
		read: func(v any) string { return fmt.Sprint(v) }, want: "{true {live high} {match 0.8 0.45} {ver_2 verified 0}}",
		lacking: []string{`{}`, `{"allow":"true"}`, `{"allow":null,"liveness":{"verdict":"live"}}`, `{"allow":1}`},
	},
	{
		name:   "step-up", // refused: a negative answer is a value
		do:     func(ctx context.Context, c *Client) (any, error) { return c.StepUp(ctx, capture) },
		method: "POST", path: "/identity/api/identity/auth/step-up", key: "app-1:ktp:2",
		req: `{"customerId":"cus_1","riskLevel":"medium","actionLabel":"Initial onboarding biometric","trigger":"onboarding","bundle":` +
			bundle + `,"hmacKey":"k&y","externalId":"app-1:ktp:2"}`,
		answer: `{"allow":false,"liveness":{"verdict":"spoof"},"match":{"verdict":"no_match","similarity":0.2,"threshold":0.45}}`,
		read:   func(v any) string { return fmt.Sprint(v) }, want: "{false {spoof } {no_match 0.2 0.45} {  0}}",
	},
	{
		name: "dukcapil.ingest",
		do: func(ctx context.Context, c *Client) (any, error) {
			return c.IngestDukcapil(ctx, DukcapilVerdict{ExternalID: "app-1:dukcapil:1", CustomerID: "cus_1",
				Verdict: pii.Verdict{Valid: true, Photo: pii.NewSecret("/9j/+A=="), Raw: pii.NewSecret(bundle), Reason: pii.NewSecret("none")}})
		},
		method: "POST", path: "/identity/api/identity/nik/dukcapil", key: "app-1:dukcapil:1",
		req:    `{"customerId":"cus_1","valid":true,"photo":"/9j/+A==","raw":` + bundle + `,"externalId":"app-1:dukcapil:1"}`,
		answer: `{"verification":{"id":"ver_3","status":"verified","score":100},"enrolment":{"id":"fe_2","source":"dukcapil","fallbackStub":true}}`,
		read:   func(v any) string { return fmt.Sprint(v) }, want: "{{ver_3 verified 100} {fe_2 dukcapil true}}",
		lacking: []string{`{}`, `{"verification":{}}`, `{"enrolment":{"id":"fe_2"}}`},
	},
	{
		name: "dukcapil.ingest",
		do: func(ctx context.Context, c *Client) (any, error) {
			return c.IngestDukcapil(ctx, DukcapilVerdict{ExternalID: "app-1:dukcapil:2", CustomerID: "cus_1",
				Verdict: pii.Verdict{Photo: pii.NewSecret("/9j/"), Reason: pii.NewSecret("nik_not_found")}})
		},
		method: "POST", path: "/identity/api/identity/nik/dukcapil", key: "app-1:dukcapil:2",
		req:    `{"customerId":"cus_1","valid":false,"reason":"nik_not_found","externalId":"app-1:dukcapil:2"}`,
		answer: `{"verification":{"id":"ver_3","status":"failed"},"enrolment":null}`,
		read:   func(v any) string { return fmt.Sprint(v) }, want: "{{ver_3 failed 0} {  false}}",
	},
	{
		name:   "screenings.create",
		do:     func(ctx context.Context, c *Client) (any, error) { return c.Screen(ctx, subject) },
		method: "POST", path: "/aml/api/screenings", key: "app-1", req: subjectJSON,
		answer: `{"screeningId":"scr_1","customerId":"cus_1","status":"confirmed","topMatchScore":99.1,"startedAt":"2025-03-01T12:00:00Z","completedAt":"later",
			"matches":[{"id":"m_1","score":99.1,"watchlistEntry":{"fullName":"Nama Daftar","category":"sanctions","watchlistId":"UN"}}]}`,
		read: func(v any) string {
			s := v.(Screening)
			return fmt.Sprint(s.ID, s.CustomerID, s.Status, s.TopMatchScore, s.StartedAt.Format(time.RFC3339), s.CompletedAt.IsZero(), s.Matches, s.Matches[0].ListedName.Reveal())
		},
		want:    `scr_1cus_1confirmed99.12025-03-01T12:00:00Ztrue [{m_1 99.1 [redacted] sanctions UN}]Nama Daftar`,
		lacking: []string{`{}`, `{"screeningId":"scr_1"}`, `{"status":"no_match"}`},
	},
	{
		name: "evaluate",
		do: func(ctx context.Context, c *Client) (any, error) {
			return c.Evaluate(ctx, Evaluation{ExternalID: "app-1", CustomerID: "cus_1", SessionToken: pii.NewSecret("st"),
				FullName: pii.NewSecret("Sari Contoh"), NIK: pii.NewSecret(nik), Email: pii.NewSecret("sari@contoh.example"),
				Phone: pii.NewSecret("+6280000000001"), DateOfBirth: date("1990-01-01"), IPAddress: pii.NewSecret("192.0.2.1"),
				UserAgent: pii.NewSecret("ua"), ReferralSource: pii.NewSecret("ad")})
		},
		method: "POST", path: "/anti-fraud/api/evaluate", key: "app-1",
		req: `{"customerId":"cus_1","lane":"onboarding","externalId":"app-1","sessionToken":"st","data":{"fullName":"Sari Contoh","nik":"` + nik +
			`","email":"sari@contoh.example","phone":"+6280000000001","dateOfBirth":"1990-01-01","ipAddress":"192.0.2.1","userAgent":"ua","referralSource":"ad"}}`,
		answer: `{"decision":"flag","fraudScore":41,"subScores":{"rules":1,"velocity":2.5,"ml":"x"},"appliedRules":[{"code":"R1","name":"n","action":"flag","severity":"low","score":4}],"sessionId":"ses_1"}`,
		read:   func(v any) string { return fmt.Sprint(v) }, want: "{flag 41 map[ml:0 rules:1 velocity:2.5] [{R1 n flag low 4}] ses_1}",
		lacking: []string{`{}`, `{"decision":"","fraudScore":1}`, `{"fraudScore":3}`},
	},
	{
		name:   "kyc.get",
		do:     func(ctx context.Context, c *Client) (any, error) { return c.GetKYC(ctx, "cus_1") },
		method: "GET", path: "/identity/api/identity/kyc/cus_1",
		answer: `{"customer":{"id":"cus_1","fullName":"Sari Contoh","kycLevel":"standard","kycLastVerifiedAt":"2025-03-01T12:00:00Z","kycExpiresAt":null},"eligible":true,
			"verifications":[{"id":"ver_1","method":"ktp_capture","status":"verified","score":91,"createdAt":"2025-03-01T11:00:00.5Z"}],
			"history":[{"id":"h_1","fromTier":"none","toTier":"standard","reason":"ktp","createdAt":"2025-03-01T12:00:00Z"}]}`,
		read: func(v any) string {
			k := v.(KYC)
			return fmt.Sprint(k.CustomerID, k.FullName.Reveal(), k.Level, k.LastVerifiedAt.Unix(), k.ExpiresAt.IsZero(), k.Eligible,
				k.Verifications[0].Method, k.Verifications[0].CreatedAt.UnixMilli(), k.History[0].ToTier, k.History[0].CreatedAt.Unix())
		},
		want:    "cus_1Sari Contohstandard1740830400 true truektp_capture1740826800500standard1740830400",
		lacking: []string{`{}`, `{"customer":{}}`, `{"customer":{"kycLevel":"standard"}}`},
	},
}

func readChallenge(v any) string {
	c := v.(Challenge)
	return fmt.Sprint(c.ID, " ", c.Nonce, " ", c.ExpiresAt.Format(time.RFC3339), " ", string(c.Raw.Reveal()))
}

func TestCalls(t *testing.T) {
	t.Parallel()
	envelopes := map[string]string{"bare": "%s", "data": `{"data":%s}`, "ok": "{\"ok\":true,\n \"data\":%s, \"meta\":{}}"}
	for _, tt := range calls {
		for envelope, format := range envelopes {
			for _, status := range []int{200, 201, 202} {
				t.Run(fmt.Sprint(tt.name, " ", envelope, " ", status), func(t *testing.T) {
					t.Parallel()
					c, got := vendorAnswering(t, status, fmt.Sprintf(format, tt.answer))
					answer, err := tt.do(t.Context(), c)
					if err != nil {
						t.Fatal(err)
					}
					if read := tt.read(answer); read != tt.want {
						t.Errorf("read\n%s, want\n%s", read, tt.want)
					}
					want := received{tt.method, tt.path, "Bearer " + testKey, "application/json", tt.key, tt.req, 1}
					if tt.method == "GET" {
						want.contentType = ""
					}
					if *got != want {
						t.Errorf("sent\n%+v, want\n%+v", *got, want)
					}
				})
			}
		}
	}
}

// An answer without what its call needs is no success, and nothing in it
// reaches the error.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	for _, tt := range calls {
		bodies := map[string]string{ // body → reason
			`{"ok":false,"error":"Sari Contoh refused"}`: vendors.ReasonRejected,
			`{"ok":false,"data":` + tt.answer + `}`:      vendors.ReasonRejected,
			`{"data":null}`:                              vendors.ReasonIncomplete,
			`[]`:                                         vendors.ReasonIncomplete,
			`"Sari Contoh"`:                              vendors.ReasonIncomplete,
			`null`:                                       vendors.ReasonIncomplete,
			`{"data":[1]}`:                               vendors.ReasonIncomplete,
			tt.answer[:len(tt.answer)-1]:                 vendors.ReasonUnparsable,
			tt.answer + "x":                              vendors.ReasonUnparsable,
			strings.Repeat(`{"data":`, 20000):            vendors.ReasonUnparsable,
			"<html>" + tt.answer:                         vendors.ReasonHTML,
			" ":                                          vendors.ReasonIncomplete,
			`{"` + strings.Repeat("a", 1<<20) + `":0}`: vendors.ReasonOversized,
		}
		for _, body := range tt.lacking {
			bodies[body] = vendors.ReasonIncomplete
			bodies[`{"data":`+body+`}`] = vendors.ReasonIncomplete
		}
		for body, reason := range bodies {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				c, _ := vendorAnswering(t, 200, body)
				_, err := tt.do(t.Context(), c)
				var e *vendors.Error
				if !errors.As(err, &e) || e.Kind != vendors.Transient || e.Reason != reason || !e.OutcomeUnknown() || e.Call != tt.name {
					t.Errorf("%.80s gave %v, want %s", body, err, reason)
				}
				if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "Sari") {
					t.Errorf("personal data in %v", err)
				}
			})
		}
	}
}

// A 202 with a job is a promise, not an answer.
func TestPending(t *testing.T) {
	t.Parallel()
	for _, tt := range calls {
		for _, body := range []string{`{"data":{"id":"job_1"}}`, `{"data":{"jobId":"job_1","status":"queued"}}`} {
			c, _ := vendorAnswering(t, 202, body)
			_, err := tt.do(t.Context(), c)
			var e *vendors.Error
			if !errors.As(err, &e) || e.Kind != vendors.Transient || e.Reason != vendors.ReasonPending {
				t.Errorf("%s: %s gave %v", tt.name, body, err)
			}
		}
	}
}

func TestNotBought(t *testing.T) {
	t.Parallel()
	c := New(Config{}, &vendors.Caller{Transport: vendors.NewTransport(time.Minute)})
	for _, tt := range calls {
		_, err := tt.do(t.Context(), c)
		var e *vendors.Error
		if !errors.As(err, &e) || e.Kind != vendors.Permanent || e.Reason != vendors.ReasonNotConfigured || e.OutcomeUnknown() {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

// Every failing status keeps its kind through the client, and the key stays out.
func TestFailures(t *testing.T) {
	t.Parallel()
	kinds := map[int]vendors.Kind{400: vendors.Permanent, 401: vendors.Permanent, 403: vendors.Permanent, 404: vendors.Permanent, 409: vendors.Conflict,
		413: vendors.Permanent, 415: vendors.Permanent, 422: vendors.Permanent, 429: vendors.Transient, 500: vendors.Transient, 503: vendors.Transient}
	for _, tt := range calls {
		for status, kind := range kinds {
			c, _ := vendorAnswering(t, status, `{"error":"org capability disabled for `+testKey+` `+nik+`"}`)
			_, err := tt.do(t.Context(), c)
			var e *vendors.Error
			if !errors.As(err, &e) || e.Kind != kind || e.Status != status || !strings.HasSuffix(e.Cause(), fmt.Sprintf(".%s:%d", tt.name, status)) {
				t.Errorf("%s %d: got %v", tt.name, status, err)
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, testKey) || strings.Contains(text, nik) {
				t.Errorf("%s %d: secret in %s", tt.name, status, text)
			}
		}
	}
}

func TestExternalIDs(t *testing.T) {
	t.Parallel()
	got := []string{ExternalID("a:b"), KTPExternalID("a", 1), StepUpExternalID("a", 12), DukcapilExternalID("a", 2)}
	if want := "[a:b a:ktp:1 a:step-up:12 a:dukcapil:2]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// No request or answer prints what it holds.
func TestRequestsRedact(t *testing.T) {
	t.Parallel()
	for _, v := range []any{capture, subject, &subject, NewCustomer{FullName: pii.NewSecret("Sari")}, Endpoint{Key: pii.NewSecret(testKey)},
		Challenge{Raw: pii.NewBytes([]byte("Sari"))}, New(Config{Identity: Endpoint{Key: pii.NewSecret(testKey)}}, nil)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "Sari") || strings.Contains(text, nik) || strings.Contains(text, testKey) {
				t.Errorf("%T prints %s", v, text)
			}
		}
	}
}
