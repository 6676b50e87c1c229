package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gerbang-id/gerbang/internal/resumer"
	"github.com/gerbang-id/gerbang/internal/store"
)

// DefaultMaxBody is the largest request body accepted unless Config says
// otherwise: a bundle of a few photos in base64, with room.
const DefaultMaxBody = 12 << 20

// Config is what the API needs. Store and Requests are required.
type Config struct {
	Store      *store.Store
	Requests   resumer.Requests
	Log        *slog.Logger          // nil: nothing is logged
	Registerer prometheus.Registerer // nil: nothing is counted
	MaxBody    int64                 // bytes of a request body, 0: DefaultMaxBody
	Spec       []byte                // openapi.yaml
	Docs       http.Handler          // serves /docs and below; nil: not there
	Metrics    http.Handler          // serves /metrics; nil: not there
	Ready      func(context.Context) error
	Draining   <-chan struct{} // closed when the process is about to end: waiting polls are answered
	// Patience is how long a request may take, without its upload and without
	// the wait that a poll asks for; 0: DefaultPatience. Then it is answered 503.
	Patience time.Duration
}

// DefaultPatience is longer than a vendor call and the statements around it may
// take. What waits longer waits in a queue, for a connection of the pool above all.
const DefaultPatience = 20 * time.Second

type server struct {
	Config
	keys   *keyCache
	meters meters
	// reread is how often a waiting poll looks for moves of other processes.
	reread time.Duration
	// open holds the patterns that need no key.
	open map[string]bool
	mux  *chi.Mux
}

// New returns the whole HTTP interface.
func New(c Config) http.Handler { return newServer(c).mux }

func newServer(c Config) *server {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Registerer == nil {
		c.Registerer = prometheus.NewRegistry()
	}
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.Patience == 0 {
		c.Patience = DefaultPatience
	}
	s := &server{
		Config: c, keys: newKeyCache(), meters: newMeters(c.Registerer),
		reread: time.Second, open: map[string]bool{}, mux: chi.NewRouter(),
	}
	s.routes()
	return s
}

func (s *server) routes() {
	r := s.mux
	r.Use(s.observe, s.recoverPanics)
	r.NotFound(s.guard(anyScope, func(http.ResponseWriter, *http.Request) error { return errNoSuchPath }))
	r.MethodNotAllowed(s.methodNotAllowed)

	r.Post("/onboardings", s.guard(OnboardingsWrite, s.createOnboarding))
	r.Get("/onboardings", s.guard(OnboardingsRead, s.listOnboardings))
	r.Get("/onboardings/{id}", s.guard(OnboardingsRead, s.pollOnboarding))
	r.Post("/onboardings/{id}/cancel", s.guard(OnboardingsWrite, s.cancelOnboarding))
	r.Get("/onboardings/{id}/events", s.guard(AuditRead, s.listEvents))

	r.Post("/onboardings/{id}/ktp/challenge", s.guard(CapturesWrite, s.issueChallenge(store.KTP)))
	r.Post("/onboardings/{id}/ktp/capture", s.guard(CapturesWrite, s.submitCapture(store.KTP)))
	r.Post("/onboardings/{id}/face/challenge", s.guard(CapturesWrite, s.issueChallenge(store.Face)))
	r.Post("/onboardings/{id}/face/capture", s.guard(CapturesWrite, s.submitCapture(store.Face)))
	r.Put("/onboardings/{id}/dukcapil-verdict", s.guard(CapturesWrite, s.putVerdict))

	r.Get("/onboardings/{id}/explanation", s.guard(Operations, s.explainOnboarding))
	r.Post("/onboardings/{id}/retry", s.guard(Operations, s.retryOnboarding))
	r.Post("/parked/retry", s.guard(Operations, s.retryParked))

	r.Get("/reviews", s.guard(ReviewsRead, s.listReviews))
	r.Get("/reviews/{id}", s.guard(ReviewsRead, s.readReview))
	r.Patch("/reviews/{id}", s.guard(ReviewsWrite, s.decideReview))
	r.Post("/reviews/{id}/claim", s.guard(ReviewsWrite, s.claimReview))
	r.Delete("/reviews/{id}/claim", s.guard(ReviewsWrite, s.releaseReview))

	s.public("/healthz", s.fallible(s.healthz))
	s.public("/readyz", s.fallible(s.readyz))
	s.public("/openapi.yaml", s.fallible(s.spec))
	if s.Metrics != nil {
		s.public("/metrics", s.Metrics.ServeHTTP)
	}
	if s.Docs != nil {
		s.public("/docs", s.docs)
		s.public("/docs/{asset}", s.docs)
	}
}

// handler answers a request or returns why not; fallible turns that into a
// problem.
type handler func(http.ResponseWriter, *http.Request) error

func (s *server) fallible(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// guard admits keys with a scope. Who asks is settled before anything else is
// looked at, so that a stranger learns nothing.
func (s *server) guard(scope Scope, h handler) http.HandlerFunc {
	return s.fallible(func(w http.ResponseWriter, r *http.Request) error {
		r, end := s.bounded(r)
		defer end()
		if err := s.authenticate(r); err != nil {
			return err
		}
		if err := caller(r).require(scope); err != nil {
			return err
		}
		return h(w, r)
	})
}

func (s *server) public(pattern string, h http.HandlerFunc) {
	s.open[pattern] = true
	s.mux.Get(pattern, h)
}

// methodNotAllowed names the methods the path does have (RFC 9110, 15.5.6).
func (s *server) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	allow, scope := "", anyScope
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		pattern := s.mux.Find(chi.NewRouteContext(), method, r.URL.Path)
		if pattern == "" {
			continue
		}
		if allow != "" {
			allow += ", "
		}
		allow += method
		if s.open[pattern] {
			scope = noScope
		}
	}
	refuse := func(http.ResponseWriter, *http.Request) error { return errMethodNotAllowed(allow) }
	if scope == noScope {
		s.fallible(refuse)(w, r)
		return
	}
	s.guard(scope, refuse)(w, r)
}

func (s *server) healthz(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz says whether to send requests here: not while draining, and not
// without a database.
func (s *server) readyz(w http.ResponseWriter, r *http.Request) error {
	select {
	case <-s.Draining:
		return errDraining
	default:
	}
	if s.Ready != nil {
		if err := s.Ready(r.Context()); err != nil {
			return err
		}
	}
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *server) spec(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, err := w.Write(s.Spec)
	return err
}

// docs hands over to the pages' own handler, which knows what they may load.
func (s *server) docs(w http.ResponseWriter, r *http.Request) {
	w.Header().Del("Content-Security-Policy")
	w.Header().Del("Cache-Control")
	s.Docs.ServeHTTP(w, r)
}
