package mongodb

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// silent commands belong to the driver's housekeeping, or carry credentials; they have no span.
var silent = map[string]bool{
	"hello": true, "isMaster": true, "ismaster": true, "ping": true, "endSessions": true,
	"saslStart": true, "saslContinue": true, "authenticate": true, "getnonce": true,
}

// monitor makes a client span of every command, a child of the span in the operation's context. A span
// names the command, the collection, the database and the server, and never holds any part of a document,
// a filter or the text of an error, in which the server quotes documents.
type monitor struct {
	tracer trace.Tracer
	open   sync.Map // spanKey -> trace.Span
}

// spanKey identifies a command under way: request ids are unique in a process, and the connection is
// added because the driver does not promise that.
type spanKey struct {
	connection string
	request    int64
}

func newMonitor(tp trace.TracerProvider) *event.CommandMonitor {
	m := &monitor{tracer: tp.Tracer("github.com/reelmill/reelmill/pkg/database/mongodb")}
	return &event.CommandMonitor{Started: m.started, Succeeded: m.succeeded, Failed: m.failed}
}

func (m *monitor) started(ctx context.Context, e *event.CommandStartedEvent) {
	if silent[e.CommandName] {
		return
	}
	name := e.CommandName
	attrs := []attribute.KeyValue{
		attribute.String("db.system.name", "mongodb"),
		attribute.String("db.namespace", e.DatabaseName),
		attribute.String("db.operation.name", e.CommandName),
	}
	if coll := collectionOf(e.CommandName, e.Command); coll != "" {
		name += " " + coll
		attrs = append(attrs, attribute.String("db.collection.name", coll))
	}
	attrs = append(attrs, serverOf(e.ConnectionID)...)
	_, span := m.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
	m.open.Store(spanKey{e.ConnectionID, e.RequestID}, span)
}

func (m *monitor) succeeded(_ context.Context, e *event.CommandSucceededEvent) {
	if span := m.take(e.CommandFinishedEvent); span != nil {
		span.End()
	}
}

func (m *monitor) failed(_ context.Context, e *event.CommandFailedEvent) {
	span := m.take(e.CommandFinishedEvent)
	if span == nil {
		return
	}
	span.SetAttributes(attribute.String("error.type", kindOf(e.Failure)))
	span.SetStatus(codes.Error, "")
	span.End()
}

func (m *monitor) take(e event.CommandFinishedEvent) trace.Span {
	span, ok := m.open.LoadAndDelete(spanKey{e.ConnectionID, e.RequestID})
	if !ok {
		return nil
	}
	return span.(trace.Span)
}

// collectionOf returns the name of the collection that a command concerns: the value of its first key,
// except in getMore, whose first value is the cursor's number.
func collectionOf(name string, command bson.Raw) string {
	if name == "getMore" {
		name = "collection"
	}
	coll, _ := command.Lookup(name).StringValueOK()
	return coll
}

// serverOf takes host and port from the driver's name of a connection, "host:port[-n]".
func serverOf(connection string) []attribute.KeyValue {
	addr, _, _ := strings.Cut(connection, "[")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil
	}
	attrs := []attribute.KeyValue{attribute.String("server.address", host)}
	if n, err := strconv.Atoi(port); err == nil {
		attrs = append(attrs, attribute.Int("server.port", n))
	}
	return attrs
}

// kindOf names an error without its text.
func kindOf(err error) string {
	if ce, ok := errors.AsType[mongo.CommandError](err); ok && ce.Name != "" {
		return ce.Name
	}
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case mongo.IsTimeout(err):
		return "timeout"
	case mongo.IsNetworkError(err):
		return "network"
	}
	return "_OTHER"
}
