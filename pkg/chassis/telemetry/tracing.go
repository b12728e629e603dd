package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// flushTimeout bounds the export of the last spans: a collector that is down
// must not hold up the end of a process.
const flushTimeout = 5 * time.Second

// Service says which process telemetry comes from.
type Service struct {
	Name     string // such as "job-service"
	Version  string // "" means that of the running binary, by BuildVersion
	Instance string // "" means host name and process id
}

func (s Service) withDefaults() Service {
	s.Version = cmp.Or(s.Version, BuildVersion())
	if s.Instance == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "unknown-host" // the process id still tells instances on one host apart
		}
		s.Instance = fmt.Sprintf("%s-%d", host, os.Getpid())
	}
	return s
}

// version is set by the linker where a build has no version control to ask, in
// images: -X github.com/reelmill/reelmill/pkg/chassis/telemetry.version=1.2.3
var version string

// BuildVersion returns the version of the running binary: the one that the
// linker was given, else that of its main module, else the first 12 digits of the revision it was built from, with
// "-dirty" if it had changes, else "unknown".
func BuildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var revision, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if revision == "" {
		return "unknown"
	}
	return revision + dirty
}

// Tracing is how a process makes and exports spans.
type Tracing struct {
	// Provider is passed to everything that makes spans.
	Provider trace.TracerProvider
	// Propagator carries trace contexts over HTTP, as OTEL_PROPAGATORS says;
	// W3C trace context and baggage if it says nothing. Messages use [Inject] and
	// [Extract], whose format is part of the message contract.
	Propagator propagation.TextMapPropagator

	shutdown func(context.Context) error
}

// NewTracing sets tracing up by the standard OTEL_* environment variables:
// exporter (OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_*), sampler
// (OTEL_TRACES_SAMPLER), propagators and resource attributes. It does not
// connect to the exporter's endpoint. If neither OTEL_TRACES_EXPORTER nor an
// OTLP endpoint is set, spans are made, so that log lines have trace ids, and
// dropped; with OTEL_SDK_DISABLED=true none are made. An error means that one of
// the variables is wrong.
//
// Failures of the exporter go to log at level warn, if log is not nil. That is
// the one global thing set here, by otel.SetErrorHandler, as OpenTelemetry has
// no other way: call NewTracing once in a process.
func NewTracing(ctx context.Context, service Service, log *slog.Logger) (*Tracing, error) {
	if log != nil {
		otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
			log.Warn("telemetry export failed", slog.Any("error", err))
		}))
	}
	t := &Tracing{Propagator: autoprop.NewTextMapPropagator()}
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		t.Provider, t.shutdown = noop.NewTracerProvider(), func(context.Context) error { return nil }
		return t, nil
	}
	res, err := newResource(ctx, service.withDefaults())
	if err != nil {
		return nil, err
	}
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)}
	exporter, err := autoexport.NewSpanExporter(ctx, fallback()...)
	if err != nil {
		return nil, fmt.Errorf("set up trace exporter: %w", err)
	}
	if exporter != nil && !autoexport.IsNoneSpanExporter(exporter) {
		options = append(options, sdktrace.WithBatcher(exporter))
	}
	provider := sdktrace.NewTracerProvider(options...)
	t.Provider, t.shutdown = provider, provider.Shutdown
	return t, nil
}

// fallback keeps a process that was told nothing about tracing from knocking at
// localhost:4318, OpenTelemetry's default.
func fallback() []autoexport.SpanOption {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" {
		return nil
	}
	none := func(context.Context) (sdktrace.SpanExporter, error) { return nil, nil }
	return []autoexport.SpanOption{autoexport.WithFallbackSpanExporter(none)}
}

// newResource describes the process; OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES win over what the program says.
func newResource(ctx context.Context, service Service) (*resource.Resource, error) {
	res, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithSchemaURL(semconv.SchemaURL),
		resource.WithAttributes(
			semconv.ServiceName(service.Name),
			semconv.ServiceVersion(service.Version),
			semconv.ServiceInstanceID(service.Instance),
		),
		resource.WithFromEnv(),
	)
	if err != nil {
		return nil, fmt.Errorf("describe service %s to telemetry: %w", service.Name, err)
	}
	return res, nil
}

// Shutdown exports the spans that are left, for at most five seconds, and
// releases the exporter. The Provider may still be used; its spans are dropped.
func (t *Tracing) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if err := t.shutdown(ctx); err != nil {
		return fmt.Errorf("export last spans: %w", err)
	}
	return nil
}

// Inject returns the W3C trace context of ctx as message headers (traceparent,
// and tracestate where there is one). Without a span it returns an empty,
// non-nil map. The caller owns the map.
func Inject(ctx context.Context) map[string]string {
	headers := map[string]string{}
	propagation.TraceContext{}.Inject(ctx, propagation.MapCarrier(headers))
	return headers
}

// Extract returns ctx with the W3C trace context of message headers as remote
// parent. Missing or malformed headers leave ctx as it is: a message is never
// refused for its trace.
func Extract(ctx context.Context, headers map[string]string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier(headers))
}
