package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/reelmill/reelmill/pkg/chassis/metrics"
	"github.com/reelmill/reelmill/pkg/chassis/ops"
)

// start runs an operations server on a free port and returns its base URL and
// its stop.
func start(t *testing.T, cfg ops.Config, health *ops.Health) (base string, stop func() error) {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	server, err := ops.New(cfg, ops.Deps{Health: health, Gatherer: metrics.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	base, err = ops.URL(server.Addr().String(), "")
	if err != nil {
		t.Fatal(err)
	}
	intake, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(intake) }()
	return base, func() error { cancel(); return <-done }
}

func get(t *testing.T, url string) (status int, body string, header http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content), response.Header
}

func TestServerAnswersProbesAndScrapes(t *testing.T) {
	var down atomic.Bool
	health := newHealth(t, ops.Check{Name: "database", Probe: func(context.Context) error {
		if down.Load() {
			return errDown
		}
		return nil
	}})
	base, stop := start(t, ops.Config{}, health)

	if status, body, header := get(t, base+"/readyz"); status != 200 || header.Get("Cache-Control") != "no-store" ||
		body != `{"status":"ready","checks":[{"name":"database","status":"ok"}]}`+"\n" {
		t.Errorf("/readyz = %d %s %v", status, body, header)
	}
	health.Drain()
	status, body, header := get(t, base+"/readyz")
	var report ops.Report
	if err := json.Unmarshal([]byte(body), &report); err != nil {
		t.Fatal(err)
	}
	if status != 503 || report.Status != ops.StatusDraining || header.Get("Content-Type") != "application/json" {
		t.Errorf("/readyz while draining = %d %s", status, body)
	}
	if status, body, _ := get(t, base+"/livez"); status != 200 || body != `{"status":"alive"}`+"\n" {
		t.Errorf("/livez while draining = %d %s", status, body)
	}
	if status, body, _ := get(t, base+"/metrics"); status != 200 || !strings.Contains(body, "go_goroutines ") {
		t.Errorf("/metrics = %d, %d bytes", status, len(body))
	}
	if status, _, _ := get(t, base+"/debug/pprof/"); status != 404 {
		t.Errorf("/debug/pprof/ = %d without being configured, want 404", status)
	}
	if err := stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestProfilesAreServedWhenConfigured(t *testing.T) {
	base, stop := start(t, ops.Config{Pprof: true}, newHealth(t))
	for path, want := range map[string]string{
		"/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile", "/debug/pprof/cmdline": "ops.test",
		"/debug/pprof/symbol": "num_symbols",
	} {
		if status, body, _ := get(t, base+path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s = %d, want 200 and %q", path, status, want)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestHealthcheckTellsReadyFromNot(t *testing.T) {
	health := newHealth(t, ops.Check{Name: "database", Probe: func(context.Context) error { return errDown }})
	base, stop := start(t, ops.Config{}, health)
	if err := ops.Healthcheck(t.Context(), base+"/livez"); err != nil {
		t.Errorf("Healthcheck of /livez = %v", err)
	}
	err := ops.Healthcheck(t.Context(), base+"/readyz")
	if err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), `"error":"connection refused"`) {
		t.Errorf("Healthcheck of /readyz = %v, want 503 and the failed check", err)
	}
	if err := stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
	if err := ops.Healthcheck(t.Context(), base+"/livez"); err == nil || !strings.Contains(err.Error(), base) {
		t.Errorf("Healthcheck of a stopped server = %v, want an error that names it", err)
	}
	if err := ops.Healthcheck(t.Context(), "http://bad host/"); err == nil {
		t.Error("Healthcheck of an invalid URL succeeded")
	}
}

func TestHealthcheckDoesNotFollowRedirects(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("/elsewhere", http.StatusFound))
	defer server.Close()
	if err := ops.Healthcheck(t.Context(), server.URL); err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("Healthcheck = %v, want 302", err)
	}
}

func TestURLReachesTheListenerFromItsHost(t *testing.T) {
	for addr, want := range map[string]string{
		":9090": "http://127.0.0.1:9090/x", "0.0.0.0:9090": "http://127.0.0.1:9090/x", "[::]:9090": "http://[::1]:9090/x",
		"10.0.0.7:80": "http://10.0.0.7:80/x", "localhost:1": "http://localhost:1/x", "[::1]:1": "http://[::1]:1/x",
	} {
		if got, err := ops.URL(addr, "/x"); err != nil || got != want {
			t.Errorf("URL(%q) = %q, %v; want %q", addr, got, err, want)
		}
	}
	if _, err := ops.URL("localhost", "/x"); err == nil {
		t.Error("an address without port was accepted")
	}
}

func TestNewRefusesWhatCannotServe(t *testing.T) {
	if _, err := ops.New(ops.Config{}, ops.Deps{}); err == nil {
		t.Error("missing dependencies were accepted")
	}
	deps := ops.Deps{Health: newHealth(t), Gatherer: metrics.NewRegistry(), Log: slog.New(slog.DiscardHandler)}
	if _, err := ops.New(ops.Config{Addr: "nowhere"}, deps); err == nil {
		t.Error("an address without port was accepted")
	}
	server, err := ops.New(ops.Config{Addr: "127.0.0.1:0"}, deps)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(server.Listen(t.Context()), server.Close()); err != nil {
		t.Errorf("Listen and Close = %v", err)
	}
}
