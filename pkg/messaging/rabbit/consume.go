package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/internal/backoff"
	"github.com/reelmill/reelmill/pkg/messaging/internal/dispatch"
)

// Consume implements messaging.Consumer. A queue that is not part of the topology is not valid.
//
// With Prefetch 0 each free handler subscribes for a single message and unsubscribes before the message is
// handed over, which costs two more round trips a message; once that message is acknowledged the client
// holds nothing of the queue. With more than 0 one subscription serves all handlers.
func (c *Client) Consume(ctx context.Context, sub messaging.Subscription, handle messaging.Handler) error {
	if err := dispatch.Validate(sub); err != nil {
		return err
	}
	queue, known := c.queues[sub.Queue]
	if !known {
		return fmt.Errorf("subscription to %q: the queue is not part of the topology", sub.Queue)
	}
	gate := dispatch.NewGate()
	hooks := c.hooks(ctx, queue)
	if sub.Prefetch == 0 {
		dispatch.Run(ctx, sub, gate, func() dispatch.Taker { return &puller{client: c, queue: queue} }, handle, hooks)
		return nil
	}
	p := newPump(c, queue, sub, gate)
	var pumping sync.WaitGroup
	pumping.Go(func() { p.run(ctx) })
	dispatch.Run(ctx, sub, gate, func() dispatch.Taker { return p }, handle, hooks)
	pumping.Wait()
	return nil
}

// hooks connects what happens to deliveries with observer and log. Only messages' ids are logged.
func (c *Client) hooks(ctx context.Context, q messaging.Queue) dispatch.Hooks {
	log := c.cfg.Log.With(slog.String("queue", q.Name))
	o := c.cfg.Observer
	return dispatch.Hooks{
		Delivered: func() {
			if o.Delivered != nil {
				o.Delivered(q.Name)
			}
		},
		Failed: func(err error) {
			class := fault.ClassOf(err).String()
			if p, ok := errors.AsType[*dispatch.PanicError](err); ok {
				class = "panic"
				log.ErrorContext(ctx, "handler panicked", slog.Any("value", p.Value), slog.String("stack", string(p.Stack)))
			}
			if o.HandlerError != nil {
				o.HandlerError(q.Name, class)
			}
		},
		Parked: func(cause error) {
			if o.Parked != nil {
				o.Parked(q.Name, string(fault.CodeOf(cause)))
			}
		},
		Unsettled: func(err error) {
			log.WarnContext(ctx, "delivery could not be settled and comes again", slog.String("error", err.Error()))
			if o.Unsettled != nil {
				o.Unsettled(q.Name)
			}
		},
	}
}

// taken makes d, which channel brought in session s, a delivery of the dispatcher.
func (c *Client) taken(s *session, q messaging.Queue, d amqp.Delivery) dispatch.Taken {
	m := messageFrom(d)
	return dispatch.Taken{
		Message:     m,
		Redelivered: d.Redelivered,
		At:          time.Now(),
		Lost:        s.done,
		Ack: func(context.Context) error {
			return s.bounded("acknowledge", func() error { return d.Ack(false) })
		},
		Park: func(ctx context.Context, cause error) error {
			return c.park(ctx, s, q, d, m, cause)
		},
		GiveBack: func(_ context.Context, blame bool) error {
			// From RabbitMQ 4.3 on only a reject counts towards the delivery limit; before, both do.
			return s.bounded("give back", func() error {
				if blame {
					return d.Reject(true)
				}
				return d.Nack(false, true)
			})
		},
	}
}

// park publishes a copy that says why, then acknowledges the delivery. Where the copy cannot be published
// the broker moves the message by itself, without a reason.
func (c *Client) park(ctx context.Context, s *session, q messaging.Queue, d amqp.Delivery, m messaging.Message, cause error) error {
	if q.ParkExchange == "" {
		return s.bounded("give back", func() error { return d.Reject(true) })
	}
	parked := parkingCopy(m, q, string(fault.CodeOf(cause)), fault.DetailOf(cause), time.Now())
	if err := c.Publish(ctx, parked); err != nil {
		c.cfg.Log.WarnContext(ctx, "message is parked without its reason", slog.String("queue", q.Name),
			slog.String("message_id", m.ID), slog.String("error", err.Error()))
		return s.bounded("reject", func() error { return d.Reject(false) })
	}
	return s.bounded("acknowledge", func() error { return d.Ack(false) })
}

// consumerLost is what becomes of a consumer whose subscription failed: a queue that is gone, or not there
// yet after a restart, is a matter for a new session, which declares the topology.
func consumerLost(s *session, err error) {
	if cause, ok := errors.AsType[*amqp.Error](err); ok && cause.Server {
		s.fail(fmt.Errorf("consumer lost: %w", err))
	}
}

// pauseAfter waits before a consumer that failed attempt times in a row tries again.
func pauseAfter(ctx context.Context, attempt int) {
	backoff.Sleep(ctx, backoff.Full(attempt, backoff.Base, backoff.Max))
}
