package dispatch

import (
	"context"
	"sync"
)

// acker makes a delivery's Ack harmless to repeat.
type acker struct {
	ack  func(ctx context.Context) error
	mu   sync.Mutex
	then func() // called once after ack, whatever came of it
	done bool
	err  error
}

// Ack acks once and returns the outcome of that to every caller.
func (a *acker) Ack(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.done {
		a.done, a.err = true, a.ack(ctx)
		call(a.then)
	}
	return a.err
}

// onAck has f called as soon as the handler has acked: at once where it has.
func (a *acker) onAck(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		f()
		return
	}
	a.then = f
}

// settled reports whether the handler has acked, well or not.
func (a *acker) settled() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.done
}
