package messagingtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/messaging"
)

func poisonParked(t *testing.T, connect Connect, n names) {
	for _, prefetch := range []int{0, 3} {
		t.Run(fmt.Sprintf("prefetch %d", prefetch), func(t *testing.T) {
			c := connect(t)
			handled := make(chan string, 10)
			stop := consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1, Prefetch: prefetch}, func(_ context.Context, d messaging.Delivery) error {
				handled <- d.ID
				if d.ID == "poison" {
					return fmt.Errorf("decode: %w", fault.New(fault.CodeMessageMalformed, "field %q is missing", "task"))
				}
				return nil
			})
			publish(t, c, n.work("poison"), n.work("good"))
			got := []string{next(t, "the first message", handled), next(t, "the second message", handled)}
			if want := []string{"poison", "good"}; !slices.Equal(got, want) {
				t.Errorf("handled %v, want each once: %v", got, want)
			}
			p := parked(t, c, n.lot, 1)[0]
			stop()
			if len(handled) != 0 {
				t.Errorf("%s was handled once more", <-handled)
			}
			want := n.work("poison")
			if p.ID != want.ID || p.Exchange != want.Exchange || p.RoutingKey != want.RoutingKey || string(p.Body) != string(want.Body) || p.Headers["traceparent"] != want.Headers["traceparent"] {
				t.Errorf("parked = %+v, want %+v", p.Message, want)
			}
			if p.Code != string(fault.CodeMessageMalformed) || p.Reason != `field "task" is missing` || p.Headers[messaging.HeaderParkQueue] != n.queue {
				t.Errorf("parked with code %q, reason %q, headers %v", p.Code, p.Reason, p.Headers)
			}
			if at, err := time.Parse(time.RFC3339Nano, p.Headers[messaging.HeaderParkTime]); err != nil || time.Since(at).Abs() > patience {
				t.Errorf("park time = %q (%v), want now", p.Headers[messaging.HeaderParkTime], err)
			}
			if err := c.Discard(t.Context(), n.lot, "poison"); err != nil {
				t.Errorf("Discard = %v, want nil", err)
			}
		})
	}
}

func classesPark(t *testing.T, connect Connect, n names) {
	codes := map[string]fault.Code{
		"invalid": fault.CodeMessageUnsupported, "permanent": fault.CodeTaskSpecInvalid,
		"not found": fault.CodeJobNotFound, "conflict": fault.CodeAlreadyTerminal,
	}
	c := connect(t)
	consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
		return fault.New(codes[d.ID], "")
	})
	for id := range codes {
		publish(t, c, n.work(id))
	}
	for _, p := range parked(t, c, n.lot, len(codes)) {
		if p.Code != string(codes[p.ID]) {
			t.Errorf("%s is parked with code %q, want %q", p.ID, p.Code, codes[p.ID])
		}
	}
}

func transientRetried(t *testing.T, connect Connect, n names) {
	for _, prefetch := range []int{0, 3} {
		t.Run(fmt.Sprintf("prefetch %d", prefetch), func(t *testing.T) {
			c := connect(t)
			tries := make(chan messaging.Delivery, 10)
			stop := consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1, Prefetch: prefetch}, func(_ context.Context, d messaging.Delivery) error {
				tries <- d
				if len(tries) < 3 {
					return errDown
				}
				return nil
			})
			publish(t, c, n.work("held"))
			eventually(t, func() error {
				if len(tries) < 3 {
					return fmt.Errorf("tried %d times, want 3", len(tries))
				}
				return nil
			})
			stop()
			for range 3 {
				if d := <-tries; d.Redelivered {
					t.Error("the broker gave the message out again, want the same delivery to be tried")
				}
			}
			parked(t, c, n.lot, 0)
		})
	}
}

func troubleStopsIntake(t *testing.T, connect Connect, n names) {
	for _, prefetch := range []int{0, 3} {
		t.Run(fmt.Sprintf("prefetch %d", prefetch), func(t *testing.T) {
			c := connect(t)
			var mu sync.Mutex
			down := true
			tries, handled := make(chan string, 1000), make(chan string, 100)
			sub := messaging.Subscription{Queue: n.queue, Concurrency: 2, Prefetch: prefetch, HoldLimit: patience}
			stop := consume(t, c, sub, func(_ context.Context, d messaging.Delivery) error {
				mu.Lock()
				defer mu.Unlock()
				if down {
					tries <- d.ID
					return errDown
				}
				handled <- d.ID
				return nil
			})
			publish(t, c, n.work("first"))
			next(t, "the first try", tries)
			next(t, "the second try", tries) // by now the consumer has noticed
			publish(t, c, n.works(5)...)
			for range 2 {
				if id := next(t, "another try", tries); id != "first" {
					t.Errorf("%s was taken while the dependency was down", id)
				}
			}
			mu.Lock()
			down = false
			mu.Unlock()
			for range 6 {
				next(t, "all messages", handled)
			}
			stop()
		})
	}
}

func givenBackAfterHold(t *testing.T, connect Connect, n names) {
	for _, prefetch := range []int{0, 3} {
		t.Run(fmt.Sprintf("prefetch %d", prefetch), func(t *testing.T) {
			c := connect(t)
			again := make(chan struct{}, 1)
			sub := messaging.Subscription{Queue: n.queue, Concurrency: 1, Prefetch: prefetch, HoldLimit: 300 * time.Millisecond}
			stop := consume(t, c, sub, func(_ context.Context, d messaging.Delivery) error {
				if d.Redelivered {
					again <- struct{}{}
					return nil
				}
				return errDown
			})
			publish(t, c, n.work("held"))
			next(t, "the redelivery", again)
			stop()
			parked(t, c, n.lot, 0)
		})
	}
}

func panicIsTransient(t *testing.T, connect Connect, n names) {
	c := connect(t)
	tries := make(chan bool, 10)
	consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
		tries <- d.Redelivered
		if len(tries) == 1 {
			panic("handler is broken")
		}
		return nil
	})
	publish(t, c, n.work("explosive"))
	eventually(t, func() error {
		if len(tries) < 2 {
			return fmt.Errorf("tried %d times, want 2", len(tries))
		}
		return nil
	})
	if <-tries || <-tries {
		t.Error("the broker gave the message out again, want the same delivery to be tried")
	}
}

func deliveryLimitParks(t *testing.T, connect Connect, n names) {
	c := connect(t)
	deliveries := make(chan bool, 10)
	sub := messaging.Subscription{Queue: n.queue, Concurrency: 1, HoldLimit: time.Nanosecond} // one try for each delivery
	stop := consume(t, c, sub, func(_ context.Context, d messaging.Delivery) error {
		deliveries <- d.Redelivered
		return errDown
	})
	publish(t, c, n.work("hopeless"))
	p := parked(t, c, n.lot, 1)[0]
	stop()
	if len(deliveries) != deliveryLimit {
		t.Errorf("given out %d times, want %d", len(deliveries), deliveryLimit)
	}
	if p.ID != "hopeless" || p.Code != "" || p.Exchange != n.cmd || p.RoutingKey != n.key {
		t.Errorf("parked = %+v with code %q, want the message as it was published, without a code", p.Message, p.Code)
	}
	if err := c.Redrive(t.Context(), n.lot, "hopeless"); err != nil {
		t.Fatalf("Redrive = %v, want nil", err)
	}
	got := make(chan messaging.Delivery, 1)
	consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
		got <- d
		return nil
	})
	if d := next(t, "the redriven message", got); d.ID != "hopeless" || d.Redelivered {
		t.Errorf("got %s (redelivered %t), want a fresh delivery", d.ID, d.Redelivered)
	}
}
