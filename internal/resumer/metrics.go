package resumer

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/gerbang-id/gerbang/internal/store"
)

type metrics struct {
	moves  *prometheus.CounterVec
	failed *prometheus.CounterVec
	parked *prometheus.CounterVec
	opened *prometheus.CounterVec
	bulk   prometheus.Histogram
}

// newMetrics registers what is counted, and gauges that ask the database when
// they are read.
func newMetrics(reg prometheus.Registerer, s *store.Store) *metrics {
	f := promauto.With(reg)
	backlog := func(of func(store.Backlog) float64) func() float64 {
		return func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			b, err := s.Backlog(ctx)
			if err != nil {
				return math.NaN() // not known, which is not nothing
			}
			return of(b)
		}
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{Name: "gerbang_parked", Help: "Onboardings that wait for an operator now."},
		backlog(func(b store.Backlog) float64 { return float64(b.Parked) }))
	f.NewGaugeFunc(prometheus.GaugeOpts{Name: "gerbang_overdue_seconds", Help: "How long the oldest due onboarding has been due."},
		backlog(func(b store.Backlog) float64 { return b.Overdue.Seconds() }))
	return &metrics{
		moves: f.NewCounterVec(prometheus.CounterOpts{
			Name: "gerbang_moves_total", Help: "Committed transitions, by event and the state reached."}, []string{"event", "state"}),
		failed: f.NewCounterVec(prometheus.CounterOpts{
			Name: "gerbang_step_failures_total", Help: "Attempts without a usable answer, by state and cause."}, []string{"state", "cause"}),
		parked: f.NewCounterVec(prometheus.CounterOpts{
			Name: "gerbang_parked_total", Help: "Onboardings parked for an operator, by state and cause."}, []string{"state", "cause"}),
		opened: f.NewCounterVec(prometheus.CounterOpts{
			Name: "gerbang_breaker_opened_total", Help: "How often a vendor's product stopped answering."}, []string{"product"}),
		bulk: f.NewHistogram(prometheus.HistogramOpts{
			Name: "gerbang_screening_bulk_size", Help: "Subjects per bulk screening.", Buckets: []float64{2, 5, 10, 25, 50, 75, 100}}),
	}
}

func (m *metrics) moved(move *store.Move) {
	m.moves.WithLabelValues(string(move.Event), string(move.Row.State)).Inc()
}
