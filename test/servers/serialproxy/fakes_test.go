package serialproxy_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/reelmill/reelmill/test/servers/serialproxy"
)

// opMsg returns a message as a driver sends it: sections before the body if any, then {command: 1}.
func opMsg(flags uint32, command string, sections ...byte) []byte {
	document := append([]byte{0, 0, 0, 0, 0x10}, command...)
	document = append(document, 0, 1, 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(document, uint32(len(document)))
	m := make([]byte, 16, 64)
	binary.LittleEndian.PutUint32(m[12:], 2013)
	m = binary.LittleEndian.AppendUint32(m, flags)
	m = append(m, sections...)
	m = append(append(m, 0), document...)
	binary.LittleEndian.PutUint32(m, uint32(len(m)))
	return m
}

// sequence is a section that some drivers send before the body.
func sequence() []byte {
	return []byte{1, 4 + 5, 0, 0, 0, 'd', 'o', 'c', 's', 0}
}

// backend is a server that keeps every request until the test answers it.
type backend struct {
	ln       net.Listener
	requests chan *request
	wg       sync.WaitGroup
}

type request struct {
	bytes []byte
	conn  net.Conn
}

// answer sends a message back as it came.
func (r *request) answer(t *testing.T) {
	t.Helper()
	if _, err := r.conn.Write(r.bytes); err != nil {
		t.Fatalf("answer: %v", err)
	}
}

// start returns the address of a proxy in front of a backend; both end with the test.
func start(t *testing.T, cfg serialproxy.Config) (string, *backend) {
	t.Helper()
	b := &backend{ln: listen(t), requests: make(chan *request, 100)}
	b.wg.Go(b.serve)
	front := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	cfg.Backend = b.ln.Addr().String()
	go func() { served <- serialproxy.Serve(ctx, front, cfg) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v, want nil after its context has ended", err)
		}
		if err := b.ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("close the backend: %v", err)
		}
		b.wg.Wait()
	})
	return front.Addr().String(), b
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func (b *backend) serve() {
	for {
		conn, err := b.ln.Accept()
		if err != nil {
			return
		}
		b.wg.Go(func() {
			defer func() { _ = conn.Close() }()
			for {
				m, err := read(conn)
				if err != nil {
					return
				}
				b.requests <- &request{bytes: m, conn: conn}
			}
		})
	}
}

func read(r io.Reader) ([]byte, error) {
	length := make([]byte, 4)
	if _, err := io.ReadFull(r, length); err != nil {
		return nil, err
	}
	m := make([]byte, binary.LittleEndian.Uint32(length))
	copy(m, length)
	_, err := io.ReadFull(r, m[4:])
	return m, err
}

// next returns the next request that reaches the backend.
func (b *backend) next(t *testing.T) *request {
	t.Helper()
	select {
	case r := <-b.requests:
		return r
	case <-time.After(patience):
		t.Fatal("no request reached the backend")
		return nil
	}
}

// client is a connection through the proxy.
type client struct {
	net.Conn
	t *testing.T
}

func dial(t *testing.T, address string) client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return client{conn, t}
}

func (c client) send(m []byte) {
	c.t.Helper()
	if _, err := c.Write(m); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

func (c client) receive() []byte {
	c.t.Helper()
	m, err := read(c)
	if err != nil {
		c.t.Fatalf("receive: %v", err)
	}
	return m
}
