package api_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gerbang-id/gerbang/internal/api"
	"github.com/gerbang-id/gerbang/internal/api/docs"
	"github.com/gerbang-id/gerbang/internal/devpg/pgtest"
	"github.com/gerbang-id/gerbang/internal/fsm"
	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/sandbox"
	"github.com/gerbang-id/gerbang/internal/store"
	"github.com/gerbang-id/gerbang/internal/vendors"
	"github.com/gerbang-id/gerbang/internal/vendors/dukcapil"
	"github.com/gerbang-id/gerbang/internal/vendors/quantumelixir"
)

var template = pgtest.Template{Migrate: func(ctx context.Context, url string) error {
	m, err := store.NewMigrator(url)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	_, err = m.Up(ctx)
	return err
}}

func TestMain(m *testing.M) { pgtest.Main(m) }

// document is openapi.yaml, and the way from a request to its place in it.
var document = sync.OnceValues(func() (*openapi3.T, routers.Router) {
	doc, err := openapi3.NewLoader().LoadFromFile("../../openapi.yaml")
	if err != nil {
		panic(err)
	}
	for _, text := range []string{"text/html", "text/css", "text/javascript", "image/png"} {
		openapi3filter.RegisterBodyDecoder(text, openapi3filter.PlainBodyDecoder)
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		panic(err)
	}
	return doc, router
})

// world is one service on its own database, with the vendors simulated, both
// over real HTTP.
type world struct {
	*testing.T
	db  *pgtest.DB
	st  *store.Store
	sb  *sandbox.Sandbox
	r   *resumer.Resumer
	cfg api.Config
	url string
	log *lockedBuffer
	n   atomic.Int64

	mu   sync.Mutex
	keys map[string]string
}

func newWorld(t *testing.T, change ...func(*fsm.Policy, *api.Config)) *world {
	t.Helper()
	w := &world{T: t, db: template.New(t), sb: sandbox.New(sandbox.Options{Limits: unlimited()}), log: &lockedBuffer{}, keys: map[string]string{}}
	srv := httptest.NewServer(w.sb)
	t.Cleanup(func() { w.sb.Close(); srv.Close() })

	keyring, err := store.NewKeyring(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	w.must(err)
	w.st, err = store.Open(t.Context(), w.db.URL, keyring, store.Options{MaxConns: 8})
	w.must(err)
	t.Cleanup(w.st.Close)

	policy := fsm.DefaultPolicy()
	w.cfg = api.Config{
		Store: w.st, Spec: []byte("openapi: 3.0.3\n"), Metrics: promhttp.HandlerFor(prometheus.NewRegistry(), promhttp.HandlerOpts{}),
		Docs:       docs.Handler("/openapi.yaml"),
		Log:        slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Ready:      w.st.Ready,
		Registerer: prometheus.NewRegistry(),
	}
	caller := &vendors.Caller{Transport: vendors.NewTransport(2 * time.Second), Timeout: 2 * time.Second}
	d := sandbox.DefaultDukcapil
	resuming := resumer.Config{
		Store: w.st, Lease: 20 * time.Second, PollInterval: time.Hour, RetryBase: time.Millisecond, RetryMax: 2 * time.Millisecond,
		Log: w.cfg.Log,
		QE: quantumelixir.New(quantumelixir.Config{
			Identity:  quantumelixir.Endpoint{BaseURL: srv.URL + "/identity", Key: pii.NewSecret(sandbox.DefaultIdentityKey)},
			AML:       quantumelixir.Endpoint{BaseURL: srv.URL + "/aml", Key: pii.NewSecret(sandbox.DefaultAMLKey)},
			AntiFraud: quantumelixir.Endpoint{BaseURL: srv.URL + "/anti-fraud", Key: pii.NewSecret(sandbox.DefaultAntiFraudKey)},
		}, caller),
		Dukcapil: dukcapil.New(dukcapil.Config{
			BaseURL: srv.URL, CustomerID: d.CustomerID, UserID: pii.NewSecret(d.UserID), Password: pii.NewSecret(d.Password), IPUser: d.IPUser,
		}, caller),
	}
	for _, c := range change {
		c(&policy, &w.cfg)
	}
	resuming.Policy, err = w.st.SavePolicy(t.Context(), policy)
	w.must(err)
	w.r = resumer.New(resuming)
	t.Cleanup(func() { w.r.Drain(context.WithoutCancel(t.Context())) })
	if w.cfg.Requests == nil {
		w.cfg.Requests = w.r
	}
	w.url = w.serve(api.New(w.cfg))
	return w
}

func (w *world) serve(h http.Handler) string {
	server := httptest.NewServer(h)
	w.Cleanup(server.Close)
	return server.URL
}

func unlimited() map[string]int {
	limits := map[string]int{}
	for _, b := range []string{
		vendors.BucketCustomers, vendors.BucketKTPChallenge, vendors.BucketKTPCapture, vendors.BucketFaceChallenge,
		vendors.BucketStepUp, vendors.BucketDukcapilIngest, vendors.BucketScreenings, vendors.BucketEvaluate,
	} {
		limits[b] = 0
	}
	return limits
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// key returns a key of a role at the client "acme", or at another one in
// "client/role", or a person's in "role:person".
func (w *world) key(name string) string {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if k, ok := w.keys[name]; ok || name == "" {
		return k
	}
	role, person, _ := strings.Cut(name, ":")
	client := "acme"
	if c, r, ok := strings.Cut(role, "/"); ok {
		client, role = c, r
	}
	k, err := w.st.CreateAPIKey(w.Context(), store.APIKey{ClientID: client, Role: role, Subject: person})
	w.must(err)
	w.keys[name] = k
	return k
}

// answer is a response that openapi.yaml has been asked about.
type answer struct {
	*world
	what   string
	status int
	header http.Header
	body   []byte
}

type header map[string]string

// do sends a request with the key of that name (none if empty) and holds the
// answer against the document. A body may be nil, a string, bytes, a reader or
// a value to encode.
func (w *world) do(key, method, path string, body any, headers ...header) answer {
	w.Helper()
	return w.doAt(w.url, key, method, path, body, headers...)
}

func (w *world) doAt(url, key, method, path string, body any, headers ...header) answer {
	w.Helper()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	case []byte:
		content = bytes.NewReader(b)
	case io.Reader:
		content = b
	default:
		encoded, err := json.Marshal(b)
		w.must(err)
		content = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(w.Context(), method, url+path, content)
	w.must(err)
	if content != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+w.key(key))
	}
	for _, more := range headers {
		for name, value := range more {
			if req.Header.Del(name); value != "" {
				req.Header.Set(name, value)
			}
		}
	}
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	w.must(err)
	a := answer{w, method + " " + path, resp.StatusCode, resp.Header, got}
	a.checkDocument(req)
	if role := strings.TrimPrefix(key, "globex/"); role == "frontend" || role == "sdk" {
		if word := tipOff.Find(got); word != nil {
			w.Errorf("%s: a customer's frontend reads %q: %s", a.what, word, got)
		}
	}
	return a
}

// tipOff finds what a customer's frontend must never read.
var tipOff = regexp.MustCompile(`(?i)(^|[^a-z])(aml|pep)([^a-z]|$)|fraud|screen|sanction|watch.?list`)

// checkDocument fails the test if openapi.yaml promises something else.
func (a answer) checkDocument(req *http.Request) {
	a.Helper()
	doc, router := document()
	// The document's server is "/", the test's is somewhere.
	asked := req.Clone(req.Context())
	asked.URL.Scheme, asked.URL.Host, asked.Host = "", "", ""
	route, params, err := router.FindRoute(asked)
	if err != nil || strings.HasSuffix(asked.URL.Path, "/") { // 404 and 405 are of no route
		var problem any
		a.must(json.Unmarshal(a.body, &problem))
		a.must(doc.Components.Schemas["Problem"].Value.VisitJSON(problem))
		return
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: asked, PathParams: params, Route: route},
		Status:                 a.status, Header: a.header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(a.Context(), input.SetBodyBytes(a.body)); err != nil {
		a.Errorf("%s: %d is not as documented: %v\n%s", a.what, a.status, err, a.body)
	}
	if a.status == http.StatusNotModified && route.Operation.Responses.Status(a.status) == nil {
		a.Errorf("%s: 304 is not documented", a.what)
	}
}

// want fails the test unless the status, and the problem's code if given, are
// as expected.
func (a answer) want(status int, code ...string) answer {
	a.Helper()
	if a.status != status {
		a.Fatalf("%s: got %d, want %d: %s", a.what, a.status, status, a.body)
	}
	if len(code) > 0 {
		if p := a.problem(); p.Code != code[0] || p.Status != status || p.RequestID != a.header.Get("X-Request-Id") {
			a.Fatalf("%s: want %s: %s", a.what, code[0], a.body)
		}
		if got := a.header.Get("Content-Type"); got != "application/problem+json" {
			a.Errorf("%s: a problem as %s", a.what, got)
		}
	}
	return a
}

// breaks fails the test unless the problem names exactly these "pointer rule".
func (a answer) breaks(faults ...string) answer {
	a.Helper()
	var got []string
	for _, e := range a.problem().Errors {
		got = append(got, e.Pointer+" "+e.Rule)
	}
	slices.Sort(got)
	slices.Sort(faults)
	if !slices.Equal(got, faults) {
		a.Errorf("%s: breaks %q, want %q", a.what, got, faults)
	}
	return a
}

type problem struct {
	Code           string
	Status         int
	RequestID      string
	Errors         []struct{ Pointer, Rule string }
	AllowedActions []string
	RequiredScope  string
}

func (a answer) problem() (p problem) {
	a.Helper()
	a.read(&p)
	return p
}

func (a answer) read(into any) {
	a.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		a.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
}

// view is the public view, as a client reads it.
type view struct {
	ID            string
	ApplicationID string
	Status        string
	NextAction    struct {
		Type                  string
		Attempt, AttemptsLeft int
		ExpiresAt             *time.Time
	}
	KYCLevel      *string
	Upgrade       *struct{ Target, Reason string }
	DeclineReason *string
	Version       int64
}

func (a answer) view() (v view) {
	a.Helper()
	a.read(&v)
	if etag := fmt.Sprintf(`"%d"`, v.Version); a.header.Get("ETag") != etag {
		a.Errorf("%s: ETag %s of version %d", a.what, a.header.Get("ETag"), v.Version)
	}
	return v
}

// digest changes with any change to what onboardings are.
func (w *world) digest() string {
	w.Helper()
	w.r.Idle()
	all := ""
	for _, table := range []string{"onboardings", "applications", "events", "captures", "challenges", "reviews"} {
		var rows string
		w.must(w.db.Pool.QueryRow(w.Context(),
			`SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '') FROM `+table+` t`).Scan(&rows))
		all += table + " " + rows + "\n"
	}
	return all
}

// unchanged fails the test if do changed anything.
func (w *world) unchanged(do func()) {
	w.Helper()
	before := w.digest()
	do()
	if after := w.digest(); after != before {
		w.Errorf("something changed:\n%s%s", before, after)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func source(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
