// Package metrics has what the Prometheus metrics of all services share: the
// registry of a process, buckets that suit media work, labels that cannot grow
// without bound, and the handler that serves it all.
//
// Metrics are registered with the registry that is passed in, never with the
// default one: several services may live in one process, and every test has its
// own. Names begin with [Namespace] and end in their unit (_seconds, _bytes,
// _total). A label is a route pattern, a step, a class, never an identifier.
package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"
)

// Namespace is the first word of the name of every metric of the project.
const Namespace = "reelmill"

// DurationBuckets are upper bounds in seconds for histograms of jobs, steps and
// tasks: from the 5 ms of a lookup to the 8 h of a long film on a slow machine,
// each at most three times the one before. They are read only: copy to change.
var DurationBuckets = []float64{
	0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
	60, 120, 300, 600, 1200, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600,
}

// RequestBuckets are upper bounds in seconds for histograms of HTTP requests and
// other calls that somebody waits for. They are read only.
var RequestBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// NewRegistry returns a registry with the collectors of the Go runtime and the
// process, for use once in a process.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister( // cannot fail: the registry is empty and the collectors differ
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

// Build is what reelmill_build_info says about a service.
type Build struct {
	Service string
	Version string
}

// RegisterBuild adds reelmill_build_info{service,version,go_version} = 1. Each
// service of a process may add its own.
func RegisterBuild(r prometheus.Registerer, b Build) error {
	info := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: Namespace,
		Name:      "build_info",
		Help:      "Version of a running service; the value is always 1.",
		ConstLabels: prometheus.Labels{
			"service": b.Service, "version": b.Version, "go_version": runtime.Version(),
		},
	}, func() float64 { return 1 })
	if err := r.Register(info); err != nil {
		return fmt.Errorf("register build info of %s: %w", b.Service, err)
	}
	return nil
}

// Handler serves what g gathers, as OpenMetrics with exemplars to scrapers that
// ask for it. A collector that fails is logged and left out; the rest is served.
// At most four scrapes run at once, each for at most ten seconds.
func Handler(g prometheus.Gatherer, log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{
		EnableOpenMetrics:   true,
		ErrorHandling:       promhttp.ContinueOnError,
		ErrorLog:            errorLog{log},
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	})
}

// errorLog is promhttp's logger on slog.
type errorLog struct{ log *slog.Logger }

func (l errorLog) Println(v ...any) {
	l.log.Warn("metrics not gathered", slog.String("error", strings.TrimSpace(fmt.Sprintln(v...))))
}

// Observe records value, with the trace of ctx as exemplar if it is sampled, so
// that a slow bucket leads to a trace.
func Observe(ctx context.Context, o prometheus.Observer, value float64) {
	span := trace.SpanContextFromContext(ctx)
	if exemplars, ok := o.(prometheus.ExemplarObserver); ok && span.IsSampled() {
		exemplars.ObserveWithExemplar(value, prometheus.Labels{"trace_id": span.TraceID().String()})
		return
	}
	o.Observe(value)
}

// Other is the label value for everything that [Values] does not know.
const Other = "other"

// Values is a closed set of label values. A label that is filled from outside,
// such as an HTTP method or an error code of a server, goes through
// [Values.Bound], so that nobody can create time series at will.
type Values struct {
	known map[string]bool
}

// NewValues returns the set of known values.
func NewValues(known ...string) Values {
	v := Values{known: make(map[string]bool, len(known))}
	for _, k := range known {
		v.known[k] = true
	}
	return v
}

// Bound returns value if it is known, and [Other] otherwise.
func (v Values) Bound(value string) string {
	if v.known[value] {
		return value
	}
	return Other
}
