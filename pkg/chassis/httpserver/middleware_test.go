package httpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry/telemetrytest"
)

// api is a router with the whole stack, and what the stack left behind.
type api struct {
	*chi.Mux
	log      *bytes.Buffer
	recorder *telemetrytest.Recorder
	registry *prometheus.Registry
}

var errHandler = errors.New("handler gave up")

func newAPI(t *testing.T) api {
	t.Helper()
	a := api{chi.NewRouter(), &bytes.Buffer{}, telemetrytest.NewRecorder(t), prometheus.NewRegistry()}
	stack := Stack{
		Log:            slog.New(telemetry.NewHandler(slog.NewJSONHandler(a.log, nil))),
		TracerProvider: a.recorder.TracerProvider,
		Propagator:     propagation.TraceContext{},
		Registerer:     a.registry,
		RenderPanic: func(w http.ResponseWriter, _ *http.Request, err *lifecycle.PanicError) {
			http.Error(w, "rendered "+err.Error(), http.StatusInternalServerError)
		},
	}
	middlewares, err := stack.Middlewares()
	if err != nil {
		t.Fatal(err)
	}
	a.Use(middlewares...)
	a.Route("/v1", func(r chi.Router) {
		r.Get("/jobs/{id}", func(w http.ResponseWriter, r *http.Request) {
			if got := a.inFlight(t); got != 1 {
				t.Errorf("%v requests in flight within one, want 1", got)
			}
			Annotate(r.Context(), telemetry.Tenant("acme"))
			fmt.Fprint(w, "a job")
		})
		r.Get("/panic", func(http.ResponseWriter, *http.Request) { panic(errHandler) })
		r.Get("/late", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "half"); panic("late") })
		r.Get("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	})
	return a
}

// call serves one request and returns the answer and whether it was aborted.
func (a api) call(t *testing.T, method, target string, headers ...string) (response *httptest.ResponseRecorder, aborted bool) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response = httptest.NewRecorder()
	defer func() {
		switch value := recover(); value {
		case nil:
		case http.ErrAbortHandler:
			aborted = true
		default:
			panic(value)
		}
	}()
	a.ServeHTTP(response, request)
	return response, false
}

// lastLine decodes the last line of the log.
func (a api) lastLine(t *testing.T) map[string]any {
	t.Helper()
	all := strings.Split(strings.TrimSpace(a.log.String()), "\n")
	var line map[string]any
	if err := json.Unmarshal([]byte(all[len(all)-1]), &line); err != nil {
		t.Fatalf("log is not JSON: %v\n%s", err, a.log)
	}
	return line
}

func TestStackObservesARequest(t *testing.T) {
	a := newAPI(t)
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	response, _ := a.call(t, "GET", "/v1/jobs/j1?token=hunter2", "X-Request-Id", "r-1", "Traceparent", parent)
	if response.Code != http.StatusOK || response.Body.String() != "a job" || response.Header().Get("X-Request-Id") != "r-1" {
		t.Errorf("answer = %d %q, request id %q", response.Code, response.Body, response.Header().Get("X-Request-Id"))
	}

	span := a.recorder.Find("GET /v1/jobs/{id}")
	if got := span.Parent().SpanID().String(); got != "b7ad6b7169203331" || span.SpanKind() != trace.SpanKindServer {
		t.Errorf("span has parent %s and kind %v, want the client's and server", got, span.SpanKind())
	}
	if !strings.Contains(fmt.Sprint(span.Attributes()), "/v1/jobs/{id}") {
		t.Errorf("span lacks the route: %v", span.Attributes())
	}

	line := a.lastLine(t)
	if _, ok := line["duration_ms"].(float64); !ok {
		t.Errorf("line lacks duration_ms: %v", line)
	}
	delete(line, "time")
	delete(line, "duration_ms")
	want := map[string]any{
		"level": "INFO", "msg": "request answered", "method": "GET", "route": "/v1/jobs/{id}", "status": 200.0, "bytes": 5.0,
		"aborted": false, "tenant": "acme", "request_id": "r-1",
		"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": span.SpanContext().SpanID().String(),
	}
	if !reflect.DeepEqual(line, want) {
		t.Errorf("line = %v\nwant %v", line, want)
	}
	if strings.Contains(a.log.String(), "hunter2") || strings.Contains(a.log.String(), "j1") {
		t.Errorf("log shows the raw URL: %s", a.log)
	}
}

// gathered returns the series of one metric.
func (a api) gathered(t *testing.T, name string) []*dto.Metric {
	t.Helper()
	families, err := a.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()
		}
	}
	t.Fatalf("no metric is called %s", name)
	return nil
}

func (a api) inFlight(t *testing.T) float64 {
	t.Helper()
	return a.gathered(t, "reelmill_http_requests_in_flight")[0].GetGauge().GetValue()
}

// series returns "method route code=count" for each series of the histogram of
// requests.
func (a api) series(t *testing.T) string {
	t.Helper()
	var all []string
	for _, m := range a.gathered(t, "reelmill_http_request_duration_seconds") {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		all = append(all, fmt.Sprintf("%s %s %s=%d", labels["method"], labels["route"], labels["code"], m.GetHistogram().GetSampleCount()))
	}
	return strings.Join(all, "\n")
}

func TestLabelsAreBounded(t *testing.T) {
	a := newAPI(t)
	for i := range 50 {
		a.call(t, "GET", fmt.Sprintf("/v1/jobs/%d", i))
		a.call(t, "GET", fmt.Sprintf("/nowhere/%d", i))
		a.call(t, fmt.Sprintf("BREW%d", i), "/v1/panic")
	}
	a.call(t, "GET", "/v1/abort")
	a.call(t, "GET", "/v1/panic")
	a.call(t, "DELETE", "/v1/panic")
	got := strings.Split(a.series(t), "\n")
	want := []string{
		"GET /v1/jobs/{id} 200=50", "GET unmatched 404=50", "GET /v1/abort aborted=1", "GET /v1/panic 500=1",
	}
	for _, w := range want {
		if !strings.Contains("\n"+strings.Join(got, "\n")+"\n", "\n"+w+"\n") {
			t.Errorf("series lack %q:\n%s", w, strings.Join(got, "\n"))
		}
	}
	if len(got) != 6 {
		t.Errorf("%d series, want 6:\n%s", len(got), strings.Join(got, "\n"))
	}
	if got := a.inFlight(t); got != 0 {
		t.Errorf("%v requests in flight after the last one", got)
	}
	for _, span := range a.recorder.Spans() {
		if strings.Contains(span.Name(), "BREW") {
			t.Errorf("span is called %q", span.Name())
		}
	}
}

func TestAPanicIsRenderedAndLogged(t *testing.T) {
	a := newAPI(t)
	response, aborted := a.call(t, "GET", "/v1/panic")
	if aborted || response.Code != http.StatusInternalServerError || response.Body.String() != "rendered panic: handler gave up\n" {
		t.Errorf("answer = %d %q, aborted %t", response.Code, response.Body, aborted)
	}
	if !strings.Contains(a.log.String(), "middleware_test.go") || !strings.Contains(a.log.String(), `"route":"/v1/panic"`) {
		t.Errorf("log lacks stack or route:\n%s", a.log)
	}
	if line := a.lastLine(t); line["status"] != 500.0 || line["level"] != "WARN" {
		t.Errorf("access line = %v, want status 500 at WARN", line)
	}
	if events := a.recorder.Find("GET /v1/panic").Events(); len(events) != 1 || events[0].Name != "exception" {
		t.Errorf("span events = %v, want the exception", events)
	}
}

func TestAPanicAfterTheAnswerBeganCutsTheConnection(t *testing.T) {
	a := newAPI(t)
	if _, aborted := a.call(t, "GET", "/v1/late"); !aborted {
		t.Error("half an answer ended like a whole one")
	}
	if !strings.Contains(a.log.String(), "request handler panicked") || a.lastLine(t)["aborted"] != true {
		t.Errorf("log lacks the panic or the abort:\n%s", a.log)
	}
	if _, aborted := a.call(t, "GET", "/v1/abort"); !aborted || strings.Count(a.log.String(), "panicked") != 1 {
		t.Errorf("ErrAbortHandler was not passed on silently: aborted %t\n%s", aborted, a.log)
	}
}

func TestRequestIDsAreMadeWhereTheClientsAreUnfit(t *testing.T) {
	for id, fit := range map[string]bool{
		"r-1": true, strings.Repeat("x", 64): true, "": false, strings.Repeat("x", 65): false, "a b": false, "a\"b": false, "ä": false,
	} {
		a := newAPI(t)
		response, _ := a.call(t, "GET", "/v1/jobs/1", "X-Request-Id", id)
		got := response.Header().Get("X-Request-Id")
		if (got == id) != fit || !validRequestID(got) || a.lastLine(t)["request_id"] != got {
			t.Errorf("client's id %q: got %q, want it kept: %t", id, got, fit)
		}
	}
}

func TestStackRefusesMissingAndRepeatedParts(t *testing.T) {
	if _, err := (Stack{}).Middlewares(); err == nil {
		t.Error("an empty stack was accepted")
	}
	registry := prometheus.NewRegistry()
	if _, err := Metrics(registry); err != nil {
		t.Fatal(err)
	}
	if _, err := Metrics(registry); err == nil {
		t.Error("the same metrics were registered twice")
	}
}

func TestAnnotateOutsideARequestDoesNothing(t *testing.T) {
	Annotate(context.Background(), telemetry.Tenant("acme"))
	if Stopping(context.Background()) != nil {
		t.Error("Stopping outside a server is not nil")
	}
}

func TestWriteDeadlineReachesTheConnectionThroughTheStack(t *testing.T) {
	a := newAPI(t)
	failed := make(chan error, 1)
	router := chi.NewRouter()
	router.Use(a.Middlewares()...)
	router.Use(WriteDeadline(-time.Second)) // already over
	router.Get("/", func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(make([]byte, 1<<20))
		failed <- err
	})
	_, url, stop := startOnPort(t, router.ServeHTTP)
	defer stop()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := client().Do(request); err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err == nil {
			t.Error("the answer arrived whole")
		}
	}
	if err := <-failed; err == nil {
		t.Error("Write succeeded after its deadline")
	}
}
