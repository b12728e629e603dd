package messagingtest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/messaging"
)

func concurrencyBounded(t *testing.T, connect Connect, n names) {
	const concurrency = 3
	for _, prefetch := range []int{0, 5} {
		t.Run(fmt.Sprintf("prefetch %d", prefetch), func(t *testing.T) {
			c := connect(t)
			publish(t, c, n.works(4*concurrency)...)
			var running atomic.Int32
			began, goOn := make(chan int32, 100), make(chan struct{})
			stop := consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: concurrency, Prefetch: prefetch}, func(context.Context, messaging.Delivery) error {
				began <- running.Add(1)
				defer running.Add(-1)
				<-goOn
				return nil
			})
			most := int32(0)
			for range concurrency { // all slots are in use before one is freed
				most = max(most, next(t, "a handler to begin", began))
			}
			close(goOn)
			for range 3 * concurrency {
				most = max(most, next(t, "a handler to begin", began))
			}
			stop()
			if most != concurrency {
				t.Errorf("%d handlers ran at a time, want %d", most, concurrency)
			}
		})
	}
}

func settledStaySettled(t *testing.T, connect Connect, n names) {
	first, second := connect(t), connect(t)
	publish(t, first, n.works(6)...)
	handled := make(chan string, 20)
	stop := consume(t, first, messaging.Subscription{Queue: n.queue, Concurrency: 2}, func(ctx context.Context, d messaging.Delivery) error {
		var err error
		if d.ID >= "m0003" { // some ack by themselves, twice, some leave it to the consumer
			if err = d.Ack(ctx); err == nil {
				err = d.Ack(ctx)
			}
		}
		handled <- d.ID
		return err
	})
	for range 6 {
		next(t, "a message", handled)
	}
	stop()
	again := make(chan messaging.Delivery, 20)
	consume(t, second, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
		again <- d
		return nil
	})
	publish(t, first, n.work("marker"))
	if d := next(t, "the marker", again); d.ID != "marker" || d.Redelivered {
		t.Errorf("got %s (redelivered %t), want the marker alone", d.ID, d.Redelivered)
	}
}

func ackThenWork(t *testing.T, connect Connect, n names) {
	for _, prefetch := range []int{0, 1} {
		t.Run(fmt.Sprintf("prefetch %d", prefetch), func(t *testing.T) {
			c := connect(t)
			publish(t, c, n.work("long"))
			acked, finish := make(chan error, 1), make(chan struct{})
			stop := consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1, Prefetch: prefetch}, func(ctx context.Context, d messaging.Delivery) error {
				if d.ID != "long" {
					return nil
				}
				acked <- d.Ack(ctx)
				<-finish
				return errDown // settled is settled: no retry, no redelivery
			})
			if err := next(t, "the ack", acked); err != nil {
				t.Fatalf("Ack = %v, want nil", err)
			}
			close(finish)
			stop()
			got := make(chan string, 2)
			consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
				got <- d.ID
				return nil
			})
			publish(t, c, n.work("marker"))
			if id := next(t, "the marker", got); id != "marker" {
				t.Errorf("message %s came again after its ack", id)
			}
		})
	}
}

// noPrefetch: while a handler that has acked goes on working, another consumer gets every further message at
// once, for longer than the broker's limit for unsettled deliveries, and nothing was held by the first one.
func noPrefetch(t *testing.T, features Features, connect Connect, n names) {
	busy, other := connect(t), connect(t)
	began, finish := make(chan struct{}), make(chan struct{})
	busyGot := make(chan messaging.Delivery, 100)
	stopBusy := consume(t, busy, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(ctx context.Context, d messaging.Delivery) error {
		if d.ID != "long" {
			busyGot <- d
			return nil
		}
		if err := d.Ack(ctx); err != nil {
			t.Errorf("Ack = %v, want nil", err)
		}
		close(began)
		<-finish
		return nil
	})
	publish(t, busy, n.work("long"))
	next(t, "the long work to begin", began)

	got := make(chan messaging.Delivery, 100)
	stopOther := consume(t, other, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
		got <- d
		return nil
	})
	const atOnce = 5 * time.Second // half of any hold limit; measured: milliseconds
	until := time.Now().Add(features.AckTimeout * 8 / 5)
	for i := 0; i < 20 || time.Now().Before(until); i++ {
		id := fmt.Sprintf("w%03d", i)
		sent := time.Now()
		publish(t, other, n.work(id))
		d := next(t, id, got)
		if took := time.Since(sent); d.ID != id || d.Redelivered || took > atOnce {
			t.Fatalf("got %s (redelivered %t) after %v, want %s at once", d.ID, d.Redelivered, took, id)
		}
	}
	close(finish)
	stopOther()
	publish(t, other, n.work("free again"))
	if d := next(t, "a message for the freed handler", busyGot); d.ID != "free again" || d.Redelivered {
		t.Errorf("got %s (redelivered %t), want the last message alone", d.ID, d.Redelivered)
	}
	stopBusy()
}

func redeliveredAfterStop(t *testing.T, connect Connect, n names) {
	for _, prefetch := range []int{0, 2} {
		t.Run(fmt.Sprintf("prefetch %d", prefetch), func(t *testing.T) {
			first, second := connect(t), connect(t)
			publish(t, first, n.work("held"))
			took := make(chan struct{})
			stop := consume(t, first, messaging.Subscription{Queue: n.queue, Concurrency: 1, Prefetch: prefetch}, func(ctx context.Context, d messaging.Delivery) error {
				close(took)
				<-ctx.Done()
				return ctx.Err()
			})
			next(t, "the first delivery", took)
			stop()
			got := make(chan messaging.Delivery, 1)
			consume(t, second, messaging.Subscription{Queue: n.queue, Concurrency: 1, Prefetch: prefetch}, func(_ context.Context, d messaging.Delivery) error {
				got <- d
				return nil
			})
			if d := next(t, "the second delivery", got); d.ID != "held" || !d.Redelivered {
				t.Errorf("got %s (redelivered %t), want the held message, marked", d.ID, d.Redelivered)
			}
		})
	}
}

func drains(t *testing.T, connect Connect, n names) {
	c := connect(t)
	publish(t, c, n.work("slow"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	took, finish, ended := make(chan context.Context, 1), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- c.Consume(ctx, messaging.Subscription{Queue: n.queue, Concurrency: 1, DrainTimeout: patience}, func(ctx context.Context, _ messaging.Delivery) error {
			took <- ctx
			<-finish
			return nil
		})
	}()
	work := next(t, "the delivery", took)
	cancel()
	publish(t, c, n.work("next")) // the broker has answered: time has passed for Consume to go wrong
	select {
	case err := <-ended:
		t.Fatalf("Consume = %v while a handler was running", err)
	default:
	}
	if err := work.Err(); err != nil {
		t.Errorf("the handler's context ended before the drain time-out: %v", err)
	}
	close(finish)
	if err := next(t, "Consume to return", ended); err != nil {
		t.Errorf("Consume = %v, want nil", err)
	}
	got := make(chan string, 2)
	consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
		got <- d.ID
		return nil
	})
	if id := next(t, "the next message", got); id != "next" {
		t.Errorf("got %s, want what was handled in the drain to be settled and no more to be taken", id)
	}
}

func drainExpires(t *testing.T, connect Connect, n names) {
	c := connect(t)
	publish(t, c, n.work("endless"))
	took, cause := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	stop := consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1, DrainTimeout: 100 * time.Millisecond}, func(ctx context.Context, _ messaging.Delivery) error {
		once.Do(func() { close(took) })
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return ctx.Err()
	})
	next(t, "the delivery", took)
	stop()
	if err := next(t, "the handler's context to end", cause); err == nil || err == context.Canceled {
		t.Errorf("cause = %v, want one that names the drain time-out", err)
	}
}

func invalidSubscriptions(t *testing.T, connect Connect, n names) {
	c := connect(t)
	nothing := func(context.Context, messaging.Delivery) error { return nil }
	for name, sub := range map[string]messaging.Subscription{
		"no queue":          {Concurrency: 1},
		"unknown queue":     {Queue: n.queue + ".unknown", Concurrency: 1},
		"no concurrency":    {Queue: n.queue},
		"negative prefetch": {Queue: n.queue, Concurrency: 1, Prefetch: -1},
		"negative hold":     {Queue: n.queue, Concurrency: 1, HoldLimit: -1},
		"negative drain":    {Queue: n.queue, Concurrency: 1, DrainTimeout: -1},
	} {
		if err := c.Consume(t.Context(), sub, nothing); err == nil {
			t.Errorf("%s: Consume = nil, want an error", name)
		}
	}
	if err := c.Listen(t.Context(), n.cmd, "#", func(context.Context, messaging.Message) {}); err == nil {
		t.Error("Listen to a direct exchange = nil, want an error")
	}
}

func listenersHear(t *testing.T, connect Connect, n names) {
	clients := []Client{connect(t), connect(t)}
	heard := make([]chan string, len(clients))
	var stops []func()
	for i, c := range clients {
		heard[i] = make(chan string, 1000)
		stops = append(stops, background(t, "Listen", func(ctx context.Context) error {
			return c.Listen(ctx, n.event, "job.*.v1", func(_ context.Context, m messaging.Message) { heard[i] <- m.ID })
		}))
	}
	event := func(id, key string) messaging.Message {
		m := n.work(id)
		m.Exchange, m.RoutingKey, m.Mandatory = n.event, key, false
		return m
	}
	for i := range clients { // listening begins some time after the call
		eventually(t, func() error {
			publish(t, clients[0], event("probe", "job.probe.v1"))
			select {
			case <-heard[i]:
				return nil
			default:
				return fmt.Errorf("listener %d has heard nothing yet", i)
			}
		})
	}
	publish(t, clients[0], event("other", "task.done.v1"), event("a", "job.completed.v1"), event("longer", "job.completed.v1.eu"), event("b", "job.failed.v1"))
	for i := range clients {
		var got []string
		for len(got) < 2 {
			if id := next(t, "an event", heard[i]); id != "probe" {
				got = append(got, id)
			}
		}
		if got[0] != "a" || got[1] != "b" {
			t.Errorf("listener %d heard %v, want a and b", i, got)
		}
	}
	for _, stop := range stops {
		stop()
	}
}
