package rest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/propagation"
	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/chassis/httpserver"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry/telemetrytest"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
	"github.com/reelmill/reelmill/services/job-service/internal/presentation/rest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultClient.CloseIdleConnections()
	}))
}

// server is the REST interface over a bench, with keys of two tenants.
type server struct {
	*jobstest.Bench
	t      testing.TB
	router *chi.Mux
	api    huma.API
	// keys by role, of tenant acme; stranger is a write key of another tenant.
	keys     map[access.Role]string
	stranger map[access.Role]string
	log      *bytes.Buffer
}

const tenant = "acme"

func newServer(t testing.TB, cfg jobstest.Config) *server {
	t.Helper()
	s := &server{Bench: jobstest.New(t, cfg), t: t, keys: map[access.Role]string{}, stranger: map[access.Role]string{}, log: &bytes.Buffer{}}
	var records []access.Key
	for _, role := range []access.Role{access.Read, access.Write, access.Admin} {
		for name, tokens := range map[string]map[access.Role]string{tenant: s.keys, "rival": s.stranger} {
			token, key, err := access.Generate(name, role, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			tokens[role] = token
			records = append(records, key)
		}
	}
	ring, err := access.NewRing(records)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	s.router, s.api = rest.NewWithAPI(s.Service, ring, log, rest.Config{Version: "test"}, s.stack()...)
	return s
}

// stack returns the middlewares that the service has around its routes.
func (s *server) stack() []func(http.Handler) http.Handler {
	s.t.Helper()
	stack, err := httpserver.Stack{Log: slog.New(slog.DiscardHandler), TracerProvider: telemetrytest.NewRecorder(s.t).TracerProvider,
		Propagator: propagation.TraceContext{}, Registerer: prometheus.NewRegistry(), RenderPanic: rest.RenderPanic}.Middlewares()
	if err != nil {
		s.t.Fatal(err)
	}
	return stack
}

// answer is a response that was read whole.
type answer struct {
	*http.Response
	body []byte
}

func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("the body of %d is no JSON object: %v\n%s", a.StatusCode, err, a.body)
	}
	return v
}

// do makes a request. body is sent as JSON: text as it is, anything else encoded, nil not at all.
func (s *server) do(token, method, path string, body any, headers ...string) answer {
	s.t.Helper()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			s.t.Fatal(err)
		}
		content = bytes.NewReader(encoded)
	}
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, content)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.router.ServeHTTP(w, r)
	return answer{Response: w.Result(), body: w.Body.Bytes()}
}

// wants fails the test unless the answer has the status.
func (s *server) wants(a answer, status int) answer {
	s.t.Helper()
	if a.StatusCode != status {
		s.t.Fatalf("answered %d %s, want %d", a.StatusCode, a.body, status)
	}
	return a
}

// problem is the body of an error.
type problem struct {
	Type, Title, Code, Detail, Hint string
	Status                          int
	Retryable                       bool
	TraceID                         string `json:"trace_id"`
	Errors                          []struct{ Field, Detail string }
}

func (p problem) fields() []string {
	var all []string
	for _, e := range p.Errors {
		all = append(all, e.Field)
	}
	return all
}

// refused checks everything that every error has and returns it.
func refused(t testing.TB, a answer, status int, code fault.Code) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatalf("the body of %d is no JSON: %v\n%s", a.StatusCode, err, a.body)
	}
	want := fault.Lookup(code)
	if a.StatusCode != status || p.Status != status || p.Code != string(code) {
		t.Errorf("answered %d with %s, want %d %s", a.StatusCode, a.body, status, code)
	}
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type of an error is %q", got)
	}
	if p.Type != "about:blank" || p.Title != want.Title || p.Hint != want.Hint || p.Hint == "" || len(p.TraceID) != 32 {
		t.Errorf("problem is %+v, want title %q, hint %q and a trace id", p, want.Title, want.Hint)
	}
	if (a.Header.Get("WWW-Authenticate") != "") != (status == http.StatusUnauthorized) {
		t.Errorf("WWW-Authenticate of %d is %q", status, a.Header.Get("WWW-Authenticate"))
	}
	return p
}

// newJob is the smallest request for a job.
func newJob() map[string]any {
	return map[string]any{"source": map[string]any{"type": "upload"}, "pipeline": "thumbnail"}
}
