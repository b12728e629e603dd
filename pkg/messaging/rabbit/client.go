// Package rabbit is the messaging port on RabbitMQ 3.10 to 4.x.
//
// A Client keeps two connections open, one for publishing and one for consuming, because a broker that is
// short of memory blocks connections that publish: acknowledgements must go on. Each connection is
// supervised by itself. When one is lost a new one is made, with full jitter between 0.2 and 15 seconds,
// for ever; the topology is declared on it before anything else, and publishers and consumers go on with
// new channels. Nothing of an ended connection is used again.
//
// The broker's own redelivery is no retry mechanism here: see messaging.Handler for what becomes of a
// message whose handler fails.
package rabbit

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/reelmill/reelmill/pkg/messaging"
)

var (
	_ messaging.Publisher = (*Client)(nil)
	_ messaging.Consumer  = (*Client)(nil)
	_ messaging.Lot       = (*Client)(nil)
)

// Client implements the messaging ports on RabbitMQ. It may be used concurrently.
type Client struct {
	cfg       Config
	exchanges map[string]messaging.Exchange
	queues    map[string]messaging.Queue
	publish   *link
	consume   *link
	// declaring is held while the topology is applied. Whoever finds a quorum queue that another connection
	// is just creating is told that it exists, but what it publishes is refused until the queue has started
	// (RabbitMQ 3.10: a tenth of the first messages of two bare connections, for up to 30 ms). The two
	// connections of a client must not do that to each other; between programs it is left to chance, and to
	// whoever publishes again.
	declaring chan struct{}

	mu      sync.Mutex
	version string
	tags    uint64
}

// New returns a client that connects when Run is called, or an error that names every problem of cfg.
func New(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("broker configuration: %w", err)
	}
	c := &Client{
		cfg: cfg, exchanges: map[string]messaging.Exchange{}, queues: map[string]messaging.Queue{},
		declaring: make(chan struct{}, 1),
	}
	for _, e := range cfg.Topology.Exchanges {
		c.exchanges[e.Name] = e
	}
	for _, q := range cfg.Topology.Queues {
		c.queues[q.Name] = q
	}
	c.publish = &link{role: RolePublish, client: c, stableOn: cfg.DialTimeout, changed: make(chan struct{})}
	c.publish.open = func(ctx context.Context, epoch uint64, attempt int) (*session, error) {
		return c.open(ctx, RolePublish, epoch, attempt, true)
	}
	c.publish.finish = func(s *session) { s.pub.drain(cfg.DrainTimeout) }
	c.consume = &link{role: RoleConsume, client: c, stableOn: cfg.DialTimeout, changed: make(chan struct{})}
	c.consume.open = func(ctx context.Context, epoch uint64, attempt int) (*session, error) {
		return c.open(ctx, RoleConsume, epoch, attempt, false)
	}
	c.consume.finish = func(*session) {}
	return c, nil
}

// Run keeps the client connected until ctx ends, then waits for outstanding confirms (see
// Config.DrainTimeout), closes both connections and returns nil. It must be called once. Let consumers end
// before: deliveries that they have not settled by then come again.
func (c *Client) Run(ctx context.Context) error {
	var links sync.WaitGroup
	links.Go(func() { c.publish.run(ctx) })
	links.Go(func() { c.consume.run(ctx) })
	links.Wait()
	return nil
}

// open connects and prepares a session: topology first, then, for the role to publish, confirms.
func (c *Client) open(ctx context.Context, role string, epoch uint64, attempt int, publishes bool) (*session, error) {
	url := c.cfg.URLs[attempt%len(c.cfg.URLs)]
	s, err := connect(ctx, c.cfg, url, role, epoch)
	if err != nil {
		return nil, err
	}
	// A shutdown must not wait for a broker that is slow to answer.
	stop := context.AfterFunc(ctx, func() { s.fail(context.Cause(ctx)) })
	defer stop()
	c.declaring <- struct{}{} // held for no longer than bounded calls take
	err = applyTopology(s, c.cfg.Topology, c.cfg.TopologyMode)
	<-c.declaring
	if err == nil && publishes {
		s.pub, err = newPublishing(s, c.cfg)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	c.mu.Lock()
	c.version = s.version()
	c.mu.Unlock()
	return s, nil
}

// State returns the lesser state of both connections: Open means that both are.
func (c *Client) State() State {
	p, _, _, _ := c.publish.look()
	q, _, _, _ := c.consume.look()
	if p == Closed && q == Closed {
		return Closed
	}
	if p == Closed || p == Draining || q == Closed || q == Draining {
		return Draining
	}
	return min(p, q)
}

// Ready returns nil when both connections are open, and otherwise why not. It does not wait. A broker that
// blocks publishers for lack of memory or disk is ready: what is to be published waits in the database.
func (c *Client) Ready(context.Context) error {
	var errs []error
	for _, l := range []*link{c.publish, c.consume} {
		if state, _, last, _ := l.look(); state != Open {
			errs = append(errs, fmt.Errorf("broker connection to %s is %v: %w", l.role, state, orElse(last, messaging.ErrDisconnected)))
		}
	}
	return errors.Join(errs...)
}

// ServerVersion returns the version that the broker told at the last connect, "" before the first.
func (c *Client) ServerVersion() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.version
}

// tag returns a consumer tag that this client has not used before: a cancelled consumer that still holds
// a message must not be mixed up with its successor.
func (c *Client) tag(queue string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tags++
	return fmt.Sprintf("%s/%s/%d", c.cfg.Service, queue, c.tags)
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
