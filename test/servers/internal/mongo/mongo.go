// Package mongo runs a server that speaks MongoDB's protocol, for machines where MongoDB cannot be had: FerretDB v1 on
// a private PostgreSQL, behind package serialproxy, without which FerretDB loses updates.
//
// FerretDB and the proxy are one process, this program's own executable with another subcommand (Serve), so that
// killing it looks to clients like the kill of a MongoDB: connections break and new ones are refused.
package mongo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/FerretDB/wire/wireclient"

	"github.com/reelmill/reelmill/test/servers/internal/child"
	"github.com/reelmill/reelmill/test/servers/internal/ports"
)

const (
	pingTimeout = 5 * time.Second
	stopGrace   = 10 * time.Second
)

// Config places the server.
type Config struct {
	Dir        string   // an existing folder of its own, which user postgres may enter if this program runs as root
	Log        *os.File // everything that FerretDB and PostgreSQL print
	Path       string   // $PATH of their processes
	Executable string   // the program that runs Serve for the arguments made by ServeArgs
	Env        []string // further environment of that program
}

// Server is FerretDB with its PostgreSQL. FerretDB can be killed and started again with the same address and data.
// PID and Crashed may be called at any
// time, the other methods by one goroutine at a time.
type Server struct {
	cfg        Config
	spawner    *child.Spawner
	postgres   *postgres
	port       int
	child.Slot // FerretDB and its proxy
}

// New prepares a server in cfg.Dir without starting anything. It returns an error that names the package to install
// if PostgreSQL is not on this machine.
func New(cfg Config, spawner *child.Spawner, claims *ports.Claims) (*Server, error) {
	pg, err := newPostgres(cfg, spawner, claims)
	if err != nil {
		return nil, err
	}
	port, err := claims.Claim()
	if err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, spawner: spawner, postgres: pg, port: port}, nil
}

// Name returns the name of the server in messages and in the control API.
func (s *Server) Name() string { return "mongo" }

// URI returns the address for MongoDB clients, that of the serialising proxy. It stays the same for the life of s.
func (s *Server) URI() string { return "mongodb://" + ports.Loopback(s.port) + "/" }

// Crashed reports whether FerretDB or PostgreSQL has ended although nobody asked it to.
func (s *Server) Crashed() bool { return s.Slot.Crashed() || s.postgres.Crashed() }

// Start starts the server, unless it runs, and waits until it answers a ping, or until ctx ends.
func (s *Server) Start(ctx context.Context) error {
	if s.postgres.Process() == nil {
		if err := s.postgres.start(ctx); err != nil {
			return err
		}
	}
	if s.PID() == 0 {
		if err := s.postgres.disconnectAll(ctx); err != nil {
			return err
		}
		process, err := s.spawner.Start(child.Command{
			Path: s.cfg.Executable, Args: ServeArgs(ports.Loopback(s.port), s.postgres.url(database)),
			Env: append([]string{"PATH=" + s.cfg.Path, "HOME=" + s.cfg.Dir}, s.cfg.Env...), Dir: s.cfg.Dir,
			Stdout: s.cfg.Log, Stderr: s.cfg.Log,
		})
		if err != nil {
			return err
		}
		s.Put(process)
	}
	if err := s.Process().Await(ctx, s.ping); err != nil {
		return fmt.Errorf("wait for FerretDB at %s: %w", ports.Loopback(s.port), err)
	}
	return nil
}

// ping returns nil if the server answers a ping with ok.
func (s *Server) ping(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	conn, err := wireclient.Connect(ctx, s.URI(), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return conn.Ping(ctx)
}

// Stop ends FerretDB and PostgreSQL, first gently.
func (s *Server) Stop() {
	s.Slot.Stop(syscall.SIGTERM, stopGrace)
	s.postgres.stop()
}
