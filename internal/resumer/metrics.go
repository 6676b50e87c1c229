package resumer

import (
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

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
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
