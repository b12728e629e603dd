package s3blob

import (
	"context"
	"net"
	"net/http"
	"time"
)

// maxIdleConns is how many connections to the store are kept for the next request: about what one
// process uses at a time.
const maxIdleConns = 64

// newTransport returns a transport whose connections end when nothing moved on them for cfg's
// StallTimeout. It speaks HTTP/1.1 only, as stores do: a deadline of a connection that several
// requests share would end them all.
func newTransport(cfg Config) *http.Transport {
	dialer := &net.Dialer{Timeout: cfg.ConnectTimeout, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &stallConn{Conn: conn, timeout: cfg.StallTimeout}, nil
		},
		TLSHandshakeTimeout:   cfg.ConnectTimeout,
		MaxIdleConns:          maxIdleConns,
		MaxIdleConnsPerHost:   maxIdleConns,
		IdleConnTimeout:       min(cfg.StallTimeout, 90*time.Second),
		ExpectContinueTimeout: time.Second,
		// Ranges and lengths are of the bytes as stored.
		DisableCompression: true,
		WriteBufferSize:    64 << 10,
		ReadBufferSize:     64 << 10,
	}
}

// stallConn is a connection with a deadline that every byte moved, in either direction, puts off: while
// a large body is sent the pending read of the answer must not time out.
type stallConn struct {
	net.Conn
	timeout time.Duration
}

func (c *stallConn) Read(p []byte) (int, error) {
	if err := c.extend(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	if err == nil {
		err = c.extend()
	}
	return n, err
}

func (c *stallConn) Write(p []byte) (int, error) {
	if err := c.extend(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if err == nil {
		err = c.extend()
	}
	return n, err
}

func (c *stallConn) extend() error { return c.SetDeadline(time.Now().Add(c.timeout)) }
