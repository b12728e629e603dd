package rabbit

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/internal/backoff"
)

const (
	// walkLimit is how many messages of a parking queue are looked at; beyond it they lose their order.
	walkLimit = 10_000
	// walkPatience bounds the waits for the broker's next step; measured: milliseconds.
	walkPatience = 2 * time.Second
)

// Inspect implements messaging.Lot.
func (c *Client) Inspect(ctx context.Context, queue string, limit int) ([]messaging.Parked, error) {
	var parked []messaging.Parked
	err := c.walk(ctx, queue, func(_ *session, d amqp.Delivery) (removed, more bool, err error) {
		if len(parked) < limit {
			parked = append(parked, parkedFrom(d))
		}
		return false, len(parked) < limit, nil
	})
	if err != nil {
		return nil, fmt.Errorf("inspect %s: %w", queue, err)
	}
	return parked, nil
}

// Redrive implements messaging.Lot. Where a message was first published to is known from its headers, or
// else from the one queue of the topology that parks there.
func (c *Client) Redrive(ctx context.Context, queue, id string) error {
	return c.remove(ctx, "redrive", queue, id, func(d amqp.Delivery) error {
		return c.Publish(ctx, revived(c.homed(queue, parkedFrom(d))))
	})
}

// Discard implements messaging.Lot.
func (c *Client) Discard(ctx context.Context, queue, id string) error {
	return c.remove(ctx, "discard", queue, id, func(amqp.Delivery) error { return nil })
}

// remove looks for the message of that id, calls before, and removes it if that succeeded.
func (c *Client) remove(ctx context.Context, what, queue, id string, before func(amqp.Delivery) error) error {
	found := false
	err := c.walk(ctx, queue, func(s *session, d amqp.Delivery) (removed, more bool, err error) {
		if d.MessageId != id {
			return false, true, nil
		}
		found = true
		if err := before(d); err != nil {
			return false, false, err
		}
		return true, false, s.bounded("acknowledge", func() error { return d.Ack(false) })
	})
	if err == nil && !found {
		err = messaging.ErrNotParked
	}
	if err != nil {
		return fmt.Errorf("%s message %s of %s: %w", what, id, queue, err)
	}
	return nil
}

// visitor looks at a parked message; it says whether it has acknowledged it and whether it wants another.
type visitor func(s *session, d amqp.Delivery) (removed, more bool, err error)

// walk takes all messages, shows them to visit, oldest first, until that is done, and gives back what is
// left. It takes all, because what is given back goes behind everything else that was ever given back: only
// a whole queue keeps its order.
func (c *Client) walk(ctx context.Context, queue string, visit visitor) error {
	if q, known := c.queues[queue]; !known || q.ParkExchange != "" {
		return fmt.Errorf("%q is not a parking queue of the topology", queue)
	}
	s, err := c.consume.session(ctx, true)
	if err != nil {
		return fmt.Errorf("%w: %w", messaging.ErrDisconnected, err)
	}
	// Two walks at a time would each miss what the other one holds.
	select {
	case s.lotTurn <- struct{}{}:
		defer func() { <-s.lotTurn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ch, err := s.channel(0)
	if err != nil {
		return err
	}
	defer s.discard(ch)
	all, err := takeAll(ctx, s, ch, queue, c.tag(queue))
	held, last, more := 0, uint64(0), true
	for _, d := range all {
		removed := false
		if more && err == nil {
			removed, more, err = visit(s, d)
		}
		if !removed {
			held, last = held+1, d.DeliveryTag
		}
	}
	if held == 0 {
		return err
	}
	return errors.Join(err, giveBack(ctx, s, ch, queue, last, held))
}

// takeAll takes what lies in the queue.
func takeAll(ctx context.Context, s *session, ch *amqp.Channel, queue, tag string) ([]amqp.Delivery, error) {
	state, err := look(s, ch, queue)
	if err != nil || state.Messages == 0 {
		return nil, err
	}
	count := min(state.Messages, walkLimit)
	var deliveries <-chan amqp.Delivery
	err = s.bounded("consume from "+queue, func() (err error) {
		// Room for these and no more: the library drops what the broker sends after the cancel.
		if err = ch.Qos(count, 0, false); err == nil {
			deliveries, err = ch.Consume(queue, tag, false, false, false, false, nil)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var all []amqp.Delivery
	idle := time.NewTimer(walkPatience)
	defer idle.Stop()
	for open := true; open && len(all) < count; {
		var d amqp.Delivery
		select {
		case d, open = <-deliveries:
			if open {
				all = append(all, d)
				idle.Reset(walkPatience)
			}
		case <-idle.C: // somebody else took the rest
			open = false
		case <-ctx.Done():
			open, err = false, ctx.Err()
		case <-s.done:
			open, err = false, s.err
		}
	}
	err = errors.Join(err, s.bounded("cancel consumer of "+queue, func() error { return ch.Cancel(tag, false) }))
	for d := range deliveries {
		all = append(all, d)
	}
	return all, err
}

// giveBack gives back the messages up to tag last, held in number, and waits a little until the broker has
// them in the queue again: it does so some time after it was told, and the next walk would miss them.
func giveBack(ctx context.Context, s *session, ch *amqp.Channel, queue string, last uint64, held int) error {
	before, err := look(s, ch, queue)
	if err != nil {
		return err
	}
	if err := s.bounded("give back", func() error { return ch.Nack(last, true, true) }); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), walkPatience)
	defer cancel()
	for pause := time.Millisecond; ; pause *= 2 {
		now, err := look(s, ch, queue)
		if err != nil {
			return err
		}
		// New messages raise the count as well, so it does not tell enough; a cancelled consumer is counted
		// as long as it holds messages.
		back := now.Messages >= before.Messages+held && (before.Consumers == 0 || now.Consumers < before.Consumers)
		if back || !backoff.Sleep(ctx, pause) {
			return nil
		}
	}
}

// look returns how many messages lie in the queue, and its consumers.
func look(s *session, ch *amqp.Channel, queue string) (state amqp.Queue, err error) {
	err = s.bounded("look at queue "+queue, func() (err error) {
		state, err = ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		return err
	})
	return state, err
}

// homed completes where p was first published to.
func (c *Client) homed(queue string, p messaging.Parked) messaging.Parked {
	lot := c.queues[queue]
	if p.Exchange != lot.Exchange {
		return p
	}
	for _, q := range c.cfg.Topology.Queues {
		if q.ParkExchange == lot.Exchange && q.ParkRoutingKey == lot.RoutingKey {
			p.Exchange, p.RoutingKey = q.Exchange, q.RoutingKey
			return p
		}
	}
	return p
}
