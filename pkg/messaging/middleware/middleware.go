// Package middleware puts tracing around publishers and handlers: a message carries the W3C trace context
// of the span that published it, and what its handling does belongs to the same trace. Only the
// OpenTelemetry API is used; providers are passed in.
package middleware

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/reelmill/reelmill/pkg/messaging"
)

const scope = "github.com/reelmill/reelmill/pkg/messaging"

// attributes names a message as OpenTelemetry's conventions for messaging do.
func attributes(operation string, m messaging.Message) trace.SpanStartOption {
	return trace.WithAttributes(
		attribute.String("messaging.system", "rabbitmq"),
		attribute.String("messaging.operation.type", operation),
		attribute.String("messaging.destination.name", m.Exchange),
		attribute.String("messaging.rabbitmq.destination.routing_key", m.RoutingKey),
		attribute.String("messaging.message.id", m.ID),
		attribute.String("messaging.message.conversation_id", m.CorrelationID),
	)
}

// Publisher returns a publisher that makes a span of every batch, below the trace context that its first
// message carries already, or else below the span of the caller's context. Messages without a trace
// context get that of the span.
func Publisher(next messaging.Publisher, provider trace.TracerProvider) messaging.Publisher {
	return &publisher{next: next, tracer: provider.Tracer(scope)}
}

type publisher struct {
	next   messaging.Publisher
	tracer trace.Tracer
}

func (p *publisher) Publish(ctx context.Context, batch ...messaging.Message) error {
	if len(batch) == 0 {
		return p.next.Publish(ctx)
	}
	first := batch[0]
	if first.Headers["traceparent"] != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier(first.Headers))
	}
	ctx, span := p.tracer.Start(ctx, "send "+first.Exchange, trace.WithSpanKind(trace.SpanKindProducer), attributes("send", first),
		trace.WithAttributes(attribute.Int("messaging.batch.message_count", len(batch))))
	defer span.End()
	traced := make([]messaging.Message, len(batch))
	for i, m := range batch {
		traced[i] = withTrace(ctx, m)
	}
	err := p.next.Publish(ctx, traced...)
	if err != nil {
		span.SetStatus(codes.Error, "not published")
	}
	return err
}

// withTrace returns m with the trace context of ctx where it has none of its own. The caller's headers are
// not changed.
func withTrace(ctx context.Context, m messaging.Message) messaging.Message {
	if m.Headers["traceparent"] != "" {
		return m
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	if len(carrier) == 0 {
		return m
	}
	for k, v := range m.Headers {
		carrier[k] = v
	}
	m.Headers = carrier
	return m
}

// Handler returns a handler that makes a span of every delivery, in the trace that the message carries: a
// child of the span that published it, so that one trace shows the whole job.
func Handler(next messaging.Handler, provider trace.TracerProvider) messaging.Handler {
	tracer := provider.Tracer(scope)
	return func(ctx context.Context, d messaging.Delivery) error {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier(d.Headers))
		ctx, span := tracer.Start(ctx, "process "+d.Type, trace.WithSpanKind(trace.SpanKindConsumer), attributes("process", d.Message))
		defer span.End()
		err := next(ctx, d)
		if err != nil {
			span.SetStatus(codes.Error, "not handled")
		}
		return err
	}
}
