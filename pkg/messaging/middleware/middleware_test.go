package middleware_test

import (
	"context"
	"errors"
	"maps"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/middleware"
)

// collector is a tracer provider that remembers the spans that were started; the SDK is no dependency of
// this module.
type collector struct {
	embedded.TracerProvider
	spans []*span
}

// tracer is the one tracer of a collector.
type tracer struct {
	embedded.Tracer
	*collector
}

type span struct {
	noop.Span
	name    string
	kind    trace.SpanKind
	parent  trace.SpanContext
	context trace.SpanContext
	status  codes.Code
	ended   bool
}

func (c *collector) Tracer(string, ...trace.TracerOption) trace.Tracer { return tracer{collector: c} }

func (c tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	parent := trace.SpanContextFromContext(ctx)
	traceID := parent.TraceID()
	if !traceID.IsValid() {
		traceID = trace.TraceID{0xaa, byte(len(c.spans) + 1)}
	}
	config := trace.NewSpanStartConfig(options...)
	s := &span{name: name, parent: parent, kind: config.SpanKind(),
		context: trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: trace.SpanID{byte(len(c.spans) + 1)}, TraceFlags: trace.FlagsSampled})}
	c.spans = append(c.spans, s)
	return trace.ContextWithSpan(ctx, s), s
}

func (s *span) SpanContext() trace.SpanContext      { return s.context }
func (s *span) SetStatus(code codes.Code, _ string) { s.status = code }
func (s *span) End(...trace.SpanEndOption)          { s.ended = true }

// outbox keeps what was published.
type outbox struct {
	sent []messaging.Message
	err  error
}

func (o *outbox) Publish(_ context.Context, batch ...messaging.Message) error {
	o.sent = append(o.sent, batch...)
	return o.err
}

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestOneTraceFromPublisherToHandler(t *testing.T) {
	c, o := &collector{}, &outbox{}
	ctx, request := c.Tracer("").Start(t.Context(), "request")
	own := map[string]string{"x-own": "kept"}
	batch := []messaging.Message{{ID: "a", Exchange: "cmd", Headers: own}, {ID: "b", Exchange: "cmd", Headers: map[string]string{"traceparent": traceparent}}}
	if err := middleware.Publisher(o, c).Publish(ctx, batch...); err != nil {
		t.Fatalf("Publish = %v, want nil", err)
	}
	if want := map[string]string{"x-own": "kept"}; !maps.Equal(own, want) {
		t.Errorf("the caller's headers became %v", own)
	}
	if o.sent[1].Headers["traceparent"] != traceparent {
		t.Errorf("a message's own trace context became %v", o.sent[1].Headers)
	}
	if o.sent[0].Headers["x-own"] != "kept" {
		t.Errorf("headers = %v, want the message's own, too", o.sent[0].Headers)
	}
	var inside trace.SpanContext
	handler := middleware.Handler(func(ctx context.Context, _ messaging.Delivery) error {
		inside = trace.SpanContextFromContext(ctx)
		return nil
	}, c)
	if err := handler(t.Context(), messaging.Delivery{Message: o.sent[0]}); err != nil {
		t.Fatalf("handler = %v, want nil", err)
	}
	send, process := c.spans[1], c.spans[2]
	if send.kind != trace.SpanKindProducer || send.parent.SpanID() != request.SpanContext().SpanID() || !send.ended {
		t.Errorf("send = %+v, want an ended producer span below the request's", send)
	}
	if process.kind != trace.SpanKindConsumer || process.parent.SpanID() != send.context.SpanID() || !process.ended {
		t.Errorf("process = %+v, want an ended consumer span below the send's", process)
	}
	if inside.TraceID() != request.SpanContext().TraceID() || inside.SpanID() != process.context.SpanID() {
		t.Errorf("the handler works in %v, want the process span in the request's trace", inside)
	}
}

func TestErrorsAreMarkedAndPassedOn(t *testing.T) {
	c, failure := &collector{}, errors.New("down")
	if err := middleware.Publisher(&outbox{err: failure}, c).Publish(t.Context(), messaging.Message{ID: "a"}); err != failure {
		t.Errorf("Publish = %v, want the publisher's error", err)
	}
	handler := middleware.Handler(func(context.Context, messaging.Delivery) error { return failure }, c)
	if err := handler(t.Context(), messaging.Delivery{}); err != failure {
		t.Errorf("handler = %v, want its own error", err)
	}
	for _, s := range c.spans {
		if s.status != codes.Error || !s.ended {
			t.Errorf("span %s has status %v (ended %t), want an ended error", s.name, s.status, s.ended)
		}
	}
}
