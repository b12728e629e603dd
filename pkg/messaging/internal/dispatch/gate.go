package dispatch

import (
	"context"
	"sync"
)

// Gate stops a consumer from taking messages while what its handlers depend on is down. It is open until
// a slot raises trouble and opens again when every slot in trouble is over it. It may be used
// concurrently.
type Gate struct {
	mu       sync.Mutex
	troubles int
	streak   int                // deliveries given back since a handler last acked or succeeded
	flow     context.Context    // ends when the gate shuts
	shut     context.CancelFunc // ends flow
	opened   chan struct{}      // closed while the gate is open
}

// NewGate returns an open gate.
func NewGate() *Gate {
	g := &Gate{opened: make(chan struct{})}
	close(g.opened)
	g.flow, g.shut = context.WithCancel(context.Background())
	return g
}

// State returns whether the gate is open and a channel that is closed when that changes.
func (g *Gate) State() (open bool, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.troubles == 0 {
		return true, g.flow.Done()
	}
	return false, g.opened
}

// wait returns when the gate is open, or ctx's error.
func (g *Gate) wait(ctx context.Context) error {
	for {
		open, changed := g.State()
		if err := ctx.Err(); err != nil || open {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// whileOpen returns a context that ends with ctx or when the gate shuts. The caller must call stop.
func (g *Gate) whileOpen(ctx context.Context) (_ context.Context, stop func()) {
	g.mu.Lock()
	flow := g.flow
	g.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(flow, cancel)
	return ctx, func() { unhook(); cancel() }
}

// raise shuts the gate until a lower follows.
func (g *Gate) raise() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.troubles++; g.troubles == 1 {
		g.opened = make(chan struct{})
		g.shut()
	}
}

// lower undoes one raise.
func (g *Gate) lower() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.troubles--; g.troubles == 0 {
		g.flow, g.shut = context.WithCancel(context.Background())
		close(g.opened)
	}
}

// failed counts a delivery that was given back and returns how many were so in a row before it.
func (g *Gate) failed() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.streak++
	return g.streak - 1
}

// succeeded ends the row of failures.
func (g *Gate) succeeded() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.streak = 0
}
