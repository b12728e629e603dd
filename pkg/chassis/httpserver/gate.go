package httpserver

import (
	"net/http"
	"sync"
)

// gate counts running handlers, until it is closed and lets none in any more.
// A sync.WaitGroup does not do: a connection that was accepted at the last
// moment may reach its handler while the server already waits for the end.
type gate struct {
	mu      sync.Mutex
	running int
	closed  bool
	empty   chan struct{} // closed once the gate is closed and nothing runs
}

func newGate() *gate { return &gate{empty: make(chan struct{})} }

// wrap counts the calls of next. Calls after the end are aborted: their
// connections are closed already.
func (g *gate) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.enter() {
			panic(http.ErrAbortHandler)
		}
		defer g.leave()
		next.ServeHTTP(w, r)
	})
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.running++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if g.closed && g.running == 0 {
		close(g.empty)
	}
}

// closeAndWait is called once.
func (g *gate) closeAndWait() {
	g.mu.Lock()
	g.closed = true
	if g.running == 0 {
		close(g.empty)
	}
	g.mu.Unlock()
	<-g.empty
}
