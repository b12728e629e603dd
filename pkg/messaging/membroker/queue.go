package membroker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/internal/dispatch"
)

// queue holds messages. Its fields are guarded by the broker's mutex.
type queue struct {
	def     messaging.Queue
	ready   []*entry // oldest first
	waiters []*waiter
	taken   int // given out and not settled
}

// entry is one message in a queue.
type entry struct {
	message  messaging.Message
	returned int  // deliveries that failed
	seen     bool // it was given out before
}

// waiter is a consumer that waits for a message; it gets one, once.
type waiter struct{ got chan *entry }

func (q *queue) length() int { return len(q.ready) + q.taken }

// push adds a new message, or gives it to who waits longest.
func (q *queue) push(e *entry) {
	if len(q.waiters) > 0 {
		w := q.waiters[0]
		q.waiters = q.waiters[1:]
		q.taken++
		w.got <- e // has room: a waiter gets one message
		return
	}
	q.ready = append(q.ready, e)
}

// unshift puts back a message that was given out, in front of the others.
func (q *queue) unshift(e *entry) {
	e.seen = true
	q.taken--
	if len(q.waiters) > 0 {
		q.push(e)
		return
	}
	q.ready = append([]*entry{e}, q.ready...)
}

// taker takes messages of one queue for one slot.
type taker struct {
	broker *Broker
	queue  *queue
}

// Take implements dispatch.Taker.
func (t taker) Take(ctx context.Context) (dispatch.Taken, error) {
	w := &waiter{got: make(chan *entry, 1)}
	t.broker.mu.Lock()
	if q := t.queue; len(q.ready) > 0 {
		e := q.ready[0]
		q.ready[0] = nil // let go of it when it is settled
		q.ready = q.ready[1:]
		q.taken++
		w.got <- e
	} else {
		q.waiters = append(q.waiters, w)
	}
	t.broker.mu.Unlock()
	select {
	case e := <-w.got:
		return t.broker.delivery(t.queue, e), nil
	case <-ctx.Done():
	}
	t.broker.mu.Lock()
	defer t.broker.mu.Unlock()
	t.queue.waiters = slices.DeleteFunc(t.queue.waiters, func(other *waiter) bool { return other == w })
	select {
	case e := <-w.got:
		return t.broker.delivery(t.queue, e), nil
	default:
		return dispatch.Taken{}, ctx.Err()
	}
}

// Close implements dispatch.Taker.
func (t taker) Close() {}

// delivery makes e, which was taken from q, a delivery. It needs no lock: e belongs to the taker now.
func (b *Broker) delivery(q *queue, e *entry) dispatch.Taken {
	return dispatch.Taken{
		Message:     clone(e.message),
		Redelivered: e.seen,
		At:          time.Now(),
		Ack: func(context.Context) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			q.taken--
			return nil
		},
		Park: func(_ context.Context, cause error) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.park(q, e, cause)
		},
		GiveBack: func(_ context.Context, blame bool) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if blame {
				e.returned++
			}
			if q.def.ParkExchange != "" && e.returned >= q.def.DeliveryLimit {
				return b.park(q, e, nil)
			}
			q.unshift(e)
			return nil
		},
	}
}

// park moves e to q's parking queue; without a cause its deliveries were used up. It must be called with mu
// held.
func (b *Broker) park(q *queue, e *entry, cause error) error {
	if q.def.ParkExchange == "" {
		q.unshift(e)
		return fmt.Errorf("park message %s: queue %s has no parking queue", e.message.ID, q.def.Name)
	}
	m := clone(e.message)
	m.Headers[messaging.HeaderParkQueue] = q.def.Name
	m.Headers[messaging.HeaderParkTime] = time.Now().UTC().Format(time.RFC3339Nano)
	m.Headers[messaging.HeaderParkExchange] = m.Exchange
	m.Headers[messaging.HeaderParkRoutingKey] = m.RoutingKey
	if cause != nil {
		m.Headers[messaging.HeaderParkCode] = string(fault.CodeOf(cause))
		m.Headers[messaging.HeaderParkReason] = fault.DetailOf(cause)
	}
	m.Exchange, m.RoutingKey, m.Mandatory = q.def.ParkExchange, q.def.ParkRoutingKey, true
	if err := b.route(m); err != nil {
		q.unshift(e)
		return fmt.Errorf("park message %s of %s: %w", e.message.ID, q.def.Name, err)
	}
	q.taken--
	return nil
}
