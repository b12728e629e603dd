package rabbit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/rabbit"
)

// workTopology returns one work queue with its parking queue under names of its own.
func workTopology(t testing.TB) messaging.Topology {
	p := testenv.UniqueName(t, "rabbit")
	return messaging.Topology{
		Exchanges: []messaging.Exchange{{Name: p + ".cmd", Kind: messaging.Direct}, {Name: p + ".park", Kind: messaging.Direct}},
		Queues: []messaging.Queue{
			{Name: p + ".parked", Exchange: p + ".park", RoutingKey: "parked"},
			{Name: p + ".work", Exchange: p + ".cmd", RoutingKey: "work", ParkExchange: p + ".park", ParkRoutingKey: "parked", DeliveryLimit: 10},
		},
	}
}

// command returns a message for the topology's work queue.
func command(top messaging.Topology, id string) messaging.Message {
	return messaging.Message{ID: id, Exchange: top.Exchanges[0].Name, RoutingKey: "work", Mandatory: true, Body: []byte(`{}`)}
}

func TestClientTellsItsState(t *testing.T) {
	uri := testenv.AMQP(t)
	top := workTopology(t)
	cfg := rabbit.Config{URLs: []string{uri}, Topology: top, Service: "test", Instance: t.Name()}
	c, err := rabbit.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deleteTopology(t, uri, top) })
	if err := c.Ready(t.Context()); err == nil || c.State() != rabbit.Connecting {
		t.Errorf("before Run: Ready = %v, State = %v, want an error and connecting", err, c.State())
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = c.Run(ctx) })
	ready(t, c)
	if c.State() != rabbit.Open || !strings.HasPrefix(c.ServerVersion(), "3.") && !strings.HasPrefix(c.ServerVersion(), "4.") {
		t.Errorf("State = %v, ServerVersion = %q, want open and the broker's version", c.State(), c.ServerVersion())
	}
	cancel()
	running.Wait()
	if err := c.Publish(t.Context(), command(top, "late")); !errors.Is(err, messaging.ErrDisconnected) {
		t.Errorf("Publish after Run returned = %v, want ErrDisconnected", err)
	}
	if err := c.Ready(t.Context()); err == nil || c.State() != rabbit.Closed {
		t.Errorf("after Run: Ready = %v, State = %v, want an error and closed", err, c.State())
	}
}

func TestPublishWithoutAConnectionFailsInTime(t *testing.T) {
	top := workTopology(t)
	var mu sync.Mutex
	outcomes := map[string]int{}
	// Port 1 of the loopback refuses.
	c := start(t, "amqp://guest:guest@127.0.0.1:1/", top, func(cfg *rabbit.Config) {
		cfg.PublishWait = 50 * time.Millisecond
		cfg.Observer.Published = func(outcome string) {
			mu.Lock()
			defer mu.Unlock()
			outcomes[outcome]++
		}
	})
	err := c.Publish(t.Context(), command(top, "a"), command(top, "b"))
	failed, ok := errors.AsType[*messaging.PublishError](err)
	if !ok || len(failed.Errs) != 2 || !errors.Is(failed.Errs[1], messaging.ErrDisconnected) {
		t.Errorf("Publish = %v, want ErrDisconnected for both", err)
	}
	if outcomes[rabbit.OutcomeDisconnected] != 2 {
		t.Errorf("observed %v, want 2 disconnected", outcomes)
	}
}

func TestTopologyModes(t *testing.T) {
	uri := testenv.AMQP(t)
	top := workTopology(t)
	verify := func(cfg *rabbit.Config) { cfg.TopologyMode = rabbit.TopologyVerify }
	early := start(t, uri, top, verify)
	testenv.Eventually(t, time.Minute, func() error {
		if err := early.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "verify exchange "+top.Exchanges[0].Name) {
			return fmt.Errorf("Ready = %w, want what is missing", err)
		}
		return nil
	})
	declaring := start(t, uri, top, nil)
	t.Cleanup(func() { deleteTopology(t, uri, top) })
	ready(t, declaring)
	ready(t, early)
	other := top
	other.Queues = append([]messaging.Queue(nil), top.Queues...)
	other.Queues[1].DeliveryLimit++
	differing := start(t, uri, other, nil)
	testenv.Eventually(t, time.Minute, func() error {
		if err := differing.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "PRECONDITION_FAILED") {
			return fmt.Errorf("Ready = %w, want the broker's refusal of other arguments", err)
		}
		return nil
	})
	ready(t, start(t, uri, other, func(cfg *rabbit.Config) { cfg.TopologyMode = rabbit.TopologyOff }))
}

func TestNewNamesEveryProblemAndNoSecret(t *testing.T) {
	_, err := rabbit.New(rabbit.Config{
		URLs:         []string{"amqp://user:s3cret@broker:port/", "http://user:s3cret@broker/", "amqp://user:s3cret%zz@broker"},
		TopologyMode: "guess", Window: 1 << 20, Heartbeat: -1,
		Topology: messaging.Topology{Queues: []messaging.Queue{{Name: "q", Exchange: "unknown"}}},
	})
	if err == nil {
		t.Fatal("New = nil, want an error")
	}
	for _, want := range []string{"URL 1", "URL 2", "URL 3", "service and instance", "guess", "window", "heartbeat", `exchange "unknown"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want it to name %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "user") && strings.Contains(err.Error(), "@") {
		t.Errorf("New = %v shows a secret", err)
	}
}

func TestConsumerComesBackWhenItsQueueIsDeleted(t *testing.T) {
	uri := testenv.AMQP(t)
	for _, prefetch := range []int{0, 5} {
		t.Run(fmt.Sprintf("prefetch %d", prefetch), func(t *testing.T) {
			top := workTopology(t)
			c := start(t, uri, top, nil)
			t.Cleanup(func() { deleteTopology(t, uri, top) })
			got := make(chan string, 1000)
			ctx, cancel := context.WithCancel(t.Context())
			var consuming sync.WaitGroup
			consuming.Go(func() {
				_ = c.Consume(ctx, messaging.Subscription{Queue: top.Queues[1].Name, Concurrency: 2, Prefetch: prefetch}, func(_ context.Context, d messaging.Delivery) error {
					got <- d.ID
					return nil
				})
			})
			defer consuming.Wait()
			defer cancel()
			arrives := func(id string) {
				t.Helper()
				testenv.Eventually(t, time.Minute, func() error {
					if err := c.Publish(t.Context(), command(top, id)); err != nil {
						return err
					}
					select {
					case <-got:
						return nil
					case <-time.After(time.Second):
						return errors.New("the consumer gets nothing")
					}
				})
			}
			arrives("before")
			deleteQueue(t, uri, top.Queues[1].Name)
			arrives("after")
		})
	}
}

func TestObserverCounts(t *testing.T) {
	uri := testenv.AMQP(t)
	top := workTopology(t)
	queue := top.Queues[1].Name
	var mu sync.Mutex
	counts := map[string]int{}
	count := func(what ...string) {
		mu.Lock()
		defer mu.Unlock()
		counts[strings.Join(what, " ")]++
	}
	c := start(t, uri, top, func(cfg *rabbit.Config) {
		cfg.Observer = rabbit.Observer{
			Connected:    func(role string, epoch uint64) { count("connected", role, fmt.Sprint(epoch)) },
			Published:    func(outcome string) { count("published", outcome) },
			Returned:     func(_, key string) { count("returned", key) },
			Delivered:    func(q string) { count("delivered", q) },
			Parked:       func(q, code string) { count("parked", q, code) },
			HandlerError: func(q, class string) { count("error", q, class) },
		}
	})
	t.Cleanup(func() { deleteTopology(t, uri, top) })
	astray := command(top, "astray")
	astray.RoutingKey = "nowhere"
	if err := c.Publish(t.Context(), command(top, "good"), command(top, "bad"), command(top, "explosive"), astray); !errors.Is(err, messaging.ErrUnroutable) {
		t.Fatalf("Publish = %v, want ErrUnroutable for one", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	exploded := false
	err := c.Consume(ctx, messaging.Subscription{Queue: queue, Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
		switch {
		case d.ID == "bad":
			return fault.New(fault.CodeMessageMalformed, "")
		case d.ID == "explosive" && !exploded:
			exploded = true
			panic("handler is broken")
		case d.ID == "explosive":
			cancel()
		}
		return nil
	})
	if err != nil {
		t.Fatalf("Consume = %v, want nil", err)
	}
	mu.Lock()
	defer mu.Unlock()
	for what, want := range map[string]int{
		"connected publish 1": 1, "connected consume 1": 1,
		// The fourth is the copy that goes to the parking queue.
		"published confirmed": 4, "published unroutable": 1, "returned nowhere": 1,
		"delivered " + queue: 3, "parked " + queue + " message_malformed": 1,
		"error " + queue + " invalid": 1, "error " + queue + " panic": 1,
	} {
		if counts[what] != want {
			t.Errorf("%s: counted %d, want %d (all: %v)", what, counts[what], want, counts)
		}
	}
}
