package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"testing"
	"testing/slogtest"

	"github.com/reelmill/reelmill/pkg/chassis/telemetry"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry/telemetrytest"
)

// lines decodes a log of one JSON object a line.
func lines(t *testing.T, log *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for decoder := json.NewDecoder(log); decoder.More(); {
		var line map[string]any
		if err := decoder.Decode(&line); err != nil {
			t.Fatalf("log is not JSON: %v", err)
		}
		all = append(all, line)
	}
	return all
}

func TestLinesCarryTheIdentifiersOfTheContext(t *testing.T) {
	var b bytes.Buffer
	log := telemetry.NewLogger(&b, telemetry.Service{Name: "mill", Version: "v1", Instance: "i1"}, telemetry.LogConfig{})
	ctx := telemetry.With(t.Context(), telemetry.Tenant("acme"), telemetry.JobID("j1"), telemetry.Step("poster"),
		telemetry.TaskID("t1"), telemetry.Attempt(1), telemetry.RequestID("r1"))
	ctx, span := telemetrytest.NewRecorder(t).TracerProvider.Tracer("test").Start(ctx, "work")
	defer span.End()
	log.InfoContext(telemetry.With(ctx, telemetry.Attempt(2)), "task done", slog.Int("frames", 3))
	log.InfoContext(context.Background(), "idle")

	got := lines(t, &b)
	want := map[string]any{
		"level": "INFO", "msg": "task done", "service": "mill", "version": "v1", "instance": "i1", "frames": 3.0,
		"tenant": "acme", "job_id": "j1", "step": "poster", "task_id": "t1", "attempt": 2.0, "request_id": "r1",
		"trace_id": span.SpanContext().TraceID().String(), "span_id": span.SpanContext().SpanID().String(),
	}
	delete(got[0], "time")
	delete(got[1], "time")
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("line = %v\nwant %v", got[0], want)
	}
	want = map[string]any{"level": "INFO", "msg": "idle", "service": "mill", "version": "v1", "instance": "i1"}
	if !reflect.DeepEqual(got[1], want) {
		t.Errorf("line = %v\nwant %v", got[1], want)
	}
}

func TestIdentifiersStayOutsideGroups(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(telemetry.NewHandler(slog.NewJSONHandler(&b, nil))).
		With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").With("c", 3)
	log.InfoContext(telemetry.With(t.Context(), telemetry.JobID("j1")), "m", "d", 4)
	got := lines(t, &b)[0]
	delete(got, "time")
	want := map[string]any{"level": "INFO", "msg": "m", "a": 1.0, "job_id": "j1",
		"g": map[string]any{"b": 2.0, "h": map[string]any{"c": 3.0, "d": 4.0}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("line = %v\nwant %v", got, want)
	}
}

func TestLoggersOfOneParentDoNotMix(t *testing.T) {
	var b bytes.Buffer
	parent := slog.New(telemetry.NewHandler(slog.NewJSONHandler(&b, nil))).WithGroup("g").With("a", 1).With("b", 2)
	first, second := parent.With("c", "first"), parent.With("c", "second")
	ctx := telemetry.With(t.Context(), telemetry.JobID("j1"))
	first.InfoContext(ctx, "m")
	second.InfoContext(ctx, "m")
	all := lines(t, &b)
	for i, want := range []string{"first", "second"} {
		if got := all[i]["g"].(map[string]any)["c"]; got != want {
			t.Errorf("line %d has c = %v, want %s", i, got, want)
		}
	}
}

func TestWithDoesNotChangeTheOuterContext(t *testing.T) {
	outer := telemetry.With(t.Context(), telemetry.JobID("j1"), telemetry.Attempt(1))
	telemetry.With(outer, telemetry.Attempt(2), telemetry.Step("poster"))
	var b bytes.Buffer
	slog.New(telemetry.NewHandler(slog.NewJSONHandler(&b, nil))).InfoContext(outer, "m")
	got := lines(t, &b)[0]
	if got["attempt"] != 1.0 || got["step"] != nil {
		t.Errorf("line = %v, want attempt 1 and no step", got)
	}
}

func TestLevelIsRespected(t *testing.T) {
	var b bytes.Buffer
	log := telemetry.NewLogger(&b, telemetry.Service{Name: "mill"}, telemetry.LogConfig{Level: slog.LevelWarn})
	log.Info("quiet")
	log.Warn("loud")
	got := lines(t, &b)
	if len(got) != 1 || got[0]["msg"] != "loud" {
		t.Errorf("lines = %v, want only the warning", got)
	}
	if got[0]["version"] == "" || got[0]["instance"] == "" {
		t.Errorf("line %v lacks default version or instance", got[0])
	}
}

func TestHandlerConforms(t *testing.T) {
	for name, with := range map[string]bool{"plain": false, "context attributes": true} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			slogtest.Run(t, func(*testing.T) slog.Handler {
				b.Reset()
				h := slog.Handler(telemetry.NewHandler(slog.NewJSONHandler(&b, nil)))
				if with {
					h = inContext{h}
				}
				return h
			}, func(t *testing.T) map[string]any { return lines(t, &b)[0] })
		})
	}
}

// inContext hands on records as if they were logged under a context with
// attributes.
type inContext struct{ slog.Handler }

func (h inContext) Handle(ctx context.Context, r slog.Record) error {
	return h.Handler.Handle(telemetry.With(ctx, telemetry.JobID("j1")), r)
}
func (h inContext) WithAttrs(a []slog.Attr) slog.Handler { return inContext{h.Handler.WithAttrs(a)} }
func (h inContext) WithGroup(name string) slog.Handler   { return inContext{h.Handler.WithGroup(name)} }
