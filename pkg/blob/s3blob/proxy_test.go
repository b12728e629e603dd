package s3blob_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/blob/s3blob"
	"github.com/reelmill/reelmill/pkg/core/testenv"
)

// proxy stands between a store and the test server and disturbs what passes.
type proxy struct {
	url string

	mu       sync.Mutex
	running  int      // requests that are being answered
	requests []string // method of each since set
	// intercept may answer a request itself, and then returns true. modify may change an answer.
	intercept func(w http.ResponseWriter, r *http.Request) bool
	modify    func(*http.Response)
}

// newProxy returns a proxy that disturbs nothing yet, and a configuration that goes through it.
func newProxy(t *testing.T, cfg s3blob.Config) (*proxy, s3blob.Config) {
	t.Helper()
	target, err := url.Parse(cfg.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	forward := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		ModifyResponse: func(resp *http.Response) error {
			if _, modify := p.hooks(); modify != nil {
				modify(resp)
			}
			return nil
		},
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // the disturbances are meant
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.count(r, 1)
		defer p.count(r, -1)
		if intercept, _ := p.hooks(); intercept != nil && intercept(w, r) {
			return
		}
		forward.ServeHTTP(w, r)
	}))
	// What has left the client as a whole may be stored, whatever the client wants then: by default tens of megabytes
	// lie in the buffers of a connection.
	server.Config.ConnState = func(c net.Conn, s http.ConnState) {
		if tcp, ok := c.(*net.TCPConn); ok && s == http.StateNew {
			_ = tcp.SetReadBuffer(64 << 10) // has no error on an open connection
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	p.url = server.URL
	cfg.Endpoint = server.URL
	return p, cfg
}

func (p *proxy) hooks() (func(http.ResponseWriter, *http.Request) bool, func(*http.Response)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.intercept, p.modify
}

// set changes what the proxy does from now on.
func (p *proxy) set(intercept func(http.ResponseWriter, *http.Request) bool, modify func(*http.Response)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intercept, p.modify, p.requests = intercept, modify, nil
}

// count notes that a request begins (1) or ends (-1).
func (p *proxy) count(r *http.Request, by int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running += by
	if by > 0 {
		p.requests = append(p.requests, r.Method)
	}
}

// wait returns when no request is being answered.
func (p *proxy) wait(t *testing.T) {
	t.Helper()
	testenv.Eventually(t, 10*time.Second, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.running > 0 {
			return fmt.Errorf("%d requests are being answered", p.running)
		}
		return nil
	})
}

func (p *proxy) requestCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.requests)
}

// unavailable answers as a store does that has too much to do.
func unavailable(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, `<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`)
	return true
}

// reset reads some of the request and cuts the connection.
func reset(w http.ResponseWriter, r *http.Request) bool {
	_, _ = io.CopyN(io.Discard, r.Body, 100_000)
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
	return true
}

// flipUpload changes a byte of what is uploaded.
func flipUpload(_ http.ResponseWriter, r *http.Request) bool {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if r.Method == http.MethodPut && len(content) > 0 {
		content[len(content)/2] ^= 1
	}
	r.Body = io.NopCloser(bytes.NewReader(content))
	return false
}

// brokenBody delivers the first bytes of a body and then ends by err, once hang
// is closed where that is set.
type brokenBody struct {
	io.Reader
	io.Closer
	err  error
	hang <-chan struct{}
}

func (b *brokenBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == nil {
		return n, nil
	}
	if b.hang != nil {
		<-b.hang
	}
	return n, b.err
}
