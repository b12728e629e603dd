package rabbit

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/internal/dispatch"
)

var (
	errConsumerVanished  = errors.New("the broker does not know a consumer that believes it is open")
	errSubscriptionEnded = errors.New("the broker ended the subscription")
)

// pump serves all slots of a subscription with Prefetch > 0 from one broker subscription. While the gate is
// shut it unsubscribes, keeps what it has for the hold limit and then gives it back.
type pump struct {
	client *Client
	queue  messaging.Queue
	gate   *dispatch.Gate
	room   int // messages that may be unacknowledged
	hold   time.Duration
	out    chan dispatch.Taken

	lane       *lane // nil before the first
	tag        string
	deliveries <-chan amqp.Delivery // nil while not subscribed
	kept       []dispatch.Taken     // oldest first
	blind      bool                 // the broker does not let us look at the queue
}

func newPump(c *Client, q messaging.Queue, sub messaging.Subscription, gate *dispatch.Gate) *pump {
	p := &pump{client: c, queue: q, gate: gate, room: sub.Concurrency + sub.Prefetch, hold: sub.HoldLimit, out: make(chan dispatch.Taken)}
	if p.hold == 0 {
		p.hold = dispatch.DefaultHoldLimit
	}
	return p
}

// Take implements dispatch.Taker.
func (p *pump) Take(ctx context.Context) (dispatch.Taken, error) {
	select {
	case t := <-p.out:
		return t, nil
	case <-ctx.Done():
		return dispatch.Taken{}, ctx.Err()
	}
}

// Close implements dispatch.Taker; the lane serves all slots and is retired by run.
func (p *pump) Close() {}

// run pumps until ctx ends, through any number of sessions.
func (p *pump) run(ctx context.Context) {
	defer p.abandon()
	for failed := 0; ; failed++ {
		s, err := p.client.consume.session(ctx, false)
		if err != nil {
			return
		}
		since := time.Now()
		if err := p.serve(ctx, s); err != nil {
			consumerLost(s, err)
		}
		if time.Since(since) > p.client.cfg.DialTimeout {
			failed = 0
		}
		pauseAfter(ctx, failed)
	}
}

// serve pumps in session s until that or ctx ends, or the subscription is lost.
func (p *pump) serve(ctx context.Context, s *session) error {
	watch := time.NewTicker(p.client.cfg.WatchInterval)
	defer watch.Stop()
	for {
		open, gateChanged := p.gate.State()
		if err := p.subscribe(s, open); err != nil {
			return err
		}
		var out chan dispatch.Taken
		var first dispatch.Taken
		var expired <-chan time.Time
		if len(p.kept) > 0 {
			out, first = p.out, p.kept[0]
			if !open {
				expired = time.After(time.Until(first.At.Add(p.hold)))
			}
		}
		select {
		case d, ok := <-p.deliveries:
			if !ok {
				// With its channel, or alone: the queue was deleted, or a message was held for too long
				// (RabbitMQ 4.3).
				p.deliveries = nil
				p.lane.retire()
				return fmt.Errorf("queue %s: %w", p.queue.Name, errSubscriptionEnded)
			}
			p.keep(d)
		case out <- first:
			p.kept = p.kept[1:]
		case <-expired:
			p.kept = p.kept[1:]
			handBack(first)
		case <-gateChanged:
		case <-watch.C:
			if err := p.watch(); err != nil {
				s.fail(err)
				return err
			}
		case <-s.done:
			p.abandon()
			return s.err
		case <-ctx.Done():
			err := p.subscribe(s, false)
			p.abandon()
			return err
		}
	}
}

// keep puts d behind what waits for a handler.
func (p *pump) keep(d amqp.Delivery) {
	p.kept = append(p.kept, p.lane.carry(p.client.taken(p.lane.session, p.queue, d)))
}

// abandon lets go of the lane; what it brought and nobody has begun to handle goes back with it.
func (p *pump) abandon() {
	for _, t := range p.kept {
		handBack(t)
	}
	p.kept, p.deliveries = nil, nil
	if p.lane != nil {
		p.lane.retire()
		p.lane = nil
	}
}

// subscribe makes the broker send messages, or stop; what came meanwhile is kept. Every subscription has a
// lane of its own.
func (p *pump) subscribe(s *session, wanted bool) error {
	if p.lane != nil && (p.lane.session != s || p.lane.channel.IsClosed()) {
		p.abandon()
	}
	switch {
	case wanted && p.deliveries == nil:
		return p.begin(s)
	case !wanted && p.deliveries != nil:
		err := s.bounded("cancel consumer of "+p.queue.Name, func() error { return p.lane.channel.Cancel(p.tag, false) })
		for d := range p.deliveries {
			p.keep(d)
		}
		p.deliveries = nil
		p.lane.retire()
		return err
	}
	return nil
}

// begin subscribes on a new lane.
func (p *pump) begin(s *session) error {
	ch, err := s.channel(p.room)
	if err != nil {
		return err
	}
	tag := p.client.tag(p.queue.Name)
	var deliveries <-chan amqp.Delivery
	err = s.bounded("consume from "+p.queue.Name, func() (err error) {
		deliveries, err = ch.Consume(p.queue.Name, tag, false, false, false, false, nil)
		return err
	})
	if err != nil {
		s.discard(ch)
		return err
	}
	p.lane, p.tag, p.deliveries = &lane{session: s, channel: ch}, tag, deliveries
	return nil
}

// handBack gives back what nobody has begun to handle.
func handBack(t dispatch.Taken) {
	// An error means that the channel is gone, which gives the message back as well. The context is not
	// used: the request has a limit of its own.
	_ = t.GiveBack(context.Background(), false)
}

// watch returns an error when the broker knows no consumer of the queue although this one is subscribed.
func (p *pump) watch() error {
	if p.deliveries == nil || p.blind {
		return nil
	}
	// A look at a queue that is not there closes the channel: it gets one of its own.
	ch, err := p.lane.session.channel(0)
	if err != nil {
		return err
	}
	defer p.lane.session.discard(ch)
	state, err := look(p.lane.session, ch, p.queue.Name)
	if refusal, ok := errors.AsType[*amqp.Error](err); ok && refusal.Code == amqp.AccessRefused {
		p.blind = true // passive declares need the right to configure from RabbitMQ 4.3 on
		return nil
	}
	if err == nil && state.Consumers == 0 {
		return fmt.Errorf("queue %s: %w", p.queue.Name, errConsumerVanished)
	}
	return err
}
