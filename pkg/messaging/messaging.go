// Package messaging is the port to the message broker. A message here is a hint: the truth lies in the
// database, every consumer tolerates a message that comes twice, late, out of order or never, and the
// sweeper finds what a lost one left undone. What the port does promise: a Publish that returned nil was
// taken over by the broker, for a queue, on disk where the broker is durable.
//
// Adapters are rabbit (RabbitMQ 3.10 to 4.x) and membroker (one process, in memory); both pass the suite
// in messagingtest.
package messaging

import (
	"context"
	"errors"
	"time"
)

// Errors of Publish, for each message. Test with errors.Is. A message that was not sent because ctx ended
// first carries the context's error alone; one whose answer did not come in time carries both it and
// ErrUnconfirmed.
var (
	// ErrUnroutable means that the broker had no queue for a message that was marked mandatory, or that
	// its exchange is not part of the topology. It is sent again when the topology is mended; nothing
	// was queued.
	ErrUnroutable = errors.New("message is unroutable")
	// ErrUnconfirmed means that the broker's answer is missing: the message may be queued or not.
	ErrUnconfirmed = errors.New("message is unconfirmed")
	// ErrRefused means that the broker declined the message (a full queue, say); nothing was queued.
	ErrRefused = errors.New("message was refused")
	// ErrTooLarge means that the body exceeds MaxBodyBytes; nothing was sent.
	ErrTooLarge = errors.New("message is too large")
	// ErrDisconnected means that there is no connection now, or that the broker takes nothing in through
	// it because it is short of memory or disk; nothing was sent.
	ErrDisconnected = errors.New("broker is not connected")
)

// MaxBodyBytes is the largest body of a message: messages carry references, never media.
const MaxBodyBytes = 64 << 10

// Message is a message as the port sees it. Body and Headers are not changed by the port.
type Message struct {
	// ID identifies the message: the same fact published twice has the same id.
	ID string
	// Exchange and RoutingKey say where it goes.
	Exchange   string
	RoutingKey string
	// Type is the envelope's type ("reelmill.thumbnail.generate.v1"); CorrelationID the job's id.
	Type          string
	CorrelationID string
	ContentType   string
	// Time is when the message was made. It travels in whole seconds.
	Time time.Time
	// Headers are strings by lower-case name: trace context and what a parked message says of its death.
	Headers map[string]string
	Body    []byte
	// Mandatory asks for ErrUnroutable where no queue is bound. Public events are not mandatory.
	Mandatory bool
}

// Publisher hands messages to the broker. It may be used concurrently.
type Publisher interface {
	// Publish sends the messages in order and waits until the broker has answered for each, or ctx
	// ends. It returns nil when every one was taken over (confirmed and not returned), and otherwise a
	// *PublishError. Whoever calls again sends the failed ones again under the same ids.
	Publish(ctx context.Context, batch ...Message) error
}

// PublishError says which messages of a batch failed.
type PublishError struct {
	// Errs has one entry for each message of the batch, in order; nil for those taken over.
	Errs []error
}

// Error returns the distinct errors.
func (e *PublishError) Error() string { return errors.Join(e.Errs...).Error() }

// Unwrap returns the errors of the messages that failed.
func (e *PublishError) Unwrap() []error {
	var errs []error
	for _, err := range e.Errs {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Delivery is a message that a queue gave to a handler.
type Delivery struct {
	Message
	// Redelivered says that the broker gave this message out before.
	Redelivered bool
	// Ack settles the delivery as done: the broker forgets it. It returns an error when the connection
	// that brought it is gone; the message then comes again. Acking twice is harmless. It is only
	// needed by handlers that go on working after they have settled; for others returning nil does it.
	Ack func(ctx context.Context) error
}

// Handler handles one delivery. What it returns settles the delivery if it has not acked:
//   - nil: done.
//   - an error of class Invalid, Permanent, NotFound or Conflict: the message is parked, after this
//     one delivery, in its queue's parking queue, with the error's code and detail in the headers
//     HeaderParkCode and HeaderParkReason.
//   - any other error: what the handler depends on is down. The consumer stops taking messages, backs
//     off, and tries this delivery again; it takes messages again as soon as the handler acks or
//     returns nil. When that does not happen within the subscription's HoldLimit the delivery is given
//     back to the queue.
//
// A panic counts as a Transient error. ctx ends when the consumer must let go of the work.
type Handler func(ctx context.Context, d Delivery) error

// Headers that parked messages carry: why (code and reason of the error), from which queue, when, and
// where the message was first published to, which is where Redrive sends it.
const (
	HeaderParkCode       = "x-park-code"
	HeaderParkReason     = "x-park-reason"
	HeaderParkQueue      = "x-park-queue"
	HeaderParkTime       = "x-park-time"
	HeaderParkExchange   = "x-park-exchange"
	HeaderParkRoutingKey = "x-park-routing-key"
)

// Subscription says what a consumer takes and how.
type Subscription struct {
	Queue string
	// Concurrency is how many handlers may run at a time; at least 1.
	Concurrency int
	// Prefetch is how many messages may wait in the client for a free handler. With 0 none do: a
	// message is taken from the queue only when a handler is free for it, so a handler may ack at once
	// and then work for hours while later messages stay in the queue for others. With more than 0 a
	// handler should return soon after it has acked: what it acked frees room for one more to wait.
	Prefetch int
	// HoldLimit bounds how long a delivery is held through Transient errors; 0 means 20 s. It must stay
	// below the broker's acknowledgement timeout.
	HoldLimit time.Duration
	// DrainTimeout is how long handlers may go on after ctx of Consume ended; 0 means that they are
	// told to stop at once.
	DrainTimeout time.Duration
}

// Consumer takes messages from queues.
type Consumer interface {
	// Consume gives the queue's messages to handle until ctx ends, through any number of lost
	// connections, then stops taking messages, waits for running handlers (see DrainTimeout) and
	// returns nil. It returns an error only for a subscription that is not valid.
	Consume(ctx context.Context, sub Subscription, handle Handler) error
	// Listen gives a copy of every message that is published to the exchange under the routing key
	// pattern (as topic exchanges match) from now on, to this listener alone. Nothing is kept for a
	// listener that is away: messages may be missed, so they may only speed up what happens anyway.
	// Deliveries need no ack; errors are ignored. It returns as Consume does.
	Listen(ctx context.Context, exchange, pattern string, handle func(ctx context.Context, m Message)) error
}

// Parked is a message that lies in a parking queue. Its Exchange and RoutingKey are those that it was
// first published to, where they are known.
type Parked struct {
	Message
	// Code and Reason say why it was parked; empty where the broker itself parked it.
	Code   string
	Reason string
}

// Lot looks into parking queues and takes messages out of them. It is for operators: it is exclusive
// while it runs, slow on long queues, and leaves what it is not told to remove.
type Lot interface {
	// Inspect returns up to limit parked messages, oldest first, and leaves them where they are.
	Inspect(ctx context.Context, queue string, limit int) ([]Parked, error)
	// Redrive publishes the parked message of that id to where it first went, with its death headers
	// taken off, and removes it once the broker confirmed. ErrNotParked where there is none.
	Redrive(ctx context.Context, queue, id string) error
	// Discard removes the parked message of that id. ErrNotParked where there is none.
	Discard(ctx context.Context, queue, id string) error
}

// ErrNotParked means that no message of that id lies in the parking queue.
var ErrNotParked = errors.New("message is not parked")

// ExchangeKind is how an exchange routes.
type ExchangeKind string

// The kinds of exchange in use.
const (
	Direct ExchangeKind = "direct"
	Topic  ExchangeKind = "topic"
)

// Exchange declares a durable exchange.
type Exchange struct {
	Name string
	Kind ExchangeKind
}

// Queue declares a durable queue and its binding. Arguments of a queue never change under one name:
// a change is a new name.
type Queue struct {
	Name string
	// Exchange and RoutingKey are what the queue is bound to.
	Exchange   string
	RoutingKey string
	// ParkExchange and ParkRoutingKey are where messages go that cannot be handled, or that were given
	// out DeliveryLimit times in vain. Empty for parking queues themselves, which end there.
	ParkExchange   string
	ParkRoutingKey string
	// DeliveryLimit is how often the broker gives a message out before it parks it: at least 1, or 0 for
	// parking queues. Only deliveries that were given back or lost count.
	DeliveryLimit int
}

// Topology is everything that must exist at the broker. Adapters declare it at every connect, before
// anything is published or consumed.
type Topology struct {
	Exchanges []Exchange
	Queues    []Queue
}
