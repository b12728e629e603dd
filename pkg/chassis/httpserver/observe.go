package httpserver

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/reelmill/reelmill/pkg/chassis/metrics"
)

// methods are those of RFC 9110 and PATCH: a client may send any word.
var methods = metrics.NewValues(http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
	http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace)

// Trace makes a span for each request, below the one that the client sent, and
// names it by method and route: "GET /v1/jobs/{id}". Metrics are not otelhttp's
// but those of [Metrics].
func Trace(provider trace.TracerProvider, propagator propagation.TextMapPropagator) Middleware {
	outer := otelhttp.NewMiddleware("request",
		otelhttp.WithTracerProvider(provider),
		otelhttp.WithPropagators(propagator),
		otelhttp.WithMeterProvider(noop.NewMeterProvider()),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return spanName(r) }),
	)
	return func(next http.Handler) http.Handler {
		return outer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// Deferred: also when a handler aborts. otelhttp names the span by
			// Request.Pattern, which inner middlewares that copy the request hide.
			defer func() {
				span := trace.SpanFromContext(r.Context())
				span.SetName(spanName(r))
				if route := Route(r); route != Unmatched {
					span.SetAttributes(semconv.HTTPRoute(route))
				}
			}()
			next.ServeHTTP(w, r)
		}))
	}
}

func spanName(r *http.Request) string {
	name := methods.Bound(r.Method)
	if name == metrics.Other {
		name = "HTTP" // as the semantic conventions want it
	}
	if route := Route(r); route != Unmatched {
		return name + " " + route
	}
	return name
}

// Metrics counts and times requests as
// reelmill_http_request_duration_seconds{method,route,code}, with the trace as
// exemplar, and reelmill_http_requests_in_flight. The code of a request whose
// handler aborted before an answer is "aborted". It returns an error if r has
// such metrics already: two servers of a process tell theirs apart by
// prometheus.WrapRegistererWith.
func Metrics(r prometheus.Registerer) (Middleware, error) {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: metrics.Namespace, Subsystem: "http", Name: "request_duration_seconds",
		Help:    "Time from the arrival of a request to the end of its handler.",
		Buckets: metrics.RequestBuckets,
	}, []string{"method", "route", "code"})
	inFlight := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: metrics.Namespace, Subsystem: "http", Name: "requests_in_flight",
		Help: "Requests whose handlers run now.",
	})
	for _, c := range []prometheus.Collector{durations, inFlight} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register HTTP metrics: %w", err)
		}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begun, ww, returned := time.Now(), observed(w, r), false
			inFlight.Inc()
			defer func() {
				inFlight.Dec()
				code := "aborted"
				if status := statusOf(ww, returned); status != 0 {
					code = strconv.Itoa(status)
				}
				series := durations.WithLabelValues(methods.Bound(r.Method), Route(r), code)
				metrics.Observe(r.Context(), series, time.Since(begun).Seconds())
			}()
			next.ServeHTTP(ww, r)
			returned = true
		})
	}, nil
}
