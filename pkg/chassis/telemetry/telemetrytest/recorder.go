// Package telemetrytest records spans in memory, so that tests can say which
// trace an action left behind.
package telemetrytest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// Recorder collects every span that ends. It is safe for concurrent use.
type Recorder struct {
	// TracerProvider is given to the code under test; it samples everything.
	TracerProvider trace.TracerProvider

	t     testing.TB
	spans *tracetest.SpanRecorder
}

// NewRecorder returns a Recorder that is shut down at the end of the test.
func NewRecorder(t testing.TB) *Recorder {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithSpanProcessor(spans),
	)
	t.Cleanup(func() {
		if err := provider.Shutdown(context.Background()); err != nil {
			t.Errorf("shut down span recorder: %v", err)
		}
	})
	return &Recorder{TracerProvider: provider, t: t, spans: spans}
}

// Spans returns the spans that have ended, in the order of their ends.
func (r *Recorder) Spans() []sdktrace.ReadOnlySpan { return r.spans.Ended() }

// Find returns the one ended span called name; without exactly one the test
// fails at once.
func (r *Recorder) Find(name string) sdktrace.ReadOnlySpan {
	r.t.Helper()
	var found []sdktrace.ReadOnlySpan
	for _, s := range r.Spans() {
		if s.Name() == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		r.t.Fatalf("%d spans are called %q, want 1; recorded:\n%s", len(found), name, r.Tree())
	}
	return found[0]
}

// Traces returns how many traces the ended spans belong to.
func (r *Recorder) Traces() int {
	ids := map[trace.TraceID]bool{}
	for _, s := range r.Spans() {
		ids[s.SpanContext().TraceID()] = true
	}
	return len(ids)
}

// Tree draws the ended spans, one a line: children below their parent and
// indented by two spaces, siblings and roots by time of start. A span whose
// parent was not recorded is a root. Links to recorded spans follow the name:
//
//	POST /v1/jobs
//	  publish thumbnail
//	execute thumbnail ~ publish thumbnail
func (r *Recorder) Tree() string {
	spans := slices.Clone(r.Spans())
	slices.SortStableFunc(spans, func(a, b sdktrace.ReadOnlySpan) int {
		return cmp.Or(a.StartTime().Compare(b.StartTime()), cmp.Compare(a.Name(), b.Name()))
	})
	names := map[trace.SpanID]string{}
	children := map[trace.SpanID][]sdktrace.ReadOnlySpan{}
	for _, s := range spans {
		names[s.SpanContext().SpanID()] = s.Name()
	}
	var roots []sdktrace.ReadOnlySpan
	for _, s := range spans {
		parent := s.Parent().SpanID()
		if _, recorded := names[parent]; recorded {
			children[parent] = append(children[parent], s)
			continue
		}
		roots = append(roots, s)
	}
	var b strings.Builder
	var draw func(s sdktrace.ReadOnlySpan, depth int)
	draw = func(s sdktrace.ReadOnlySpan, depth int) {
		b.WriteString(strings.Repeat("  ", depth) + s.Name())
		for _, link := range s.Links() {
			if name, recorded := names[link.SpanContext.SpanID()]; recorded {
				b.WriteString(" ~ " + name)
			}
		}
		b.WriteString("\n")
		for _, child := range children[s.SpanContext().SpanID()] {
			draw(child, depth+1)
		}
	}
	for _, s := range roots {
		draw(s, 0)
	}
	return b.String()
}
