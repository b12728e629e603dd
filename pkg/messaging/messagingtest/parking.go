package messagingtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/messaging"
)

// park parks messages of these ids, in that order.
func park(t *testing.T, c Client, n names, ids ...string) {
	t.Helper()
	stop := consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(context.Context, messaging.Delivery) error {
		return fault.New(fault.CodeMessageMalformed, "no good")
	})
	for _, id := range ids {
		publish(t, c, n.work(id))
	}
	parked(t, c, n.lot, len(ids))
	stop()
}

func inspectLeaves(t *testing.T, connect Connect, n names) {
	c := connect(t)
	park(t, c, n, "a", "b", "c", "d")
	// More often than the delivery limit of 20 that RabbitMQ 4 gives to queues that set none.
	for i := range 25 {
		limit := 1 + i%5
		got, err := c.Inspect(t.Context(), n.lot, limit)
		if err != nil {
			t.Fatalf("Inspect %d = %v", i, err)
		}
		// A broker may put back what was looked at a moment after it was let go.
		if len(got) != min(limit, 4) {
			parked(t, c, n.lot, 4)
			continue
		}
		ids := make([]string, len(got))
		for j, p := range got {
			ids[j] = p.ID
		}
		if want := "a b c d"[:2*len(ids)-1]; strings.Join(ids, " ") != want {
			t.Fatalf("Inspect %d (limit %d) = %v, want %s", i, limit, ids, want)
		}
	}
	if got, err := c.Inspect(t.Context(), n.lot, 0); err != nil || len(got) != 0 {
		t.Errorf("Inspect with limit 0 = %v, %v, want nothing", got, err)
	}
	if _, err := c.Inspect(t.Context(), n.queue, 1); err == nil {
		t.Error("Inspect of a work queue = nil, want an error: it would count as deliveries")
	}
}

func redrive(t *testing.T, connect Connect, n names) {
	c := connect(t)
	park(t, c, n, "a", "b", "c")
	eventually(t, func() error { return c.Redrive(t.Context(), n.lot, "b") })
	got := make(chan messaging.Delivery, 5)
	stop := consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
		got <- d
		return nil
	})
	d := next(t, "the redriven message", got)
	stop()
	want := n.work("b")
	if d.ID != want.ID || string(d.Body) != string(want.Body) || d.Exchange != want.Exchange || d.RoutingKey != want.RoutingKey || d.Redelivered {
		t.Errorf("redriven = %+v (redelivered %t), want the message as it was published", d.Message, d.Redelivered)
	}
	for name := range d.Headers {
		if strings.HasPrefix(name, "x-park-") || strings.HasPrefix(name, "x-death") {
			t.Errorf("header %s is still there", name)
		}
	}
	if d.Headers["traceparent"] != want.Headers["traceparent"] {
		t.Errorf("headers = %v, want its own to be kept", d.Headers)
	}
	if left := parked(t, c, n.lot, 2); left[0].ID != "a" || left[1].ID != "c" {
		t.Errorf("left = %s, %s, want a, c", left[0].ID, left[1].ID)
	}
	if err := c.Redrive(t.Context(), n.lot, "b"); !errors.Is(err, messaging.ErrNotParked) {
		t.Errorf("Redrive again = %v, want ErrNotParked", err)
	}
}

func discard(t *testing.T, connect Connect, n names) {
	c := connect(t)
	park(t, c, n, "a", "b")
	eventually(t, func() error { return c.Discard(t.Context(), n.lot, "a") })
	if left := parked(t, c, n.lot, 1); left[0].ID != "b" {
		t.Errorf("left = %s, want b", left[0].ID)
	}
	if err := c.Discard(t.Context(), n.lot, "a"); !errors.Is(err, messaging.ErrNotParked) {
		t.Errorf("Discard again = %v, want ErrNotParked", err)
	}
	eventually(t, func() error {
		if err := c.Discard(t.Context(), n.lot, "b"); err != nil {
			return fmt.Errorf("discard the last: %w", err)
		}
		return nil
	})
	parked(t, c, n.lot, 0)
}
