package telemetry_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/chassis/telemetry"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry/telemetrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clearOTEL makes a test independent of the environment it runs in.
func clearOTEL(t *testing.T) {
	for _, name := range []string{
		"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED",
		"OTEL_PROPAGATORS", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_PROTOCOL",
	} {
		t.Setenv(name, "")
	}
}

func TestTracingExportsToTheConfiguredCollector(t *testing.T) {
	clearOTEL(t)
	bodies := make(chan string, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read export: %v", err)
		}
		bodies <- r.URL.Path + " " + string(body)
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")

	tracing, err := telemetry.NewTracing(t.Context(), telemetry.Service{Name: "mill", Version: "v1", Instance: "i1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracing.Provider.Tracer("test").Start(t.Context(), "grind")
	span.End()
	if err := tracing.Shutdown(t.Context()); err != nil {
		t.Fatalf("Shutdown: %v", err)
	}
	got := <-bodies
	for _, want := range []string{"/v1/traces ", "grind", "service.name", "mill", "service.version", "v1",
		"service.instance.id", "i1", "deployment.environment.name", "staging"} {
		if !strings.Contains(got, want) {
			t.Errorf("export lacks %q: %q", want, got)
		}
	}
}

func TestTracingWithoutExporterStillMakesTraceIDs(t *testing.T) {
	clearOTEL(t)
	tracing, err := telemetry.NewTracing(t.Context(), telemetry.Service{Name: "mill"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracing.Provider.Tracer("test").Start(t.Context(), "grind")
	span.End()
	if !span.SpanContext().IsValid() {
		t.Error("span has no ids")
	}
	if err := tracing.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestTracingCanBeDisabled(t *testing.T) {
	clearOTEL(t)
	t.Setenv("OTEL_SDK_DISABLED", "True")
	tracing, err := telemetry.NewTracing(t.Context(), telemetry.Service{Name: "mill"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracing.Provider.Tracer("test").Start(t.Context(), "grind")
	if span.SpanContext().IsValid() || tracing.Shutdown(t.Context()) != nil {
		t.Error("spans are made although tracing is disabled")
	}
}

func TestTracingRefusesWrongVariables(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_TRACES_EXPORTER": "carrier-pigeon", "OTEL_RESOURCE_ATTRIBUTES": "no equals sign",
	} {
		clearOTEL(t)
		t.Setenv(name, value)
		if _, err := telemetry.NewTracing(t.Context(), telemetry.Service{Name: "mill"}, nil); err == nil {
			t.Errorf("%s=%s was accepted", name, value)
		}
	}
}

func TestExporterFailuresAreLogged(t *testing.T) {
	clearOTEL(t)
	var b bytes.Buffer
	tracing, err := telemetry.NewTracing(t.Context(), telemetry.Service{Name: "mill"}, slog.New(slog.NewJSONHandler(&b, nil)))
	if err != nil {
		t.Fatal(err)
	}
	otel.Handle(io.ErrUnexpectedEOF)
	got := lines(t, &b)
	if len(got) != 1 || got[0]["level"] != "WARN" || got[0]["error"] != "unexpected EOF" {
		t.Errorf("log = %v, want one warning", got)
	}
	if err := tracing.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPropagatorsComeFromTheEnvironment(t *testing.T) {
	clearOTEL(t)
	for value, want := range map[string]string{"": "traceparent", "b3": "b3"} {
		t.Setenv("OTEL_PROPAGATORS", value)
		tracing, err := telemetry.NewTracing(t.Context(), telemetry.Service{Name: "mill"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(tracing.Propagator.Fields(), " "); !strings.Contains(got, want) {
			t.Errorf("OTEL_PROPAGATORS=%q: fields %q, want %q", value, got, want)
		}
		if err := tracing.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestATraceSurvivesAMessage(t *testing.T) {
	recorder := telemetrytest.NewRecorder(t)
	tracer := recorder.TracerProvider.Tracer("test")
	ctx, sent := tracer.Start(t.Context(), "send")
	headers := telemetry.Inject(ctx)
	sent.End()
	if want := "00-" + sent.SpanContext().TraceID().String() + "-" + sent.SpanContext().SpanID().String() + "-01"; headers["traceparent"] != want {
		t.Errorf("traceparent = %q, want %q", headers["traceparent"], want)
	}
	remote := telemetry.Extract(t.Context(), headers)
	_, received := tracer.Start(remote, "receive", trace.WithLinks(trace.LinkFromContext(remote)))
	received.End()
	_, other := tracer.Start(telemetry.Extract(t.Context(), map[string]string{"traceparent": "garbage"}), "other")
	other.End()

	if want := "send\n  receive ~ send\nother\n"; recorder.Tree() != want {
		t.Errorf("spans:\n%swant:\n%s", recorder.Tree(), want)
	}
	if recorder.Traces() != 2 || recorder.Find("receive").Parent().IsRemote() != true {
		t.Errorf("%d traces, want 2, and a remote parent", recorder.Traces())
	}
	if got := telemetry.Inject(t.Context()); got == nil || len(got) != 0 {
		t.Errorf("Inject without a span = %v, want an empty map", got)
	}
}
