// Package observe counts what job-service does, for Prometheus: durations and ends of jobs, replies,
// expired leases, failed effects, and, sampled from the stores, how many jobs and tasks are where and how
// long the oldest has waited.
package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/reelmill/reelmill/pkg/chassis/metrics"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
)

// Metrics are the service's own. Make them with New.
type Metrics struct {
	duration *prometheus.HistogramVec
	finished *prometheus.CounterVec
	replies  *prometheus.CounterVec
	expired  *prometheus.CounterVec
	effects  *prometheus.CounterVec
	jobs     *prometheus.GaugeVec
	tasks    *prometheus.GaugeVec
	oldest   *prometheus.GaugeVec
	workers  *prometheus.GaugeVec

	pipelines metrics.Values
	codes     metrics.Values
	kinds     metrics.Values
}

// New returns metrics that are registered with r.
func New(r prometheus.Registerer) (*Metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: metrics.Namespace, Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: metrics.Namespace, Name: name, Help: help}, labels)
	}
	codes := []string{""}
	for _, e := range fault.Catalogue() {
		codes = append(codes, string(e.Code))
	}
	kinds := []string{""}
	for _, k := range contract.Kinds() {
		kinds = append(kinds, string(k))
	}
	m := &Metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: metrics.Namespace, Name: "job_duration_seconds",
			Help: "Time from the stored source to the end of a job.", Buckets: metrics.DurationBuckets}, []string{"pipeline", "state"}),
		finished:  counter("jobs_finished_total", "Jobs that ended; by error code where they failed: the error rate.", "state", "code"),
		replies:   counter("replies_total", "Replies of workers; stale ones were not accepted.", "kind", "stale"),
		expired:   counter("task_expirations_total", "Leases and attempts that ran out.", "kind"),
		effects:   counter("effect_failures_total", "Effects of jobs that failed and are tried again.", "effect"),
		jobs:      gauge("jobs", "Jobs by state.", "state"),
		tasks:     gauge("tasks", "Tasks that are not done, by kind and state: pending and queued are the size of the queue.", "kind", "state"),
		oldest:    gauge("oldest_waiting_task_seconds", "How long the oldest due task has waited for a worker; 0 where none waits.", "kind"),
		workers:   gauge("worker_slots", "Slots of live workers.", "kind"),
		pipelines: metrics.NewValues(append(pipeline.Names(), pipeline.Inline)...), codes: metrics.NewValues(codes...), kinds: metrics.NewValues(kinds...),
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.duration, m.finished, m.replies, m.expired, m.effects, m.jobs, m.tasks, m.oldest, m.workers} {
		errs = append(errs, r.Register(c))
	}
	return m, errors.Join(errs...)
}

// JobFinished counts a job that reached a terminal state.
func (m *Metrics) JobFinished(j job.Job) {
	code := ""
	if j.Error != nil {
		code = string(j.Error.Code)
	}
	m.finished.WithLabelValues(string(j.State), m.codes.Bound(code)).Inc()
	if !j.QueuedAt.IsZero() {
		m.duration.WithLabelValues(m.pipelines.Bound(j.Pipeline.Name), string(j.State)).Observe(j.FinishedAt.Sub(j.QueuedAt).Seconds())
	}
}

// TaskExpired counts a task that was taken away from its worker.
func (m *Metrics) TaskExpired(t task.Task) {
	m.expired.WithLabelValues(m.kinds.Bound(string(t.Kind))).Inc()
}

// EffectFailed counts an effect that is to be tried again.
func (m *Metrics) EffectFailed(kind job.EffectKind) { m.effects.WithLabelValues(string(kind)).Inc() }

// Reply counts a reply.
func (m *Metrics) Reply(kind contract.Kind, stale bool) {
	m.replies.WithLabelValues(m.kinds.Bound(string(kind)), strconv.FormatBool(stale)).Inc()
}

// Stores are what is sampled.
type Stores struct {
	Jobs    job.Repository
	Tasks   task.Repository
	Workers task.WorkerRepository
}

// Run samples the stores at every interval until ctx ends, and returns nil.
func (m *Metrics) Run(ctx context.Context, stores Stores, interval time.Duration, log *slog.Logger) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		bounded, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := m.sample(bounded, stores)
		cancel()
		if err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "metrics not sampled", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sample counts everything once. A panic of a store becomes an error.
func (m *Metrics) sample(ctx context.Context, stores Stores) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("sampling panicked: %v", p)
		}
	}()
	counts, err := stores.Jobs.CountByState(ctx)
	if err != nil {
		return err
	}
	for s, n := range counts {
		m.jobs.WithLabelValues(string(s)).Set(float64(n))
	}
	now := time.Now()
	live, err := stores.Workers.Live(ctx, now.Add(-task.WorkerTTL))
	if err != nil {
		return err
	}
	slots := map[contract.Kind]int{}
	for _, w := range live {
		slots[w.Kind] += w.Slots
	}
	for _, k := range contract.Kinds() {
		m.workers.WithLabelValues(string(k)).Set(float64(slots[k]))
		for _, s := range []task.State{task.Pending, task.Queued, task.Running} {
			n, err := stores.Tasks.Count(ctx, k, s)
			if err != nil {
				return err
			}
			m.tasks.WithLabelValues(string(k), string(s)).Set(float64(n))
		}
		since, ok, err := stores.Tasks.OldestWaiting(ctx, k, now)
		if err != nil {
			return err
		}
		waited := 0.0
		if ok {
			waited = max(0, now.Sub(since).Seconds())
		}
		m.oldest.WithLabelValues(string(k)).Set(waited)
	}
	return nil
}
