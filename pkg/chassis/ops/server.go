package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/reelmill/reelmill/pkg/chassis/httpserver"
	"github.com/reelmill/reelmill/pkg/chassis/metrics"
)

// Config configures a [Server].
type Config struct {
	Addr  string `env:"ADDR" envDefault:"127.0.0.1:9090" doc:"Address of the probes and metrics, as host:port; without authentication."`
	Pprof bool   `env:"PPROF" envDefault:"false" doc:"Serves profiles of the running process below /debug/pprof/ of the same address."`
}

const (
	// drain lets a scrape that is under way end. The server is stopped last.
	drain = time.Second
	// writeTimeout is above the ten seconds that a scrape may take.
	writeTimeout = 15 * time.Second
	// profileTimeout allows profiles of up to five minutes.
	profileTimeout = 5*time.Minute + writeTimeout
)

// Deps is what a [Server] serves. All fields are required.
type Deps struct {
	Health   *Health
	Gatherer prometheus.Gatherer
	Log      *slog.Logger
}

// Server is the operations server. Run it as a supporting component.
type Server struct {
	http   *httpserver.Server
	health *Health
}

// New returns a Server that does not listen yet.
func New(cfg Config, deps Deps) (*Server, error) {
	if deps.Health == nil || deps.Gatherer == nil || deps.Log == nil {
		return nil, errors.New("new operations server: a dependency is missing")
	}
	router := chi.NewRouter()
	router.Get("/livez", live)
	router.Get("/readyz", ready(deps.Health))
	router.Method(http.MethodGet, "/metrics", metrics.Handler(deps.Gatherer, deps.Log))
	timeout := writeTimeout
	if cfg.Pprof {
		timeout = profileTimeout
		router.Get("/debug/pprof/*", pprof.Index)
		router.Get("/debug/pprof/cmdline", pprof.Cmdline)
		router.Get("/debug/pprof/profile", pprof.Profile)
		router.Get("/debug/pprof/symbol", pprof.Symbol)
		router.Get("/debug/pprof/trace", pprof.Trace)
	}
	server, err := httpserver.New(router, httpserver.Config{
		Addr: cfg.Addr, Drain: drain, ReadTimeout: writeTimeout, WriteTimeout: timeout,
	}, deps.Log)
	if err != nil {
		return nil, fmt.Errorf("new operations server: %w", err)
	}
	return &Server{http: server, health: deps.Health}, nil
}

// Listen binds the address, so that a port in use is found before anything else
// starts. Run does it otherwise.
func (s *Server) Listen(ctx context.Context) error { return s.http.Listen(ctx) }

// Addr returns the bound address, or nil before Listen.
func (s *Server) Addr() net.Addr { return s.http.Addr() }

// Close releases the address of a Server whose Run was not called.
func (s *Server) Close() error { return s.http.Close() }

// Run serves until intake ends and then for up to a second more, and waits for
// the checks that are under way.
func (s *Server) Run(intake context.Context) error {
	defer s.health.calls.Wait() // each ends at its own timeout
	return s.http.Run(intake)
}

func live(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"alive"})
}

func ready(h *Health) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		report := h.Report(r.Context())
		status := http.StatusServiceUnavailable
		if report.Status == StatusReady {
			status = http.StatusOK
		}
		writeJSON(w, status, report)
	}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A client that is gone needs no answer; the types here always encode.
	_ = json.NewEncoder(w).Encode(body)
}

// healthcheckTimeout applies where the caller set no deadline.
const healthcheckTimeout = 5 * time.Second

// maxShownBytes bounds how much of an answer a failed [Healthcheck] repeats.
const maxShownBytes = 2 << 10

// Healthcheck gets url, usually a [URL] of /readyz or /livez, and returns nil if
// the answer is 200. It is what the subcommand `healthcheck` of a service does,
// so that an image needs no curl. No proxy is used and no redirect followed. If
// ctx has no deadline it gives up after five seconds.
func Healthcheck(ctx context.Context, url string) error {
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, healthcheckTimeout)
		defer cancel()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("check health: %w", err)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("check health: %w", err) // names method and URL
	}
	defer response.Body.Close() // read only: nothing can be lost
	if response.StatusCode == http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxShownBytes))
	if err != nil {
		body = []byte(err.Error())
	}
	return fmt.Errorf("check health: %s answers %s: %s", url, response.Status, strings.TrimSpace(string(body)))
}

// URL returns the URL of path on a server that listens on addr, as seen from the
// same host: an address that stands for all interfaces becomes loopback.
//
//	URL(":9090", "/readyz")         // http://127.0.0.1:9090/readyz
//	URL("[::]:9090", "/readyz")     // http://[::1]:9090/readyz
//	URL("10.0.0.7:9090", "/readyz") // http://10.0.0.7:9090/readyz
func URL(addr, path string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("make URL of listen address: %w", err)
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "":
		host = "127.0.0.1"
	case err != nil: // a name
	case ip.IsUnspecified() && ip.Is4():
		host = "127.0.0.1"
	case ip.IsUnspecified():
		host = "::1"
	}
	return "http://" + net.JoinHostPort(host, port) + path, nil
}
