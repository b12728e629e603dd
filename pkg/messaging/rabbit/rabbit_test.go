package rabbit_test

import (
	"context"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/messagingtest"
	"github.com/reelmill/reelmill/pkg/messaging/rabbit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ackTimeout is that of the test broker.
const ackTimeout = 5 * time.Second

func TestConformance(t *testing.T) {
	uri := testenv.AMQP(t)
	messagingtest.Run(t, messagingtest.Features{AckTimeout: ackTimeout}, func(t *testing.T, top messaging.Topology) messagingtest.Connect {
		return open(t, uri, top, nil)
	})
}

// open returns clients with that topology, which is deleted when t ends; adjust may change their
// configuration.
func open(t testing.TB, uri string, top messaging.Topology, adjust func(*rabbit.Config)) messagingtest.Connect {
	t.Helper()
	t.Cleanup(func() { deleteTopology(t, uri, top) })
	return func(t *testing.T) messagingtest.Client { return ready(t, start(t, uri, top, adjust)) }
}

// ready waits until c is connected: so the queues of a test are created by its first client alone. What
// others publish while they are being created may be refused.
func ready(t testing.TB, c *rabbit.Client) *rabbit.Client {
	t.Helper()
	testenv.Eventually(t, time.Minute, func() error { return c.Ready(t.Context()) })
	return c
}

// start returns a running client that is stopped when t ends.
func start(t testing.TB, uri string, top messaging.Topology, adjust func(*rabbit.Config)) *rabbit.Client {
	t.Helper()
	cfg := rabbit.Config{URLs: []string{uri}, Topology: top, Service: "test", Instance: t.Name()}
	if adjust != nil {
		adjust(&cfg)
	}
	c, err := rabbit.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if got := c.State(); got != rabbit.Closed {
			t.Errorf("State = %v after Run returned, want closed", got)
		}
	})
	return c
}

// deleteTopology removes what a test made at the broker.
func deleteTopology(t testing.TB, uri string, top messaging.Topology) {
	conn, err := amqp.Dial(uri)
	if err != nil {
		t.Errorf("clean up: %v", err)
		return
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		t.Errorf("clean up: %v", err)
		return
	}
	for _, q := range top.Queues {
		if _, err := ch.QueueDelete(q.Name, false, false, false); err != nil {
			t.Errorf("delete queue %s: %v", q.Name, err)
		}
	}
	for _, e := range top.Exchanges {
		if err := ch.ExchangeDelete(e.Name, false, false); err != nil {
			t.Errorf("delete exchange %s: %v", e.Name, err)
		}
	}
}

// deleteQueue deletes one queue with what it holds.
func deleteQueue(t testing.TB, uri, name string) {
	t.Helper()
	conn, err := amqp.Dial(uri)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDelete(name, false, false, false); err != nil {
		t.Fatal(err)
	}
}
