package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
)

// call is what the middleware knows of a request.
type call struct {
	requestID string
	principal principal // zero before authentication
	patience  *time.Timer
}

type callKey struct{}

func callOf(r *http.Request) *call { return r.Context().Value(callKey{}).(*call) }

func caller(r *http.Request) principal { return callOf(r).principal }

// bounded ends a request that takes too long: with a database that does not
// answer, it would wait for as long as its client does. Call end when done.
func (s *server) bounded(r *http.Request) (bound *http.Request, end func()) {
	ctx, cancel := context.WithCancel(r.Context())
	patience := time.AfterFunc(s.Patience, cancel)
	callOf(r).patience = patience
	return r.WithContext(ctx), func() { patience.Stop(); cancel() }
}

// grant has a request's time begin anew, after what it may wait for besides.
func (s *server) grant(r *http.Request, wait time.Duration) {
	callOf(r).patience.Reset(wait + s.Patience)
}

var requestIDText = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// observe gives a request its id, the headers every answer has, a line in the
// access log and its place in the metrics. The log names the route, never the
// path and query that were asked for: those may hold anything.
func (s *server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		c := &call{requestID: r.Header.Get("X-Request-Id")}
		if !requestIDText.MatchString(c.requestID) {
			c.requestID = uuid.NewString()
		}
		h := w.Header()
		h.Set("X-Request-Id", c.requestID)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		select {
		case <-s.Draining: // or the next request would meet a closing connection
			h.Set("Connection", "close")
		default:
		}

		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(ww, r.WithContext(context.WithValue(r.Context(), callKey{}, c)))

		route, took := routeOf(r), time.Since(begun)
		method := knownMethod(r.Method)
		status := ww.Status()
		s.meters.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
		s.meters.duration.WithLabelValues(method, route).Observe(took.Seconds())
		level := slog.LevelInfo
		if s.open[route] { // probes and scrapes would drown the rest
			level = slog.LevelDebug
		}
		s.Log.LogAttrs(r.Context(), level, "request",
			slog.String("method", method), slog.String("route", route), slog.Int("status", status),
			slog.Duration("duration", took), slog.String("request_id", c.requestID),
			slog.String("key_id", c.principal.ID))
	})
}

// routeOf names the route for logs and metrics. A poll that waits is a route of
// its own: its duration says how long it waited, not how fast we are.
func routeOf(r *http.Request) string {
	route := chi.RouteContext(r.Context()).RoutePattern()
	switch {
	case route == "" || route == "/*":
		return "unknown"
	case route == pollRoute && r.URL.Query().Has("wait"):
		return pollRoute + "?wait"
	}
	return route
}

const pollRoute = "/onboardings/{id}"

// knownMethod keeps invented methods from becoming ever more time series.
func knownMethod(m string) string {
	if slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, m) {
		return m
	}
	return "other"
}

// recoverPanics answers a panic with a bare problem. The log gets the stack and
// the kind of value, not the value: it may be a customer's.
func (s *server) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
				panic(v)
			}
			what := fmt.Sprintf("%T", v)
			if fault, ok := v.(runtime.Error); ok {
				what = fault.Error() // an index or a nil pointer
			}
			s.Log.ErrorContext(r.Context(), "panic", "panic", what, "stack", string(debug.Stack()),
				"request_id", callOf(r).requestID)
			s.write(w, r, errInternal)
		}()
		next.ServeHTTP(w, r)
	})
}

// meters count requests by route and status.
type meters struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMeters(reg prometheus.Registerer) meters {
	m := meters{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gerbang_http_requests_total", Help: "HTTP requests answered.",
		}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gerbang_http_request_duration_seconds", Help: "Time to answer an HTTP request.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"method", "route"}),
	}
	reg.MustRegister(m.requests, m.duration)
	return m
}
