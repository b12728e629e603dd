package rabbit

import (
	"context"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/reelmill/reelmill/pkg/messaging/internal/dispatch"
)

// lane is a channel of a session that brings deliveries for one subscription. When it has been retired it
// is closed as soon as every delivery that it brought is settled: the broker may send messages just as a
// subscription is cancelled, which the library drops, but which stay unacknowledged until then.
type lane struct {
	session *session
	channel *amqp.Channel

	mu      sync.Mutex
	open    int // deliveries that are not settled
	retired bool
}

// carry counts t as brought by the lane until one of its functions has settled it.
func (l *lane) carry(t dispatch.Taken) dispatch.Taken {
	l.mu.Lock()
	l.open++
	l.mu.Unlock()
	ack, park, giveBack := t.Ack, t.Park, t.GiveBack
	t.Ack = func(ctx context.Context) error {
		defer l.settled()
		return ack(ctx)
	}
	t.Park = func(ctx context.Context, cause error) error {
		defer l.settled()
		return park(ctx, cause)
	}
	t.GiveBack = func(ctx context.Context, blame bool) error {
		defer l.settled()
		return giveBack(ctx, blame)
	}
	return t
}

// settled counts one delivery off.
func (l *lane) settled() {
	l.mu.Lock()
	l.open--
	last := l.retired && l.open == 0
	l.mu.Unlock()
	if last {
		l.session.discard(l.channel)
	}
}

// retire closes the lane when everything is settled, which may be at once.
func (l *lane) retire() {
	l.mu.Lock()
	last := !l.retired && l.open == 0
	l.retired = true
	l.mu.Unlock()
	if last {
		l.session.discard(l.channel)
	}
}
