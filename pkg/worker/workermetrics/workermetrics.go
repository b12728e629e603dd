// Package workermetrics counts what a worker does, for Prometheus.
package workermetrics

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/reelmill/reelmill/pkg/chassis/metrics"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/worker"
)

// Observer is a worker.Observer. Make one with New.
type Observer struct {
	running  *prometheus.GaugeVec
	attempts *prometheus.CounterVec
	duration *prometheus.HistogramVec
	dropped  *prometheus.CounterVec
	codes    metrics.Values
}

var _ worker.Observer = (*Observer)(nil)

// New returns an observer whose metrics are registered with r. Workers of several kinds in one process share
// them: they are told apart by a label.
func New(r prometheus.Registerer) (*Observer, error) {
	codes := []string{""}
	for _, e := range fault.Catalogue() {
		codes = append(codes, string(e.Code))
	}
	o := &Observer{
		running: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: metrics.Namespace, Name: "attempts_running",
			Help: "Attempts that are being processed."}, []string{"kind"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: metrics.Namespace, Name: "attempts_total",
			Help: "Attempts that ended, by outcome and, for failures, error code."}, []string{"kind", "outcome", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: metrics.Namespace, Name: "attempt_duration_seconds",
			Help: "Time from claim to recorded outcome.", Buckets: metrics.DurationBuckets}, []string{"kind", "outcome"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: metrics.Namespace, Name: "hints_dropped_total",
			Help: "Hints that were stale or duplicates."}, []string{"kind"}),
		codes: metrics.NewValues(codes...),
	}
	return o, errors.Join(register(r, &o.running), register(r, &o.attempts), register(r, &o.duration), register(r, &o.dropped))
}

// register registers a collector, or takes the one that another worker of this process has registered.
func register[C prometheus.Collector](r prometheus.Registerer, c *C) error {
	err := r.Register(*c)
	if taken, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if before, ok := taken.ExistingCollector.(C); ok {
			*c = before
			return nil
		}
	}
	return err
}

// AttemptStarted counts an attempt that runs.
func (o *Observer) AttemptStarted(kind contract.Kind) { o.running.WithLabelValues(string(kind)).Inc() }

// AttemptEnded counts an attempt that ended.
func (o *Observer) AttemptEnded(kind contract.Kind, outcome worker.Outcome, code string, took time.Duration) {
	o.running.WithLabelValues(string(kind)).Dec()
	o.attempts.WithLabelValues(string(kind), string(outcome), o.codes.Bound(code)).Inc()
	o.duration.WithLabelValues(string(kind), string(outcome)).Observe(took.Seconds())
}

// HintDropped counts a hint that led to nothing.
func (o *Observer) HintDropped(kind contract.Kind) { o.dropped.WithLabelValues(string(kind)).Inc() }
