// Package telemetry makes a process observable from outside: JSON logs whose
// lines say which job, task and trace they belong to, and traces that follow a
// job through HTTP and messages.
//
// Identifiers travel in the context: [With] adds them once, where they become
// known, and every log line below carries them. Providers are values that are
// passed in; the package sets no global one. Tests record spans with
// telemetrytest.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

// Keys of attributes that mean the same in every log line and every service.
const (
	KeyTraceID   = "trace_id"
	KeySpanID    = "span_id"
	KeyRequestID = "request_id"
	KeyTenant    = "tenant"
	KeyJobID     = "job_id"
	KeyStep      = "step"
	KeyTaskID    = "task_id"
	KeyAttempt   = "attempt"
)

// RequestID returns the attribute for the identifier of an HTTP request.
func RequestID(id string) slog.Attr { return slog.String(KeyRequestID, id) }

// Tenant returns the attribute for the tenant on whose behalf work is done.
func Tenant(name string) slog.Attr { return slog.String(KeyTenant, name) }

// JobID returns the attribute for the identifier of a job.
func JobID(id string) slog.Attr { return slog.String(KeyJobID, id) }

// Step returns the attribute for the name of a step of a job.
func Step(name string) slog.Attr { return slog.String(KeyStep, name) }

// TaskID returns the attribute for the identifier of a task.
func TaskID(id string) slog.Attr { return slog.String(KeyTaskID, id) }

// Attempt returns the attribute for the attempt at a task, counted from 1.
func Attempt(n int) slog.Attr { return slog.Int(KeyAttempt, n) }

// attrsKey is the context key of the attributes of [With].
type attrsKey struct{}

// With returns a context whose log lines carry attrs, besides those of ctx. An
// attribute replaces an earlier one of the same key.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	all := slices.Clone(contextAttrs(ctx)) // the slice in ctx is shared
	for _, a := range attrs {
		i := slices.IndexFunc(all, func(b slog.Attr) bool { return b.Key == a.Key })
		if i < 0 {
			all = append(all, a)
			continue
		}
		all[i] = a
	}
	return context.WithValue(ctx, attrsKey{}, all)
}

func contextAttrs(ctx context.Context) []slog.Attr {
	attrs, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	return attrs
}

// LogConfig configures [NewLogger].
type LogConfig struct {
	Level slog.Level `env:"LOG_LEVEL" envDefault:"info" doc:"Least severity that is logged: debug, info, warn or error."`
}

// NewLogger returns a logger that writes one JSON object a line to w, with the
// attributes of [Handler] and the service's name, version and instance. It is
// safe for concurrent use if w is not used by anybody else.
func NewLogger(w io.Writer, service Service, cfg LogConfig) *slog.Logger {
	service = service.withDefaults()
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: cfg.Level})
	return slog.New(NewHandler(handler)).With(
		slog.String("service", service.Name),
		slog.String("version", service.Version),
		slog.String("instance", service.Instance),
	)
}

// Handler adds to each record what the context knows: the attributes of [With]
// and trace_id and span_id of the current span. They stay at the top level also
// for loggers with an open group, so that a query for them always works.
type Handler struct {
	next    slog.Handler
	root    slog.Handler                      // next without anything that followed the first group
	regroup []func(slog.Handler) slog.Handler // what followed
}

var _ slog.Handler = (*Handler)(nil)

// NewHandler returns a Handler in front of next.
func NewHandler(next slog.Handler) *Handler { return &Handler{next: next, root: next} }

// Enabled reports what the handler behind h reports.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle passes the record on with the attributes of ctx.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	attrs := contextAttrs(ctx)
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		attrs = append(slices.Clip(attrs),
			slog.String(KeyTraceID, span.TraceID().String()), slog.String(KeySpanID, span.SpanID().String()))
	}
	if len(attrs) == 0 {
		return h.next.Handle(ctx, r)
	}
	if len(h.regroup) == 0 {
		r = r.Clone()
		r.AddAttrs(attrs...)
		return h.next.Handle(ctx, r)
	}
	next := h.root.WithAttrs(attrs)
	for _, again := range h.regroup {
		next = again(next)
	}
	return next.Handle(ctx, r)
}

// WithAttrs returns a Handler whose records carry attrs.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	if len(h.regroup) == 0 {
		return NewHandler(h.next.WithAttrs(attrs))
	}
	return h.then(func(next slog.Handler) slog.Handler { return next.WithAttrs(attrs) })
}

// WithGroup returns a Handler that puts the attributes of records, but not
// those of the context, into the group.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.then(func(next slog.Handler) slog.Handler { return next.WithGroup(name) })
}

func (h *Handler) then(step func(slog.Handler) slog.Handler) *Handler {
	return &Handler{next: step(h.next), root: h.root, regroup: append(slices.Clip(h.regroup), step)}
}
