package membroker

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/reelmill/reelmill/pkg/messaging"
)

// Inspect implements messaging.Lot.
func (b *Broker) Inspect(ctx context.Context, queue string, limit int) ([]messaging.Parked, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q, err := b.lot(ctx, queue)
	if err != nil {
		return nil, fmt.Errorf("inspect %s: %w", queue, err)
	}
	var parked []messaging.Parked
	for _, e := range q.ready[:min(max(limit, 0), len(q.ready))] {
		parked = append(parked, parkedFrom(clone(e.message)))
	}
	return parked, nil
}

// Redrive implements messaging.Lot.
func (b *Broker) Redrive(ctx context.Context, queue, id string) error {
	return b.remove(ctx, "redrive", queue, id, func(m messaging.Message) error {
		p := parkedFrom(clone(m))
		maps.DeleteFunc(p.Headers, func(name, _ string) bool { return deathHeader(name) })
		p.Mandatory = true
		return b.route(p.Message)
	})
}

// Discard implements messaging.Lot.
func (b *Broker) Discard(ctx context.Context, queue, id string) error {
	return b.remove(ctx, "discard", queue, id, func(messaging.Message) error { return nil })
}

// remove looks for the message of that id, calls before, and removes it if that succeeded.
func (b *Broker) remove(ctx context.Context, what, queue, id string, before func(messaging.Message) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	q, err := b.lot(ctx, queue)
	if err == nil {
		err = messaging.ErrNotParked
		for i, e := range q.ready {
			if e.message.ID == id {
				if err = before(e.message); err == nil {
					q.ready = slices.Delete(q.ready, i, i+1)
				}
				break
			}
		}
	}
	if err != nil {
		return fmt.Errorf("%s message %s of %s: %w", what, id, queue, err)
	}
	return nil
}

// lot returns a parking queue. It must be called with mu held.
func (b *Broker) lot(ctx context.Context, name string) (*queue, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if b.closed {
		return nil, messaging.ErrDisconnected
	}
	q, known := b.queues[name]
	if !known || q.def.ParkExchange != "" {
		return nil, fmt.Errorf("%q is not a parking queue of the topology", name)
	}
	return q, nil
}

// parkedFrom restores where m was first published to.
func parkedFrom(m messaging.Message) messaging.Parked {
	p := messaging.Parked{Message: m, Code: m.Headers[messaging.HeaderParkCode], Reason: m.Headers[messaging.HeaderParkReason]}
	if exchange, ok := m.Headers[messaging.HeaderParkExchange]; ok {
		p.Exchange, p.RoutingKey = exchange, m.Headers[messaging.HeaderParkRoutingKey]
	}
	return p
}

// deathHeader reports whether the header tells of a message's death.
func deathHeader(name string) bool {
	switch name {
	case messaging.HeaderParkCode, messaging.HeaderParkReason, messaging.HeaderParkQueue, messaging.HeaderParkTime,
		messaging.HeaderParkExchange, messaging.HeaderParkRoutingKey:
		return true
	}
	return false
}
