// Package messagingtest holds what tests of messaging and of its users need: the suite that every adapter
// passes (Run, and RunFaults for brokers that can be disturbed), Chaos, which delivers as badly as the port
// allows, and Faulty, which lets single calls fail.
package messagingtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/pkg/messaging"
)

// Client is what one process has of a broker.
type Client interface {
	messaging.Publisher
	messaging.Consumer
	messaging.Lot
}

// Connect returns a new client of the broker under test, which is closed when t ends.
type Connect func(t *testing.T) Client

// Open prepares a broker that has the topology, whose names no other test uses, until t ends.
type Open func(t *testing.T, topology messaging.Topology) Connect

// Features says what the suite can expect of a broker beyond the port.
type Features struct {
	// AckTimeout is the broker's limit for unsettled deliveries where it is short enough (below 10 s) to be
	// waited for; 0 means that there is none.
	AckTimeout time.Duration
}

// patience is how long the suite waits for what must happen; it is only used up by failures.
const patience = 60 * time.Second

// deliveryLimit is that of the work queue of the suite's topology.
const deliveryLimit = 3

// Run runs the suite against a broker.
func Run(t *testing.T, features Features, open Open) {
	tests := map[string]func(*testing.T, Connect, names){
		"a message arrives whole":                             arrivesWhole,
		"order is kept for a single handler":                  orderIsKept,
		"concurrent publishers lose nothing":                  concurrentPublishers,
		"a mandatory message without a queue is unroutable":   mandatoryUnroutable,
		"other messages need no queue":                        optionalUnroutable,
		"an unknown exchange is unroutable":                   unknownExchange,
		"each message of a batch has its own result":          batchResults,
		"nothing is sent after the context ended":             publishAfterEnd,
		"concurrency is bounded and used":                     concurrencyBounded,
		"settled messages do not come again":                  settledStaySettled,
		"a handler may ack and go on working":                 ackThenWork,
		"messages that cannot be handled are parked at once":  poisonParked,
		"every class that is not transient parks":             classesPark,
		"a transient error is retried on the same delivery":   transientRetried,
		"a consumer in trouble takes no further messages":     troubleStopsIntake,
		"a delivery is given back after its hold limit":       givenBackAfterHold,
		"a panic is a transient error":                        panicIsTransient,
		"a message that fails too often is parked":            deliveryLimitParks,
		"what a stopped consumer held is given out again":     redeliveredAfterStop,
		"a consumer drains before it returns":                 drains,
		"a handler is cut off when the drain time-out passes": drainExpires,
		"subscriptions that are not valid are refused":        invalidSubscriptions,
		"every listener hears what matches":                   listenersHear,
		"inspecting leaves messages where they are":           inspectLeaves,
		"a parked message can be redriven":                    redrive,
		"a parked message can be discarded":                   discard,
	}
	for _, name := range slices.Sorted(keys(tests)) {
		t.Run(name, func(t *testing.T) {
			top, n := newTopology(t)
			tests[name](t, open(t, top), n)
		})
	}
	t.Run("without prefetch nothing waits in the client", func(t *testing.T) {
		top, n := newTopology(t)
		noPrefetch(t, features, open(t, top), n)
	})
	t.Run("no goroutine is left behind", func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		t.Run("use", func(t *testing.T) {
			top, n := newTopology(t)
			arrivesWhole(t, open(t, top), n)
		})
		goleak.VerifyNone(t, before)
	})
}

func keys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// names are the names of a topology of the suite.
type names struct {
	cmd, event, park string // exchanges
	key, parkKey     string
	queue, lot       string
}

// newTopology returns one work queue with its parking queue, and a topic exchange.
func newTopology(t *testing.T) (messaging.Topology, names) {
	p := testenv.UniqueName(t, "messagingtest")
	n := names{cmd: p + ".cmd", event: p + ".event", park: p + ".park", key: "work.v1", parkKey: "parked.v1", queue: p + ".work.v1", lot: p + ".parked.v1"}
	return messaging.Topology{
		Exchanges: []messaging.Exchange{{Name: n.cmd, Kind: messaging.Direct}, {Name: n.event, Kind: messaging.Topic}, {Name: n.park, Kind: messaging.Direct}},
		Queues: []messaging.Queue{
			{Name: n.lot, Exchange: n.park, RoutingKey: n.parkKey},
			{Name: n.queue, Exchange: n.cmd, RoutingKey: n.key, ParkExchange: n.park, ParkRoutingKey: n.parkKey, DeliveryLimit: deliveryLimit},
		},
	}, n
}

// work returns a command of that id.
func (n names) work(id string) messaging.Message {
	return messaging.Message{
		ID: id, Exchange: n.cmd, RoutingKey: n.key, Type: "test.work.v1", CorrelationID: "job-" + id,
		ContentType: "application/json", Time: time.Now().Truncate(time.Second), Mandatory: true,
		Headers: map[string]string{"traceparent": "00-" + id}, Body: []byte(`{"id":"` + id + `"}`),
	}
}

// works returns count commands.
func (n names) works(count int) []messaging.Message {
	var batch []messaging.Message
	for i := range count {
		batch = append(batch, n.work(fmt.Sprintf("m%04d", i)))
	}
	return batch
}

// publish publishes and fails the test if that fails.
func publish(t *testing.T, p messaging.Publisher, batch ...messaging.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Publish(ctx, batch...); err != nil {
		t.Fatalf("Publish: %v", err)
	}
}

// consume runs a consumer until stop is called or t ends; stop waits for it.
func consume(t *testing.T, c messaging.Consumer, sub messaging.Subscription, handle messaging.Handler) (stop func()) {
	t.Helper()
	return background(t, "Consume", func(ctx context.Context) error { return c.Consume(ctx, sub, handle) })
}

// background runs do, which must return nil after its context ended.
func background(t *testing.T, what string, do func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- do(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("%s = %v, want nil after its context ended", what, err)
			}
		case <-time.After(patience):
			t.Errorf("%s did not return %v after its context ended", what, patience)
		}
	})
	t.Cleanup(stop)
	return stop
}

// next waits for a value.
func next[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
		panic("unreachable")
	}
}

// eventually polls until check returns nil.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	testenv.Eventually(t, patience, check)
}

// parked waits until count messages are parked and returns them.
func parked(t *testing.T, lot messaging.Lot, queue string, count int) []messaging.Parked {
	t.Helper()
	var got []messaging.Parked
	eventually(t, func() (err error) {
		if got, err = lot.Inspect(t.Context(), queue, count+10); err != nil {
			return err
		}
		if len(got) != count {
			return fmt.Errorf("%d messages are parked, want %d", len(got), count)
		}
		return nil
	})
	return got
}

// errDown is what a handler returns whose dependency is down.
var errDown = errors.New("dependency is down")
