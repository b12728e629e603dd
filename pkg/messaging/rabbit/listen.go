package rabbit

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/reelmill/reelmill/pkg/messaging"
)

// Limits of a listener that does not keep up: what it has not acknowledged, and what its queue holds before
// the oldest messages are dropped.
const (
	listenPrefetch = 64
	listenBacklog  = 10_000
)

// Listen implements messaging.Consumer. An exchange that is not a topic exchange of the topology is not
// valid. Messages that are published while the connection is down are missed.
func (c *Client) Listen(ctx context.Context, exchange, pattern string, handle func(context.Context, messaging.Message)) error {
	if c.exchanges[exchange].Kind != messaging.Topic {
		return fmt.Errorf("listen to %q: not a topic exchange of the topology", exchange)
	}
	for failed := 0; ; {
		s, err := c.consume.session(ctx, false)
		if err != nil {
			return nil
		}
		heard, err := c.listen(ctx, s, exchange, pattern, handle)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			consumerLost(s, err)
		}
		if failed++; heard {
			failed = 0
		}
		pauseAfter(ctx, failed)
	}
}

// listen hears messages until the session, the subscription or ctx ends; heard says whether any came.
func (c *Client) listen(ctx context.Context, s *session, exchange, pattern string, handle func(context.Context, messaging.Message)) (heard bool, err error) {
	ch, err := s.channel(listenPrefetch)
	if err != nil {
		return false, err
	}
	defer s.discard(ch)
	deliveries, err := subscribeTransient(s, ch, exchange, pattern, c.tag(exchange))
	if err != nil {
		return false, err
	}
	for {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return heard, nil
			}
			heard = true
			c.hear(ctx, messageFrom(d), handle)
			// An error ends the channel, and with it the loop.
			_ = s.bounded("acknowledge", func() error { return d.Ack(false) })
		case <-ctx.Done():
			return heard, nil
		case <-s.done:
			return heard, s.err
		}
	}
}

// subscribeTransient makes a queue that belongs to this connection alone and vanishes with it. It is
// exclusive: from RabbitMQ 4.3 on transient queues must be.
func subscribeTransient(s *session, ch *amqp.Channel, exchange, pattern, tag string) (deliveries <-chan amqp.Delivery, err error) {
	err = s.bounded(fmt.Sprintf("listen to %s of %s", pattern, exchange), func() error {
		q, err := ch.QueueDeclare("", false, true, true, false, amqp.Table{"x-max-length": int64(listenBacklog)})
		if err != nil {
			return err
		}
		if err := ch.QueueBind(q.Name, pattern, exchange, false, nil); err != nil {
			return err
		}
		deliveries, err = ch.Consume(q.Name, tag, false, true, false, false, nil)
		return err
	})
	return deliveries, err
}

// hear calls the handler; a panic of it must not end the listener.
func (c *Client) hear(ctx context.Context, m messaging.Message, handle func(context.Context, messaging.Message)) {
	defer func() {
		if v := recover(); v != nil {
			c.cfg.Log.ErrorContext(ctx, "listener panicked", slog.String("exchange", m.Exchange), slog.Any("value", v), slog.String("stack", string(debug.Stack())))
		}
	}()
	handle(ctx, m)
}
