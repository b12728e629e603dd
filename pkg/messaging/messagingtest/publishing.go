package messagingtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/reelmill/reelmill/pkg/messaging"
)

func arrivesWhole(t *testing.T, connect Connect, n names) {
	c := connect(t)
	want := n.work("whole")
	want.Body = bytes.Repeat([]byte{0, 255, 'x'}, messaging.MaxBodyBytes/3)
	got := make(chan messaging.Delivery, 1)
	stop := consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
		got <- d
		return nil
	})
	publish(t, c, want)
	d := next(t, "the message", got)
	stop()
	if d.Redelivered {
		t.Error("a first delivery is marked as redelivered")
	}
	if d.ID != want.ID || d.Exchange != want.Exchange || d.RoutingKey != want.RoutingKey || d.Type != want.Type ||
		d.CorrelationID != want.CorrelationID || d.ContentType != want.ContentType || !d.Time.Equal(want.Time) {
		t.Errorf("properties = %+v, want %+v", d.Message, want)
	}
	if !bytes.Equal(d.Body, want.Body) {
		t.Errorf("body has %d bytes that differ from the %d sent", len(d.Body), len(want.Body))
	}
	if d.Headers["traceparent"] != want.Headers["traceparent"] {
		t.Errorf("headers = %v, want those of %v", d.Headers, want.Headers)
	}
}

func orderIsKept(t *testing.T, connect Connect, n names) {
	for _, prefetch := range []int{0, 10} {
		t.Run(fmt.Sprintf("prefetch %d", prefetch), func(t *testing.T) {
			c := connect(t)
			batch := n.works(40)
			publish(t, c, batch...)
			ids := make(chan string, len(batch))
			stop := consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1, Prefetch: prefetch}, func(_ context.Context, d messaging.Delivery) error {
				ids <- d.ID
				return nil
			})
			for _, want := range batch {
				if got := next(t, "message "+want.ID, ids); got != want.ID {
					t.Fatalf("got message %s, want %s", got, want.ID)
				}
			}
			stop()
		})
	}
}

func concurrentPublishers(t *testing.T, connect Connect, n names) {
	const publishers, each = 8, 100
	c := connect(t)
	got := make(chan string, publishers*each)
	consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 4, Prefetch: 50}, func(_ context.Context, d messaging.Delivery) error {
		got <- d.ID
		return nil
	})
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			var batch []messaging.Message
			for i := range each {
				batch = append(batch, n.work(fmt.Sprintf("p%d-%d", p, i)))
			}
			if err := errors.Join(c.Publish(t.Context(), batch[:each/2]...), c.Publish(t.Context(), batch[each/2:]...)); err != nil {
				t.Errorf("Publish: %v", err)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for len(seen) < publishers*each && !t.Failed() {
		seen[next(t, "all messages", got)] = true
	}
}

func mandatoryUnroutable(t *testing.T, connect Connect, n names) {
	m := n.work("lost")
	m.RoutingKey = "nowhere"
	if err := connect(t).Publish(t.Context(), m); !errors.Is(err, messaging.ErrUnroutable) {
		t.Errorf("Publish = %v, want ErrUnroutable", err)
	}
}

func optionalUnroutable(t *testing.T, connect Connect, n names) {
	m := n.work("nobody listens")
	m.Exchange, m.RoutingKey, m.Mandatory = n.event, "job.completed.v1", false
	if err := connect(t).Publish(t.Context(), m); err != nil {
		t.Errorf("Publish = %v, want nil", err)
	}
}

func unknownExchange(t *testing.T, connect Connect, n names) {
	c := connect(t)
	m := n.work("astray")
	m.Exchange, m.Mandatory = n.cmd+".unknown", false
	if err := c.Publish(t.Context(), m); !errors.Is(err, messaging.ErrUnroutable) {
		t.Errorf("Publish = %v, want ErrUnroutable", err)
	}
	publish(t, c, n.work("after")) // the mistake harms nobody else
}

func batchResults(t *testing.T, connect Connect, n names) {
	var batch []messaging.Message
	wants := []error{nil, messaging.ErrUnroutable, messaging.ErrTooLarge, nil, messaging.ErrUnroutable, nil}
	for i, want := range wants {
		m := n.work(fmt.Sprint("b", i))
		switch want {
		case messaging.ErrUnroutable:
			m.RoutingKey = "nowhere"
		case messaging.ErrTooLarge:
			m.Body = make([]byte, messaging.MaxBodyBytes+1)
		}
		batch = append(batch, m)
	}
	c := connect(t)
	err := c.Publish(t.Context(), batch...)
	failed, ok := errors.AsType[*messaging.PublishError](err)
	if !ok || len(failed.Errs) != len(batch) {
		t.Fatalf("Publish = %v, want a *PublishError with %d entries", err, len(batch))
	}
	for i, want := range wants {
		if got := failed.Errs[i]; !errors.Is(got, want) {
			t.Errorf("result %d = %v, want %v", i, got, want)
		}
	}
	ids := make(chan string, len(batch))
	consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
		ids <- d.ID
		return nil
	})
	got := []string{next(t, "message 1", ids), next(t, "message 2", ids), next(t, "message 3", ids)}
	if want := []string{"b0", "b3", "b5"}; !slices.Equal(got, want) {
		t.Errorf("queued = %v, want %v", got, want)
	}
}

func publishAfterEnd(t *testing.T, connect Connect, n names) {
	c := connect(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := c.Publish(ended, n.work("late"))
	if !errors.Is(err, context.Canceled) || errors.Is(err, messaging.ErrUnconfirmed) {
		t.Errorf("Publish = %v, want the context's error alone", err)
	}
	publish(t, c, n.work("next"))
	ids := make(chan string, 2)
	consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
		ids <- d.ID
		return nil
	})
	if got := next(t, "a message", ids); got != "next" {
		t.Errorf("got message %q, want only the one that was sent", got)
	}
}
