// Package httpserver runs an HTTP server as a component of a process and has
// the middlewares that every API of the project needs.
//
// [Server] adds limits against slow and greedy clients to net/http, binds its
// listener before it serves, so that a port in use is found at the start, and
// stops in two steps: no new connections, then requests in hand finish, for as
// long as package lifecycle lets work go on.
//
// The middlewares are for a chi router; [Stack] puts them in order.
package httpserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
)

const (
	// readHeaderTimeout ends clients that send their headers byte by byte.
	readHeaderTimeout = 5 * time.Second
	// maxHeaderBytes is a sixtieth of net/http's default and twice what browsers
	// and proxies send at most.
	maxHeaderBytes = 16 << 10
	// defaultReadTimeout suits JSON bodies: media goes to object storage directly.
	defaultReadTimeout = 30 * time.Second
	// defaultIdleTimeout is above the 60 s of common load balancers, so that they
	// close idle connections, not we under their feet.
	defaultIdleTimeout = 75 * time.Second
)

// Config adjusts a [Server]. Its zero value serves on a free port of loopback.
type Config struct {
	Addr string `env:"ADDR" envDefault:"127.0.0.1:8080" doc:"Address to listen on, as host:port."`
	// Drain limits how long requests may go on after the stop. 0 leaves that to
	// the lifecycle.Run around the server; without one they are cut off at once.
	Drain time.Duration
	// ReadTimeout limits reading of one request. 0 means 30 s.
	ReadTimeout time.Duration
	// WriteTimeout limits one answer, event streams included. 0 means none: use
	// the middleware WriteDeadline, whose limit a handler can move.
	WriteTimeout time.Duration
	// IdleTimeout limits how long a connection waits for its next request. 0
	// means 75 s.
	IdleTimeout time.Duration
}

// Server serves one handler on one address. Its methods are safe for concurrent
// use; Run is called once.
type Server struct {
	handler http.Handler
	cfg     Config
	log     *slog.Logger

	mu       sync.Mutex
	listener net.Listener
}

// New returns a Server that does not listen yet. Complaints of net/http about
// connections go to log, which may be nil.
func New(handler http.Handler, cfg Config, log *slog.Logger) (*Server, error) {
	if handler == nil {
		return nil, errors.New("new HTTP server: no handler")
	}
	cfg.Addr = cmp.Or(cfg.Addr, "127.0.0.1:0")
	if _, _, err := net.SplitHostPort(cfg.Addr); err != nil {
		return nil, fmt.Errorf("new HTTP server: %w", err)
	}
	cfg.ReadTimeout = cmp.Or(cfg.ReadTimeout, defaultReadTimeout)
	cfg.IdleTimeout = cmp.Or(cfg.IdleTimeout, defaultIdleTimeout)
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Server{handler: handler, cfg: cfg, log: log}, nil
}

// Listen binds the address. Connections wait in the kernel's queue until Run
// accepts them. Run calls Listen itself if nobody has; a second call does
// nothing. If Run is never called, call Close.
func (s *Server) Listen(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return nil
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("serve HTTP: %w", err) // names the address
	}
	s.listener = listener
	return nil
}

// Addr returns the bound address, with the port that was chosen where Addr of
// Config said 0, or nil before Listen.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Close releases the address of a Server whose Run was not called.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("release %s: %w", s.listener.Addr(), err)
	}
	return nil
}

// Run serves until intake ends, then finishes the requests in hand and returns
// nil. If they are cut off first, their contexts end with the same cause, their
// connections are closed, and Run returns an error with that cause. In every
// case it returns only after all handlers have.
//
// The contexts of requests outlive intake. Handlers that answer without end
// watch [Stopping].
func (s *Server) Run(intake context.Context) error {
	if err := s.Listen(intake); err != nil {
		return err
	}
	work, release := lifecycle.Work(intake, s.cfg.Drain)
	defer release()
	base := context.WithValue(work, stoppingKey{}, intake.Done())
	handlers := newGate()
	defer handlers.closeAndWait() // Shutdown and Close wait for connections at most
	server := &http.Server{
		Handler:           handlers.wrap(s.handler),
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       s.cfg.ReadTimeout,
		WriteTimeout:      s.cfg.WriteTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.listener) }()
	select {
	case err := <-served:
		// Nobody asked for the end: accepting has failed.
		release()
		return errors.Join(fmt.Errorf("serve HTTP on %s: %w", s.Addr(), err), server.Close())
	case <-intake.Done():
	}
	err := server.Shutdown(work)
	if err != nil {
		err = errors.Join(fmt.Errorf("finish requests on %s: %w", s.Addr(), cmp.Or(context.Cause(work), err)), server.Close())
	}
	<-served
	return err
}

// stoppingKey is the context key of the channel of [Stopping].
type stoppingKey struct{}

// Stopping returns a channel that is closed when the server that handles the
// request of ctx begins to stop: event streams and long polls end then, instead
// of holding up the drain. Outside a Server it is nil, which never is closed.
func Stopping(ctx context.Context) <-chan struct{} {
	done, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return done
}
