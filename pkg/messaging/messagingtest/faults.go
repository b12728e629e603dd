package messagingtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/messaging"
)

// Server controls the broker under test. A broker that was started again has its data and its address.
type Server interface {
	Kill(ctx context.Context) error
	Start(ctx context.Context) error
	CloseConnections(ctx context.Context) error
	// SetMemoryAlarm makes the broker block connections that publish, or stops that.
	SetMemoryAlarm(ctx context.Context, on bool) error
}

// Network controls the way between client and broker under test.
type Network interface {
	// BlackHole makes everything disappear that is sent from now on, in both directions.
	BlackHole(ctx context.Context) error
	// Stall stops the client's data on their way, so that its writes block at last.
	Stall(ctx context.Context) error
	// Reset cuts connections by a TCP reset.
	Reset(ctx context.Context) error
	// Heal ends all of that.
	Heal(ctx context.Context) error
}

// Limits are the client's limits that the fault suite relies on.
type Limits struct {
	// Publish is the longest that a Publish may take whatever happens, without a deadline of its caller.
	Publish time.Duration
}

// RunServerFaults runs the part of the suite that kills and disturbs the server. Its queue has the delivery limit that
// queues have in use: every lost connection counts as a delivery, and a busy machine loses more than those that are cut.
func RunServerFaults(t *testing.T, server Server, limits Limits, open Open) {
	for name, test := range map[string]func(*testing.T, Server, Limits, Connect, names){
		"nothing confirmed is lost when the broker is cut off and killed": surviveRestart,
		"a blocked broker does not hold publishers":                       surviveAlarm,
	} {
		t.Run(name, func(t *testing.T) {
			top, n := newTopology(t)
			for i := range top.Queues {
				if top.Queues[i].ParkExchange != "" {
					top.Queues[i].DeliveryLimit = contract.DeliveryLimit
				}
			}
			test(t, server, limits, open(t, top), n)
		})
	}
}

// RunNetworkFaults runs the part of the suite that disturbs the network.
func RunNetworkFaults(t *testing.T, network Network, limits Limits, open Open) {
	for name, disturb := range map[string]func(Network, context.Context) error{
		"black hole": Network.BlackHole, "stall": Network.Stall, "reset": Network.Reset,
	} {
		t.Run(name, func(t *testing.T) {
			top, n := newTopology(t)
			surviveNetwork(t, network, disturb, limits, open(t, top), n)
		})
	}
}

// holder is a handler that holds the first delivery until release, acks it late, and handles all others.
type holder struct {
	once    sync.Once
	held    chan struct{}
	release chan struct{}
	late    chan error // what the late ack returned
	handled chan string
}

func newHolder() *holder {
	return &holder{held: make(chan struct{}), release: make(chan struct{}), late: make(chan error, 1), handled: make(chan string, 1<<20)}
}

func (h *holder) handle(ctx context.Context, d messaging.Delivery) error {
	first := false
	h.once.Do(func() { first = true })
	if !first {
		h.handled <- d.ID
		return nil
	}
	close(h.held)
	<-h.release
	h.late <- d.Ack(ctx)
	return nil
}

// surviveRestart runs a stream of messages through cut connections and a killed broker, with a consumer of
// either kind. On the way one delivery is held through the kill: its late ack must fail and must not settle
// another message.
func surviveRestart(t *testing.T, server Server, limits Limits, connect Connect, n names) {
	publisher, consumer, puller := connect(t), connect(t), connect(t)
	h := newHolder()
	stopPush := consume(t, consumer, messaging.Subscription{Queue: n.queue, Concurrency: 2, Prefetch: 20}, h.handle)
	stopPull := consume(t, puller, messaging.Subscription{Queue: n.queue, Concurrency: 2}, h.handle)
	heard := make(chan string, 1<<20)
	stopListen := background(t, "Listen", func(ctx context.Context) error {
		return consumer.Listen(ctx, n.event, "#", func(_ context.Context, m messaging.Message) { heard <- m.ID })
	})
	s := &stream{confirmed: map[string]bool{}}
	stopStream := background(t, "stream", func(ctx context.Context) error { return s.run(ctx, publisher, n) })

	next(t, "a delivery to hold", h.held)
	s.grow(t, 200)
	do(t, "close connections", server.CloseConnections)
	s.grow(t, 200)
	do(t, "kill", server.Kill)
	if err := publisher.Publish(t.Context(), n.work("while it is down")); err == nil {
		t.Error("Publish = nil while the broker is down")
	}
	close(h.release)
	if err := next(t, "the late ack", h.late); err == nil {
		t.Error("Ack = nil for a delivery whose connection is gone")
	}
	do(t, "start", server.Start)
	s.grow(t, 500)
	stopStream()
	allHandled(t, publisher, n, s.confirmed, h.handled)
	listens(t, publisher, n, heard)
	stopListen()
	stopPush()
	stopPull()
	t.Logf("%d messages confirmed, %d sends failed, longest publish %v", len(s.confirmed), s.failed, s.longest)
	if s.longest > limits.Publish {
		t.Errorf("a publish took %v, want at most %v", s.longest, limits.Publish)
	}
}

// allHandled waits until every message of confirmed was handled, as long as any message is. Where some are missing it
// says which, and which of them were parked.
func allHandled(t *testing.T, lot messaging.Lot, n names, confirmed map[string]bool, handled <-chan string) {
	t.Helper()
	missing := maps.Clone(confirmed)
	for len(missing) > 0 {
		select {
		case id := <-handled:
			delete(missing, id)
		case <-time.After(patience):
			parked, err := lot.Inspect(t.Context(), n.lot, len(missing))
			t.Fatalf("for %v none of the missing %d of %d confirmed messages was handled: %v; parked are %+v (error: %v)",
				patience, len(missing), len(confirmed), slices.Sorted(maps.Keys(missing)), parked, err)
		}
	}
}

// listens waits until the listener hears an event.
func listens(t *testing.T, publisher messaging.Publisher, n names, heard <-chan string) {
	t.Helper()
	eventually(t, func() error {
		m := n.work("event")
		m.Exchange, m.Mandatory = n.event, false
		publish(t, publisher, m)
		select {
		case <-heard:
			return nil
		default:
			return errors.New("the listener hears nothing")
		}
	})
}

func do(t *testing.T, what string, action func(context.Context) error) {
	t.Helper()
	if err := action(t.Context()); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// surviveAlarm: while the broker blocks publishers, publishing fails in time, and consuming goes on.
func surviveAlarm(t *testing.T, server Server, limits Limits, connect Connect, n names) {
	c := connect(t)
	began, goOn, acked := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	handled := make(chan string, 1000)
	consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(ctx context.Context, d messaging.Delivery) error {
		if d.ID == "before" {
			close(began)
			<-goOn
			acked <- d.Ack(ctx)
		}
		handled <- d.ID
		return nil
	})
	publish(t, c, n.work("before"), n.work("waiting"))
	next(t, "a delivery", began)
	do(t, "set the alarm", func(ctx context.Context) error { return server.SetMemoryAlarm(ctx, true) })
	cleared := false
	defer func() {
		if !cleared {
			do(t, "clear the alarm", func(ctx context.Context) error { return server.SetMemoryAlarm(ctx, false) })
		}
	}()

	within := func(what string, limit time.Duration, ctx context.Context) {
		t.Helper()
		start := time.Now()
		err := c.Publish(ctx, n.work(what))
		if took := time.Since(start); err == nil || took > limit {
			t.Errorf("Publish (%s) = %v after %v, want an error within %v", what, err, took, limit)
		} else {
			t.Logf("Publish (%s) failed after %v: %v", what, took, err)
		}
	}
	const deadline = 500 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	within("with a deadline", deadline+5*time.Second, ctx) // the broker says that it is blocked after the first publish
	within("without a deadline", limits.Publish, t.Context())
	close(goOn)
	if err := next(t, "the ack", acked); err != nil {
		t.Errorf("Ack = %v while publishers are blocked, want nil", err)
	}
	for _, want := range []string{"before", "waiting"} {
		if got := next(t, "a message", handled); got != want {
			t.Errorf("handled %s, want %s", got, want)
		}
	}
	do(t, "clear the alarm", func(ctx context.Context) error { return server.SetMemoryAlarm(ctx, false) })
	cleared = true
	eventually(t, func() error { return c.Publish(t.Context(), n.work("after")) })
	for next(t, "the message after the alarm", handled) != "after" { // what was unconfirmed may come, too
	}
}

// surviveNetwork: whatever the network does, publishing returns in time, and when it is well again all goes
// on by itself.
func surviveNetwork(t *testing.T, network Network, disturb func(Network, context.Context) error, limits Limits, connect Connect, n names) {
	c := connect(t)
	handled := make(chan string, 1<<16)
	consume(t, c, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
		handled <- d.ID
		return nil
	})
	publish(t, c, n.work("before"))
	next(t, "the first message", handled)
	do(t, "disturb the network", func(ctx context.Context) error { return disturb(network, ctx) })
	// More than all socket buffers on the way hold.
	var batch []messaging.Message
	for i := range 250 {
		m := n.work(fmt.Sprint("big", i))
		m.Body = make([]byte, messaging.MaxBodyBytes)
		batch = append(batch, m)
	}
	start := time.Now()
	err := c.Publish(t.Context(), batch...)
	took := time.Since(start)
	if failed, ok := errors.AsType[*messaging.PublishError](err); !ok || took > limits.Publish {
		t.Errorf("Publish = %v after %v, want a *PublishError within %v", err, took, limits.Publish)
	} else {
		t.Logf("Publish failed after %v: last error %v", took, failed.Errs[len(batch)-1])
	}
	do(t, "heal the network", network.Heal)
	eventually(t, func() error { return c.Publish(t.Context(), n.work("after")) })
	for next(t, "the message after the disturbance", handled) != "after" {
	}
}
