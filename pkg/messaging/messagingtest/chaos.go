package messagingtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/reelmill/reelmill/pkg/messaging"
)

// ChaosConfig says how badly messages are delivered.
type ChaosConfig struct {
	// Seed makes a run repeatable, as far as its publishers come in the same order.
	Seed uint64
	// Copies is how often each message is sent; 0 means 3.
	Copies int
	// Window is how many copies are held back to be shuffled; 0 means 8.
	Window int
	// Drop is the share of messages, in [0, 1), of which no copy is ever sent.
	Drop float64
}

// Chaos is a Publisher that does what the port allows to happen to messages: they come several times, late,
// out of order or never. Copies of one message are shuffled as well. What is held back goes out with later
// messages, by Flush, or, while Run runs, after a while. It may be used concurrently.
type Chaos struct {
	next messaging.Publisher
	cfg  ChaosConfig

	mu   sync.Mutex
	rand *rand.Rand
	held []messaging.Message
}

var _ messaging.Publisher = (*Chaos)(nil)

// NewChaos returns a Chaos in front of next.
func NewChaos(next messaging.Publisher, cfg ChaosConfig) *Chaos {
	if cfg.Copies == 0 {
		cfg.Copies = 3
	}
	if cfg.Window == 0 {
		cfg.Window = 8
	}
	return &Chaos{next: next, cfg: cfg, rand: rand.New(rand.NewPCG(cfg.Seed, 0))}
}

// Publish takes the batch and sends as many of all held copies, drawn by lot, as are more than the window. It
// returns nil whatever becomes of those: a publisher that is told of a failure sends again, and Chaos is
// there to make messages fail that nobody was told of.
func (c *Chaos) Publish(ctx context.Context, batch ...messaging.Message) error {
	c.mu.Lock()
	for _, m := range batch {
		if c.rand.Float64() >= c.cfg.Drop {
			for range c.cfg.Copies {
				c.held = append(c.held, m)
			}
		}
	}
	due := c.draw(c.cfg.Window)
	c.mu.Unlock()
	_ = c.send(ctx, due)
	return nil
}

// draw takes copies out by lot until no more than keep are held. It must be called with mu held.
func (c *Chaos) draw(keep int) []messaging.Message {
	c.rand.Shuffle(len(c.held), func(i, j int) { c.held[i], c.held[j] = c.held[j], c.held[i] })
	count := max(len(c.held)-keep, 0)
	due := slices.Clone(c.held[:count])
	c.held = slices.Delete(c.held, 0, count)
	return due
}

// send publishes copies one by one: one that fails does not take others with it.
func (c *Chaos) send(ctx context.Context, due []messaging.Message) error {
	var errs []error
	for _, m := range due {
		errs = append(errs, c.next.Publish(ctx, m))
	}
	return errors.Join(errs...)
}

// Flush sends what is held back and returns the errors of those sends.
func (c *Chaos) Flush(ctx context.Context) error {
	c.mu.Lock()
	due := c.draw(0)
	c.mu.Unlock()
	return c.send(ctx, due)
}

// Run flushes at that interval until ctx ends and returns nil. Messages whose sending failed are dropped,
// as the port allows.
func (c *Chaos) Run(ctx context.Context, every time.Duration) error {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			_ = c.Flush(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}
