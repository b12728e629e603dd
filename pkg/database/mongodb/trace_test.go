package mongodb_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/reelmill/reelmill/pkg/database"
)

const secret = "s3cr3t"

func TestSpans(t *testing.T) {
	cfg := server(t)
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	cfg.TracerProvider = provider
	c := collection(t, open(t, cfg))
	ctx, parent := provider.Tracer("test").Start(t.Context(), "parent")

	d := counter(0, 0)
	d.ID, d.Body = secret, []byte(`{"`+secret+`":1}`)
	if err := c.Insert(ctx, d); err != nil {
		t.Fatal(err)
	}
	if err := c.Insert(ctx, d); !errors.Is(err, database.ErrExists) {
		t.Fatal(err)
	}
	d.Version = 1
	if err := c.Save(ctx, d); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(ctx, secret); err != nil {
		t.Fatal(err)
	}
	q := database.Query{Filters: []database.Filter{{Field: "id", Op: database.Equal, Value: database.String(secret)}}}
	if _, err := c.Find(ctx, q); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(ctx, secret, 0); err != nil {
		t.Fatal(err)
	}
	parent.End()

	var names []string
	for _, span := range recorder.Ended() {
		if strings.Contains(fmt.Sprint(span.Attributes(), span.Status(), span.Events(), span.Name()), secret) {
			t.Errorf("span %s shows content: %v %v", span.Name(), span.Attributes(), span.Events())
		}
		if span.Parent().SpanID() != parent.SpanContext().SpanID() {
			continue
		}
		names = append(names, span.Name())
		attrs := map[string]string{}
		for _, a := range span.Attributes() {
			attrs[string(a.Key)] = a.Value.Emit()
		}
		op, _, _ := strings.Cut(span.Name(), " ")
		if span.SpanKind() != trace.SpanKindClient || attrs["db.system.name"] != "mongodb" || attrs["db.operation.name"] != op ||
			attrs["db.collection.name"] != counters.Name || attrs["db.namespace"] != cfg.Database || attrs["server.port"] == "" {
			t.Errorf("span %s of kind %v has %v", span.Name(), span.SpanKind(), attrs)
		}
	}
	want := []string{"insert counters", "insert counters", "update counters", "find counters", "find counters", "delete counters"}
	if !slices.Equal(names, want) {
		t.Errorf("spans = %q, want %q", names, want)
	}
}

func TestSpanOfAFailure(t *testing.T) {
	cfg := server(t)
	recorder := tracetest.NewSpanRecorder()
	cfg.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	cfg.Timeout = time.Second // the driver reads again until then
	var s switchable
	c := collection(t, open(t, through(t, cfg, s.decide)))
	s.set("find", always(cutBefore))
	_, err := c.Get(t.Context(), "c")
	wantUnavailable(t, "Get", err)
	var failed int
	for _, span := range recorder.Ended() {
		if span.Name() != "find counters" {
			continue
		}
		failed++
		if span.Status().Code != codes.Error || span.Status().Description != "" {
			t.Errorf("status = %+v, want an error without text", span.Status())
		}
	}
	if failed == 0 {
		t.Error("no span of the failed command")
	}
	if open := len(recorder.Started()) - len(recorder.Ended()); open != 0 {
		t.Errorf("%d spans were never ended", open)
	}
}
