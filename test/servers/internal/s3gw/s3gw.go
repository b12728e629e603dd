// Package s3gw runs versitygw, an S3 server that keeps buckets as folders. It is this program's own executable with
// another subcommand (Serve), because versitygw allows one instance per process and tests want to kill it.
package s3gw

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/reelmill/reelmill/test/servers/internal/child"
	"github.com/reelmill/reelmill/test/servers/internal/ports"
)

// What clients need to know besides the endpoint.
const (
	AccessKey = "reelmill-test"
	SecretKey = "reelmill-test-secret"
	Region    = "us-east-1"
)

const (
	healthPath = "/health"
	stopGrace  = 5 * time.Second
)

// Config places the server.
type Config struct {
	Dir        string   // an existing folder of its own
	Log        *os.File // everything that it prints
	Path       string   // $PATH of its process
	Executable string   // the program that runs Serve for the subcommand ServeCommand
	Env        []string // further environment of that program
}

// Server is a versitygw that can be killed and started again with the same address and objects. PID and
// Crashed may be called at any time, the other methods by one goroutine at a time.
type Server struct {
	cfg     Config
	spawner *child.Spawner
	port    int
	child.Slot
}

// New prepares a server in cfg.Dir without starting it.
func New(cfg Config, spawner *child.Spawner, claims *ports.Claims) (*Server, error) {
	port, err := claims.Claim()
	if err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, spawner: spawner, port: port}, nil
}

// Name returns the name of the server in messages and in the control API.
func (s *Server) Name() string { return "s3" }

// Endpoint returns the URL for S3 clients. It stays the same for the life of s.
func (s *Server) Endpoint() string { return "http://" + ports.Loopback(s.port) }

// Start starts the server, unless it runs, and waits until it reports to be healthy, or until ctx ends.
func (s *Server) Start(ctx context.Context) error {
	if s.PID() == 0 {
		process, err := s.spawner.Start(child.Command{
			Path: s.cfg.Executable, Args: []string{ServeCommand, "-listen", ports.Loopback(s.port), "-dir", filepath.Join(s.cfg.Dir, "data")},
			Env: append([]string{"PATH=" + s.cfg.Path, "HOME=" + s.cfg.Dir, "TMPDIR=" + s.cfg.Dir}, s.cfg.Env...), Dir: s.cfg.Dir,
			Stdout: s.cfg.Log, Stderr: s.cfg.Log,
		})
		if err != nil {
			return err
		}
		s.Put(process)
	}
	if err := s.Process().Await(ctx, s.healthy); err != nil {
		return fmt.Errorf("wait for versitygw at %s: %w", s.Endpoint(), err)
	}
	return nil
}

func (s *Server) healthy(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint()+healthPath, nil)
	if err != nil {
		return err
	}
	// A transport of its own: a connection kept for later would break at the next kill.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: stopGrace}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("health check: %s", response.Status)
	}
	return nil
}

// Stop ends the server, first gently.
func (s *Server) Stop() {
	s.Slot.Stop(syscall.SIGTERM, stopGrace)
}
