package rabbit

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/internal/dispatch"
)

// puller takes single messages for one handler slot, on a channel of its own: it subscribes with room for
// one unacknowledged message, takes that and unsubscribes. While the message is unacknowledged the channel
// has no room, and after that there is no subscription, so the broker sends nothing that would wait here.
type puller struct {
	client  *Client
	queue   messaging.Queue
	session *session
	channel *amqp.Channel
	failed  int // failures in a row
}

// Take implements dispatch.Taker.
func (p *puller) Take(ctx context.Context) (dispatch.Taken, error) {
	for {
		if p.failed > 0 {
			pauseAfter(ctx, p.failed-1)
		}
		s, err := p.client.consume.session(ctx, false)
		if err != nil {
			return dispatch.Taken{}, err
		}
		d, ok, err := p.one(ctx, s)
		switch {
		case err != nil:
			p.failed++
			consumerLost(s, err)
		case ok:
			p.failed = 0
			return p.client.taken(s, p.queue, d), nil
		case ctx.Err() != nil:
			return dispatch.Taken{}, ctx.Err()
		default:
			p.failed++
		}
	}
}

// one takes one message through s. Without an error and a message either ctx ended or the subscription did.
func (p *puller) one(ctx context.Context, s *session) (d amqp.Delivery, ok bool, err error) {
	if err := p.prepare(s); err != nil {
		return d, false, err
	}
	tag := p.client.tag(p.queue.Name)
	var deliveries <-chan amqp.Delivery
	err = s.bounded("consume from "+p.queue.Name, func() (err error) {
		deliveries, err = p.channel.Consume(p.queue.Name, tag, false, false, false, false, nil)
		return err
	})
	if err != nil {
		return d, false, err
	}
	select {
	case d, ok = <-deliveries:
		if !ok {
			return d, false, nil
		}
	case <-ctx.Done():
	case <-s.done:
		return d, false, s.err
	}
	err = s.bounded("cancel consumer of "+p.queue.Name, func() error { return p.channel.Cancel(tag, false) })
	// The library hands out what arrived before the cancel, then closes the channel: there is at most one.
	for late := range deliveries {
		d, ok = late, true
	}
	if !ok {
		// The broker may have sent a message just as it cancelled. The library drops it, but it stays
		// unacknowledged and takes up the only room, until its channel is closed.
		s.discard(p.channel)
	}
	return d, ok && err == nil, err
}

// prepare makes sure that there is an open channel of session s.
func (p *puller) prepare(s *session) error {
	if p.session == s && !p.channel.IsClosed() {
		return nil
	}
	ch, err := s.channel(1)
	if err != nil {
		return err
	}
	p.session, p.channel = s, ch
	return nil
}

// Close implements dispatch.Taker.
func (p *puller) Close() {
	if p.channel != nil {
		p.session.discard(p.channel)
	}
}
