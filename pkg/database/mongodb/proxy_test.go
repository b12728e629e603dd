package mongodb_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/reelmill/reelmill/pkg/database/mongodb"
)

// fate is what becomes of a command on its way through a proxy.
type fate int

const (
	pass        fate = iota
	cutBefore        // the connection breaks and the server never sees the command
	cutAfter         // the server carries the command out and the connection breaks before its reply
	neverAnswer      // the command is swallowed
)

// proxy stands between the driver and the server and decides on commands by their names.
type proxy struct {
	backend string
	ln      net.Listener
	decide  func(command string) fate
	wg      sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// through returns cfg with a URI that leads through a proxy. decide is called concurrently.
func through(t *testing.T, cfg mongodb.Config, decide func(command string) fate) mongodb.Config {
	t.Helper()
	u, err := url.Parse(cfg.URI)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{backend: u.Host, ln: ln, decide: decide, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		ln.Close()
		p.mu.Lock()
		for c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	u.Host = ln.Addr().String()
	q := u.Query()
	q.Set("directConnection", "true") // or the driver would go to the members of a replica set by itself
	u.RawQuery = q.Encode()
	if u.Path == "" {
		u.Path = "/"
	}
	cfg.URI = u.String()
	return cfg
}

func (p *proxy) accept() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conns[c] = true
		p.mu.Unlock()
		p.wg.Go(func() {
			defer func() {
				p.mu.Lock()
				delete(p.conns, c)
				p.mu.Unlock()
				c.Close()
			}()
			p.serve(c)
		})
	}
}

func (p *proxy) serve(c net.Conn) {
	b, err := net.Dial("tcp", p.backend)
	if err != nil {
		return
	}
	defer b.Close()
	for {
		m, err := message(c)
		if err != nil {
			return
		}
		f := p.decide(command(m))
		if f == neverAnswer {
			io.Copy(io.Discard, c) // until the driver gives up
			return
		}
		if f == cutBefore {
			return
		}
		if _, err := b.Write(m); err != nil {
			return
		}
		reply, err := message(b)
		if err != nil || f == cutAfter {
			return
		}
		if _, err := c.Write(reply); err != nil {
			return
		}
	}
}

// message reads a message of the wire protocol: a little-endian length, which counts itself, and the rest.
func message(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	m := make([]byte, max(4, binary.LittleEndian.Uint32(length[:])))
	copy(m, length[:])
	_, err := io.ReadFull(r, m[4:])
	return m, err
}

// command returns the name of the command in an OP_MSG: the first key of the document in its first
// section. Other messages have none.
func command(m []byte) string {
	const opMsg, firstKey = 2013, 26 // header 16, flags 4, section kind 1, document length 4, type 1
	if len(m) <= firstKey || binary.LittleEndian.Uint32(m[12:]) != opMsg {
		return ""
	}
	name, _, _ := bytes.Cut(m[firstKey:], []byte{0})
	return string(name)
}
