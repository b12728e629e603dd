// Package membroker is the messaging port in one process, in memory: exchanges, queues, redelivery, delivery
// limits and parking as the topology says, without a broker. A restart loses what is queued, which costs the
// hints only: truth lies in the database.
//
// It waits on channels and timers alone and starts no goroutine that outlives a call, so it works inside
// testing/synctest. A message waits in no client: Subscription.Prefetch makes no difference.
package membroker

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/reelmill/reelmill/pkg/messaging"
)

var (
	_ messaging.Publisher = (*Broker)(nil)
	_ messaging.Consumer  = (*Broker)(nil)
	_ messaging.Lot       = (*Broker)(nil)
)

// DefaultQueueLimit is how many messages a queue holds unless Config says otherwise: far more than a
// process has tasks, far less than its memory.
const DefaultQueueLimit = 100_000

// Config tunes a broker; zero values mean the defaults.
type Config struct {
	// QueueLimit is how many messages a queue holds before it refuses more.
	QueueLimit int
	// Log gets panics of handlers; nil discards them.
	Log *slog.Logger
}

// Broker implements the messaging ports. It may be used concurrently, also by several consumers of one
// queue, which share its messages.
type Broker struct {
	top   messaging.Topology
	limit int
	log   *slog.Logger

	mu        sync.Mutex // guards everything below and in queues; never held while waiting
	closed    bool
	exchanges map[string]messaging.Exchange
	queues    map[string]*queue
	listeners map[*listener]struct{}
}

// New returns a broker with that topology, or an error if the topology is not valid.
func New(top messaging.Topology, cfg Config) (*Broker, error) {
	if err := top.Validate(); err != nil {
		return nil, err
	}
	b := &Broker{
		top: top, limit: cfg.QueueLimit, log: cfg.Log, exchanges: map[string]messaging.Exchange{},
		queues: map[string]*queue{}, listeners: map[*listener]struct{}{},
	}
	if b.limit == 0 {
		b.limit = DefaultQueueLimit
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	for _, e := range top.Exchanges {
		b.exchanges[e.Name] = e
	}
	for _, q := range top.Queues {
		b.queues[q.Name] = &queue{def: q}
	}
	return b, nil
}

// Close makes every later Publish fail with ErrDisconnected. Consumers end with their contexts, as always.
func (b *Broker) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

// Publish implements messaging.Publisher. It does not wait.
func (b *Broker) Publish(ctx context.Context, batch ...messaging.Message) error {
	errs := make([]error, len(batch))
	failed := false
	for i, m := range batch {
		errs[i] = b.publish(ctx, m)
		failed = failed || errs[i] != nil
	}
	if failed {
		return &messaging.PublishError{Errs: errs}
	}
	return nil
}

func (b *Broker) publish(ctx context.Context, m messaging.Message) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("message was not sent: %w", context.Cause(ctx))
	}
	if len(m.Body) > messaging.MaxBodyBytes {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", messaging.ErrTooLarge, len(m.Body), messaging.MaxBodyBytes)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return fmt.Errorf("%w: broker is closed", messaging.ErrDisconnected)
	}
	if _, known := b.exchanges[m.Exchange]; !known && m.Exchange != "" {
		return fmt.Errorf("%w: exchange %q is not part of the topology", messaging.ErrUnroutable, m.Exchange)
	}
	return b.route(m)
}

// route puts copies of m into every queue that is bound for it. It must be called with mu held.
func (b *Broker) route(m messaging.Message) error {
	var targets []*queue
	for _, def := range b.top.Queues { // in the order of the topology, not of a map
		if b.matches(m, def.Exchange, def.RoutingKey) || m.Exchange == "" && m.RoutingKey == def.Name {
			targets = append(targets, b.queues[def.Name])
		}
	}
	for _, q := range targets {
		if q.length() >= b.limit {
			return fmt.Errorf("%w: queue %s is full", messaging.ErrRefused, q.def.Name)
		}
	}
	for _, q := range targets {
		q.push(&entry{message: clone(m)})
	}
	heard := false
	for l := range b.listeners {
		if b.matches(m, l.exchange, l.pattern) {
			heard = true
			l.offer(clone(m))
		}
	}
	if m.Mandatory && len(targets) == 0 && !heard {
		return fmt.Errorf("%w: no queue for key %q of exchange %q", messaging.ErrUnroutable, m.RoutingKey, m.Exchange)
	}
	return nil
}

// matches reports whether a binding of that exchange under that key takes m.
func (b *Broker) matches(m messaging.Message, exchange, key string) bool {
	if m.Exchange != exchange {
		return false
	}
	if b.exchanges[exchange].Kind == messaging.Topic {
		return topicMatches(key, m.RoutingKey)
	}
	return key == m.RoutingKey
}

// clone copies what callers could still change.
func clone(m messaging.Message) messaging.Message {
	m.Body = slices.Clone(m.Body)
	m.Headers = maps.Clone(m.Headers)
	if m.Headers == nil {
		m.Headers = map[string]string{}
	}
	return m
}
