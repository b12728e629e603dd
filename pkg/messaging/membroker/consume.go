package membroker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/internal/dispatch"
)

// backlog is how many messages a listener that does not keep up may be behind before it misses the oldest.
const backlog = 1024

// Consume implements messaging.Consumer. A queue that is not part of the topology is not valid.
func (b *Broker) Consume(ctx context.Context, sub messaging.Subscription, handle messaging.Handler) error {
	if err := dispatch.Validate(sub); err != nil {
		return err
	}
	q, known := b.queues[sub.Queue] // the map does not change after New
	if !known {
		return fmt.Errorf("subscription to %q: the queue is not part of the topology", sub.Queue)
	}
	dispatch.Run(ctx, sub, dispatch.NewGate(), func() dispatch.Taker { return taker{b, q} }, handle, dispatch.Hooks{
		Failed: func(err error) {
			if p, ok := errors.AsType[*dispatch.PanicError](err); ok {
				b.log.ErrorContext(ctx, "handler panicked", slog.String("queue", sub.Queue), slog.Any("value", p.Value), slog.String("stack", string(p.Stack)))
			}
		},
	})
	return nil
}

// listener hears messages of one exchange.
type listener struct {
	exchange string
	pattern  string
	heard    chan messaging.Message
}

// offer hands m over without waiting: it drops the oldest message when the listener is too far behind. It
// must be called with the broker's mutex held, which makes it the only sender.
func (l *listener) offer(m messaging.Message) {
	for {
		select {
		case l.heard <- m:
			return
		default:
		}
		select {
		case <-l.heard:
		default:
		}
	}
}

// Listen implements messaging.Consumer.
func (b *Broker) Listen(ctx context.Context, exchange, pattern string, handle func(context.Context, messaging.Message)) error {
	if b.exchanges[exchange].Kind != messaging.Topic {
		return fmt.Errorf("listen to %q: not a topic exchange of the topology", exchange)
	}
	l := &listener{exchange: exchange, pattern: pattern, heard: make(chan messaging.Message, backlog)}
	b.mu.Lock()
	b.listeners[l] = struct{}{}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listeners, l)
	}()
	for {
		select {
		case m := <-l.heard:
			b.hear(ctx, m, handle)
		case <-ctx.Done():
			return nil
		}
	}
}

// hear calls the handler; a panic of it must not end the listener.
func (b *Broker) hear(ctx context.Context, m messaging.Message, handle func(context.Context, messaging.Message)) {
	defer func() {
		if v := recover(); v != nil {
			b.log.ErrorContext(ctx, "listener panicked", slog.String("exchange", m.Exchange), slog.Any("value", v), slog.String("stack", string(debug.Stack())))
		}
	}()
	handle(ctx, m)
}
