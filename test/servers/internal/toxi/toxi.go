// Package toxi runs Toxiproxy, through which tests disturb connections, as this program's own executable with another
// subcommand (Serve): the library writes to standard output.
package toxi

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/reelmill/reelmill/test/servers/internal/child"
	"github.com/reelmill/reelmill/test/servers/internal/ports"
)

// ServeCommand is the subcommand for which the executable must call Serve.
const ServeCommand = "serve-toxiproxy"

const stopGrace = 2 * time.Second

// Config places the server.
type Config struct {
	Dir        string   // an existing folder of its own
	Log        *os.File // everything that it prints
	Path       string   // $PATH of its process
	Executable string   // the program that runs Serve for the subcommand ServeCommand
	Env        []string // further environment of that program
}

// Server is a Toxiproxy with its HTTP API. PID and Crashed may be called at any
// time, the other methods by one goroutine at a time.
type Server struct {
	cfg     Config
	spawner *child.Spawner
	port    int
	child.Slot
}

// New prepares a server without starting it.
func New(cfg Config, spawner *child.Spawner, claims *ports.Claims) (*Server, error) {
	port, err := claims.Claim()
	if err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, spawner: spawner, port: port}, nil
}

// Name returns the name of the server in messages and in the control API.
func (s *Server) Name() string { return "toxiproxy" }

// URL returns the address of the HTTP API.
func (s *Server) URL() string { return "http://" + ports.Loopback(s.port) }

// Start starts the server, unless it runs, and waits until its API listens, or until ctx ends.
func (s *Server) Start(ctx context.Context) error {
	if s.PID() == 0 {
		process, err := s.spawner.Start(child.Command{
			Path: s.cfg.Executable, Args: []string{ServeCommand, "-listen", ports.Loopback(s.port)},
			Env: append([]string{"PATH=" + s.cfg.Path, "HOME=" + s.cfg.Dir}, s.cfg.Env...), Dir: s.cfg.Dir,
			Stdout: s.cfg.Log, Stderr: s.cfg.Log,
		})
		if err != nil {
			return err
		}
		s.Put(process)
	}
	if err := s.Process().Await(ctx, child.Listening(ports.Loopback(s.port))); err != nil {
		return fmt.Errorf("wait for Toxiproxy at %s: %w", s.URL(), err)
	}
	return nil
}

// Stop ends the server.
func (s *Server) Stop() {
	s.Slot.Stop(syscall.SIGTERM, stopGrace)
}

// Serve runs Toxiproxy for ever, or until its API cannot listen, which ends the process. args are those of the
// subcommand; its log goes to log.
func Serve(args []string, log io.Writer) error {
	flags := flag.NewFlagSet(ServeCommand, flag.ContinueOnError)
	listen := flags.String("listen", "", "address of the HTTP API")
	if err := flags.Parse(args); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(*listen)
	if err != nil {
		return fmt.Errorf("address of the HTTP API: %w", err)
	}
	logger := zerolog.New(log).Level(zerolog.InfoLevel).With().Timestamp().Logger()
	toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), logger).Listen(host, port)
	return nil
}
