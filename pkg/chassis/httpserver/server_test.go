package httpserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a listener of in-memory connections, for tests in synctest.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// dial returns the client's side of a new connection.
func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// newOnPipes returns a server that listens on pipes.
func newOnPipes(t *testing.T, handler http.HandlerFunc, cfg Config) (*Server, *pipes) {
	t.Helper()
	s, err := New(handler, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := newPipes()
	s.listener = p
	return s, p
}

// start runs s and returns the stop of its intake and the channel of its result.
func start(t *testing.T, s *Server) (stop context.CancelFunc, result <-chan error) {
	intake, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(intake) }()
	return stop, done
}

// get writes a request to a connection and reads the answer's body.
func get(conn net.Conn) (string, error) {
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func TestServerFinishesRequestsInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newOnPipes(t, func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(4 * time.Second):
				fmt.Fprint(w, "done")
			case <-r.Context().Done():
			}
		}, Config{Drain: 10 * time.Second})
		stop, result := start(t, s)
		time.AfterFunc(time.Second, stop)
		if body, err := get(p.dial()); body != "done" || err != nil {
			t.Errorf("answer = %q, %v; want done", body, err)
		}
		if err := <-result; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
}

func TestServerCutsRequestsOffWhenTheDrainExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cause error
		s, p := newOnPipes(t, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			cause = context.Cause(r.Context())
			time.Sleep(time.Minute) // handlers may need time to clean up
		}, Config{Drain: 10 * time.Second})
		stop, result := start(t, s)
		go func() {
			if body, err := get(p.dial()); err == nil {
				t.Errorf("answer = %q, want an error", body)
			}
		}()
		synctest.Wait()
		begun := time.Now()
		stop()
		err := <-result
		if !errors.Is(err, lifecycle.ErrDrainExpired) || cause != lifecycle.ErrDrainExpired {
			t.Errorf("Run = %v, cause %v; want %v", err, cause, lifecycle.ErrDrainExpired)
		}
		if took := time.Since(begun); took < 70*time.Second {
			t.Errorf("Run returned after %v, before its handler", took)
		}
	})
}

func TestServerStopsWithTheProcessAroundIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newOnPipes(t, func(w http.ResponseWriter, r *http.Request) {
			select { // an event stream
			case <-Stopping(r.Context()):
				fmt.Fprint(w, "bye")
			case <-r.Context().Done():
			}
		}, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Hour, cancel)
		result := make(chan error, 1)
		go func() {
			result <- lifecycle.Run(ctx, lifecycle.Config{}, lifecycle.Component{Name: "http", Run: s.Run})
		}()
		if body, err := get(p.dial()); body != "bye" || err != nil {
			t.Errorf("answer = %q, %v; want bye", body, err)
		}
		if err := <-result; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
}

func TestServerDropsClientsThatSendNoHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newOnPipes(t, func(http.ResponseWriter, *http.Request) { t.Error("handler was called") }, Config{})
		stop, result := start(t, s)
		conn := p.dial()
		defer conn.Close()
		begun := time.Now()
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHo"); err != nil {
			t.Fatal(err)
		}
		_, err := io.Copy(io.Discard, conn)
		if took := time.Since(begun); err != nil || took != readHeaderTimeout {
			t.Errorf("connection ended after %v with %v, want %v and its end", took, err, readHeaderTimeout)
		}
		stop()
		if err := <-result; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

func TestServerRefusesHugeHeaders(t *testing.T) {
	s, url, stop := startOnPort(t, func(http.ResponseWriter, *http.Request) {})
	defer stop()
	for size, want := range map[int]int{8 << 10: http.StatusOK, 64 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Filler", strings.Repeat("x", size))
		response, err := client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%d bytes of header: status %d, want %d", size, response.StatusCode, want)
		}
	}
	if s.Addr() == nil {
		t.Error("Addr is nil while the server runs")
	}
}

// client keeps no connections.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

// startOnPort runs a server on a free port of loopback.
func startOnPort(t *testing.T, handler http.HandlerFunc) (s *Server, url string, stop func()) {
	t.Helper()
	s, err := New(handler, Config{Drain: 10 * time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancel, result := start(t, s)
	return s, "http://" + s.Addr().String(), func() {
		cancel()
		if err := <-result; err != nil {
			t.Errorf("Run = %v", err)
		}
	}
}

func TestListenFindsAPortInUse(t *testing.T) {
	first, err := New(http.NotFoundHandler(), Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if first.Addr() != nil {
		t.Error("Addr is set before Listen")
	}
	if err := errors.Join(first.Listen(t.Context()), first.Listen(t.Context())); err != nil {
		t.Fatal(err)
	}
	second, err := New(http.NotFoundHandler(), Config{Addr: first.Addr().String()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), first.Addr().String()) {
		t.Errorf("Run on a port in use = %v, want an error that names it", err)
	}
	if err := errors.Join(first.Close(), first.Close(), second.Close()); err != nil {
		t.Errorf("Close = %v", err)
	}
}

func TestRunFailsWhenAcceptingFails(t *testing.T) {
	var log bytes.Buffer
	s, err := New(http.NotFoundHandler(), Config{}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Listen(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Run = %v, want %v", err, net.ErrClosed)
	}
}

func TestNewRefusesWhatCannotServe(t *testing.T) {
	if _, err := New(nil, Config{}, nil); err == nil {
		t.Error("a nil handler was accepted")
	}
	if _, err := New(http.NotFoundHandler(), Config{Addr: "localhost"}, nil); err == nil {
		t.Error("an address without port was accepted")
	}
}

func TestGateLetsNobodyInAfterTheEnd(t *testing.T) {
	g := newGate()
	g.closeAndWait()
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("late request: panic %v, want %v", got, http.ErrAbortHandler)
		}
	}()
	g.wrap(http.NotFoundHandler()).ServeHTTP(nil, nil)
}
