package rabbit

import (
	"context"
	"net"
	"sync"
	"time"
)

// corkBytes is how much of a batch is gathered before it is written: enough to make system calls rare,
// little enough for the broker to begin early.
const corkBytes = 32 << 10

// wire is a connection whose writes have a deadline and may be gathered. Without the deadline a broker
// that reads nothing holds a publisher in a write for ever, which no context can end, and the library
// holds its locks meanwhile. The library flushes after every message; cork gathers these writes for the
// length of a batch, which costs a third of the system time (measured with batches of 256).
type wire struct {
	net.Conn
	writeTimeout time.Duration

	mu     sync.Mutex // orders writes
	corked bool
	held   []byte
}

// dialWire connects within timeout and sets that limit for the handshake, too: the library takes it off
// again when the handshake is done.
func dialWire(ctx context.Context, network, addr string, timeout, writeTimeout time.Duration) (*wire, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		_ = conn.Close() // the connection is useless anyway
		return nil, err
	}
	return &wire{Conn: conn, writeTimeout: writeTimeout}, nil
}

// Write writes p, or keeps it while the wire is corked and little is kept.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.corked {
		return w.write(p)
	}
	w.held = append(w.held, p...)
	if len(w.held) < corkBytes {
		return len(p), nil
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// cork begins to gather writes. Whoever corks must not wait for the broker before uncorking.
func (w *wire) cork() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = true
}

// uncork writes what was gathered. On an error an unknown part of it was sent.
func (w *wire) uncork() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = false
	return w.flush()
}

func (w *wire) flush() error {
	if len(w.held) == 0 {
		return nil
	}
	_, err := w.write(w.held)
	w.held = w.held[:0]
	return err
}

func (w *wire) write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(w.writeTimeout)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}
