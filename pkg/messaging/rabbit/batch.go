package rabbit

import (
	"fmt"
	"sync"

	"github.com/reelmill/reelmill/pkg/messaging"
)

// batch is one call of Publish on its way: its caller, the sender and the confirms meet here.
type batch struct {
	messages []messaging.Message
	done     chan struct{} // closed when every message has its result

	mu     sync.Mutex
	states []sendState
	errs   []error
	left   int
}

type sendState uint8

const (
	waiting sendState = iota
	sent
	settled
)

func newBatch(messages []messaging.Message) *batch {
	return &batch{
		messages: messages, done: make(chan struct{}),
		states: make([]sendState, len(messages)), errs: make([]error, len(messages)), left: len(messages),
	}
}

// start reports whether message i is still to be sent, and notes that it is.
func (b *batch) start(i int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.states[i] != waiting {
		return false
	}
	b.states[i] = sent
	return true
}

// finish sets the result of message i unless it has one.
func (b *batch) finish(i int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.states[i] != settled {
		b.settle(i, err)
	}
}

// settle must be called with mu held, once for each message.
func (b *batch) settle(i int, err error) {
	b.states[i], b.errs[i] = settled, err
	if b.left--; b.left == 0 {
		close(b.done)
	}
}

// abandon gives every message without a result one: cause says why nobody waits any longer.
func (b *batch) abandon(cause error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, state := range b.states {
		switch state {
		case waiting:
			b.settle(i, fmt.Errorf("message was not sent: %w", cause))
		case sent:
			b.settle(i, fmt.Errorf("%w: %w", messaging.ErrUnconfirmed, cause))
		}
	}
}

// finished reports whether every message has its result.
func (b *batch) finished() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// result returns nil or a *messaging.PublishError. It must be called after done is closed.
func (b *batch) result() error {
	for _, err := range b.errs {
		if err != nil {
			return &messaging.PublishError{Errs: b.errs}
		}
	}
	return nil
}
