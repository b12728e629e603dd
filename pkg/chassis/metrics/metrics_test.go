package metrics_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/chassis/metrics"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry/telemetrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const openMetrics = "application/openmetrics-text;version=1.0.0"

func scrape(t *testing.T, g prometheus.Gatherer, log *slog.Logger, accept string) string {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil)
	request.Header.Set("Accept", accept)
	recorder := httptest.NewRecorder()
	metrics.Handler(g, log).ServeHTTP(recorder, request)
	body, err := io.ReadAll(recorder.Result().Body)
	if err != nil || recorder.Code != 200 {
		t.Fatalf("scrape: status %d, %v", recorder.Code, err)
	}
	return string(body)
}

func TestRegistryDescribesProcessAndServices(t *testing.T) {
	registry := metrics.NewRegistry()
	for _, service := range []string{"job-service", "thumbnail-worker"} {
		if err := metrics.RegisterBuild(registry, metrics.Build{Service: service, Version: "v1"}); err != nil {
			t.Fatal(err)
		}
	}
	body := scrape(t, registry, slog.New(slog.DiscardHandler), "text/plain")
	for _, want := range []string{"go_goroutines ", "process_cpu_seconds_total ",
		`service="job-service",version="v1"} 1`, `service="thumbnail-worker",version="v1"} 1`} {
		if !strings.Contains(body, want) {
			t.Errorf("scrape lacks %q", want)
		}
	}
	if err := metrics.RegisterBuild(registry, metrics.Build{Service: "job-service", Version: "v1"}); err == nil {
		t.Error("the same service was registered twice")
	}
}

func TestObservationsOfSampledTracesAreExemplars(t *testing.T) {
	registry := prometheus.NewRegistry()
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h_seconds", Buckets: metrics.DurationBuckets})
	registry.MustRegister(histogram)
	ctx, span := telemetrytest.NewRecorder(t).TracerProvider.Tracer("test").Start(t.Context(), "work")
	metrics.Observe(ctx, histogram, 2*3600)
	span.End()
	metrics.Observe(context.Background(), histogram, 1)

	body := scrape(t, registry, slog.New(slog.DiscardHandler), openMetrics)
	if want := `# {trace_id="` + span.SpanContext().TraceID().String() + `"} 7200`; !strings.Contains(body, want) {
		t.Errorf("scrape lacks exemplar %s:\n%s", want, body)
	}
	if n := strings.Count(body, "trace_id"); n != 1 || !strings.Contains(body, "h_seconds_count 2") {
		t.Errorf("%d exemplars, want 1 of 2 observations:\n%s", n, body)
	}
}

func TestBucketsAscendToHours(t *testing.T) {
	for name, buckets := range map[string][]float64{"duration": metrics.DurationBuckets, "request": metrics.RequestBuckets} {
		if !slices.IsSorted(buckets) || len(slices.Compact(slices.Clone(buckets))) != len(buckets) {
			t.Errorf("%s buckets %v do not ascend", name, buckets)
		}
	}
	for i, b := range metrics.DurationBuckets[1:] {
		if b > 3*metrics.DurationBuckets[i] {
			t.Errorf("bucket %v is more than three times %v", b, metrics.DurationBuckets[i])
		}
	}
	if last := metrics.DurationBuckets[len(metrics.DurationBuckets)-1]; last != 8*3600 {
		t.Errorf("last bucket is %v, want 8 h", last)
	}
}

type broken struct{}

func (broken) Describe(chan<- *prometheus.Desc) {}
func (broken) Collect(c chan<- prometheus.Metric) {
	c <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(errors.New("boom")), errors.New("boom"))
}

func TestABrokenCollectorDoesNotHideTheOthers(t *testing.T) {
	registry := metrics.NewRegistry()
	registry.MustRegister(broken{})
	var b bytes.Buffer
	body := scrape(t, registry, slog.New(slog.NewJSONHandler(&b, nil)), "text/plain")
	if !strings.Contains(body, "go_goroutines ") || !strings.Contains(b.String(), "boom") {
		t.Errorf("scrape has go_goroutines: %t; log: %s", strings.Contains(body, "go_goroutines "), b.String())
	}
}

func TestValuesBoundALabel(t *testing.T) {
	v := metrics.NewValues("GET", "PUT")
	for value, want := range map[string]string{"GET": "GET", "PUT": "PUT", "BREW": metrics.Other, "": metrics.Other, "get": metrics.Other} {
		if got := v.Bound(value); got != want {
			t.Errorf("Bound(%q) = %q, want %q", value, got, want)
		}
	}
}
