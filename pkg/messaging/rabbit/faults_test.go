package rabbit_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/messagingtest"
	"github.com/reelmill/reelmill/pkg/messaging/rabbit"
)

// impatient makes a client's limits short enough to be waited for.
func impatient(cfg *rabbit.Config) {
	cfg.WriteTimeout = 2 * time.Second
	cfg.CallTimeout = 5 * time.Second
	cfg.ConfirmTimeout = 4 * time.Second
	cfg.PublishWait = 2 * time.Second
}

// publishLimit is the two limits of impatient that bound a publish, and a second for a busy machine.
var publishLimit = messagingtest.Limits{Publish: 7 * time.Second}

// server lets the suite control RabbitMQ.
type server struct{ *testenv.Controller }

// Kill implements messagingtest.Server. The suite's queues are younger than RabbitMQ 3.10 needs to survive it.
func (s server) Kill(ctx context.Context) error {
	if err := s.SaveQueues(ctx); err != nil {
		return err
	}
	return s.KillRabbitMQ(ctx)
}

func (s server) Start(ctx context.Context) error { return s.StartRabbitMQ(ctx) }

func TestServerFaults(t *testing.T) {
	control := testenv.Control(t, testenv.ServerRabbitMQ)
	uri := testenv.AMQP(t)
	messagingtest.RunServerFaults(t, server{control}, publishLimit, func(t *testing.T, top messaging.Topology) messagingtest.Connect {
		return open(t, uri, top, impatient)
	})
}

// network lets the suite disturb the way to RabbitMQ.
type network struct{ proxy *testenv.Proxy }

func (n network) BlackHole(ctx context.Context) error {
	if err := n.proxy.AddToxic(ctx, testenv.Toxic{Type: "timeout", Stream: testenv.Upstream, Attributes: map[string]any{"timeout": 0}}); err != nil {
		return err
	}
	return n.proxy.AddToxic(ctx, testenv.Toxic{Type: "timeout", Stream: testenv.Downstream, Attributes: map[string]any{"timeout": 0}})
}

func (n network) Stall(ctx context.Context) error {
	return n.proxy.AddToxic(ctx, testenv.Toxic{Type: "bandwidth", Stream: testenv.Upstream, Attributes: map[string]any{"rate": 0}})
}

func (n network) Reset(ctx context.Context) error {
	return n.proxy.AddToxic(ctx, testenv.Toxic{Type: "reset_peer", Attributes: map[string]any{"timeout": 0}})
}

func (n network) Heal(ctx context.Context) error { return n.proxy.RemoveToxics(ctx) }

func TestNetworkFaults(t *testing.T) {
	uri := testenv.AMQP(t)
	parsed, err := url.Parse(uri)
	if err != nil {
		t.Fatal("the test broker's URI is not valid")
	}
	proxy := testenv.NewProxy(t, "rabbit", parsed.Host)
	parsed.Host = proxy.Addr
	messagingtest.RunNetworkFaults(t, network{proxy}, publishLimit, func(t *testing.T, top messaging.Topology) messagingtest.Connect {
		t.Cleanup(func() { deleteTopology(t, uri, top) })
		return func(t *testing.T) messagingtest.Client { return ready(t, start(t, parsed.String(), top, impatient)) }
	})
}
