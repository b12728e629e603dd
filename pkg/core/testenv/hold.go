package testenv

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"
)

// holdTimeout is longer than any test that breaks a server takes.
const holdTimeout = 10 * time.Minute

// hold is what this test program has of one server: nothing, a share of it, or the whole server. Tests of one program
// share its hold, so that a test may use a server that a parent test has taken.
type hold struct {
	server Server

	mu        sync.Mutex
	users     int      // tests that use the server
	breakers  int      // tests that may break it
	conn      net.Conn // the request that is the hold (see package control in test/servers); nil without one
	exclusive bool     // what conn holds
}

// holds is global because a test program is one party, however many tests it runs.
var holds = map[Server]*hold{
	ServerRabbitMQ: {server: ServerRabbitMQ},
	ServerMongo:    {server: ServerMongo},
	ServerS3:       {server: ServerS3},
}

// use holds a share of the server until t ends. Servers that nobody can break are not held.
func use(t testing.TB, server Server) {
	t.Helper()
	if os.Getenv(envControl) == "" {
		return
	}
	holds[server].take(t, func(h *hold) *int { return &h.users })
}

// own holds the whole server until t ends.
func own(t testing.TB, server Server) {
	t.Helper()
	holds[server].take(t, func(h *hold) *int { return &h.breakers })
}

// take raises one of the counts until t ends.
func (h *hold) take(t testing.TB, count func(*hold) *int) {
	t.Helper()
	if err := h.change(count(h), 1); err != nil {
		t.Fatalf("wait for the use of %s: %v", h.server, err)
	}
	t.Cleanup(func() {
		if err := h.change(count(h), -1); err != nil {
			t.Errorf("give back %s: %v", h.server, err)
		}
	})
}

// change adds to a count of h and makes the hold fit the counts. It blocks while another test program is in the way.
func (h *hold) change(count *int, by int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	*count += by
	wanted, exclusive := h.users+h.breakers > 0, h.breakers > 0
	if h.conn != nil && wanted && exclusive == h.exclusive {
		return nil
	}
	// Let go before asking for more: two programs that keep their shares and want the whole would wait for ever.
	if h.conn != nil {
		err := h.conn.Close()
		h.conn = nil
		if err != nil {
			return err
		}
	}
	if !wanted {
		return nil
	}
	mode := "shared"
	if exclusive {
		mode = "exclusive"
	}
	conn, err := request(os.Getenv(envControl) + "/hold/" + string(h.server) + "/" + mode)
	if err != nil {
		*count -= by
		return err
	}
	h.conn, h.exclusive = conn, exclusive
	return nil
}

// request sends a GET request whose answer begins when the hold is granted, and returns its connection, whose end ends
// the hold. net/http's client would keep goroutines for it, which tests that look for leaked ones would find.
func request(address string) (net.Conn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	conn, err := net.DialTimeout("tcp", u.Host, callTimeout)
	if err != nil {
		return nil, err
	}
	err = errors.Join(conn.SetDeadline(time.Now().Add(holdTimeout)), r.Write(conn))
	if err == nil {
		var response *http.Response
		// The body has no end while the hold lasts, so it is not read; closing it would read it.
		if response, err = http.ReadResponse(bufio.NewReader(conn), r); err == nil && response.StatusCode != http.StatusOK {
			err = fmt.Errorf("GET %s: %s", address, response.Status)
		}
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
