// Package serialproxy puts a lock in front of a server that speaks MongoDB's protocol and whose writes are not
// atomic: of all commands that may change something, of all clients, one at a time is let through, reads pass freely.
//
// FerretDB v1 reads, decides and writes in separate statements, and so loses nine of ten concurrent compare-and-swap
// updates while it reports all of them as done. Behind this proxy it loses none, if every client goes through the
// same proxy. A real MongoDB needs no proxy.
package serialproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// defaultWriteTimeout is far above what a test's write takes, even on a busy machine.
const defaultWriteTimeout = time.Minute

// Config says what Serve is in front of.
type Config struct {
	Backend string // address of the server, host:port
	// WriteTimeout is how long a write may take before its connection is cut, so that a server that hangs does not
	// hold the lock for ever; zero means a minute. Such a write may still happen later.
	WriteTimeout time.Duration
}

// Serve accepts clients from ln until ctx ends, then closes ln and every connection, waits for them and returns nil.
// It returns an error, after the same cleaning up, when ln breaks. Each client has its own connection to the backend;
// when one of the two ends, or sends what is no message, both are closed.
func Serve(ctx context.Context, ln net.Listener, cfg Config) error {
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = defaultWriteTimeout
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &proxy{cfg: cfg}
	defer p.connections.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	for {
		client, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("accept a client on %s: %w", ln.Addr(), err)
		}
		p.connections.Go(func() { p.serve(ctx, client) })
	}
}

type proxy struct {
	cfg         Config
	connections sync.WaitGroup
	write       sync.Mutex // held while a command that may write is with the backend
}

// serve carries the messages of one client until either side ends.
func (p *proxy) serve(ctx context.Context, client net.Conn) {
	defer func() { _ = client.Close() }()
	var dialer net.Dialer
	backend, err := dialer.DialContext(ctx, "tcp", p.cfg.Backend)
	if err != nil {
		return // the client sees what it would see of a server that went away: a closed connection
	}
	defer func() { _ = backend.Close() }()
	stop := context.AfterFunc(ctx, func() {
		_ = client.Close()
		_ = backend.Close()
	})
	defer stop()
	for {
		request, err := readMessage(client)
		if err != nil {
			return
		}
		if err := p.exchange(client, backend, request); err != nil {
			return
		}
	}
}

// exchange forwards a request and its replies. The lock is given back when the backend has answered, before the
// client has read the answer: a client that is slow to read stops nobody.
func (p *proxy) exchange(client, backend net.Conn, request message) error {
	reply, err := p.ask(backend, request)
	if err != nil || reply == nil {
		return err
	}
	for {
		if _, err := client.Write(reply); err != nil {
			return err
		}
		if !reply.moreToCome() {
			return nil
		}
		if reply, err = readMessage(backend); err != nil {
			return err
		}
	}
}

// ask sends the request and returns the first reply, nil for a request that wants none.
func (p *proxy) ask(backend net.Conn, request message) (message, error) {
	if request.alone() {
		p.write.Lock()
		defer p.write.Unlock()
		if err := backend.SetDeadline(time.Now().Add(p.cfg.WriteTimeout)); err != nil {
			return nil, err
		}
		defer func() { _ = backend.SetDeadline(time.Time{}) }() // fails only on a closed connection, which the next read tells
	}
	if _, err := backend.Write(request); err != nil {
		return nil, err
	}
	if request.moreToCome() {
		return nil, nil
	}
	return readMessage(backend)
}
