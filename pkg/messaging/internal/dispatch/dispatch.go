// Package dispatch runs handlers for deliveries: it is the part of a consumer that is the same for every
// adapter. It bounds concurrency, settles by the class of the handler's error, holds deliveries while a
// dependency is down and drains. An adapter only says how one delivery is taken and settled.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/internal/backoff"
)

// DefaultHoldLimit stands for a subscription's HoldLimit of 0.
const DefaultHoldLimit = 20 * time.Second

// settleTimeout bounds how long a delivery is settled for: beyond it the broker's own time-outs act.
const settleTimeout = 15 * time.Second

// holdRetryMax bounds the waits between tries of a held delivery, so that it is tried several times within
// the usual hold limit.
const holdRetryMax = 5 * time.Second

// ErrDrainExpired is the cause of the end of a handler's context when its consumer's DrainTimeout passed.
var ErrDrainExpired = errors.New("drain time-out expired")

// Taken is a delivery that was taken from a queue and must be settled by exactly one of its functions.
type Taken struct {
	Message     messaging.Message
	Redelivered bool
	// At is when the client got it: it is held for the subscription's HoldLimit from then on.
	At time.Time
	// Lost is closed when it can no longer be settled because its connection is gone; nil means never.
	Lost <-chan struct{}
	// Ack settles it as done.
	Ack func(ctx context.Context) error
	// Park moves it to its parking queue; cause says why.
	Park func(ctx context.Context, cause error) error
	// GiveBack returns it to its queue. blame says that its handler failed, which counts towards the
	// queue's delivery limit at every broker.
	GiveBack func(ctx context.Context, blame bool) error
}

// Taker takes deliveries for one slot. It is used by one goroutine.
type Taker interface {
	// Take waits for a delivery until ctx ends, through any number of lost connections. When a delivery
	// came at the same time as ctx's end it returns the delivery.
	Take(ctx context.Context) (Taken, error)
	// Close lets go of what the taker holds at the broker. It is called after the last Take, when what
	// was taken is settled.
	Close()
}

// Hooks are told what happens; nil functions are left out. They must not block.
type Hooks struct {
	// Delivered is called before a delivery is first given to the handler.
	Delivered func()
	// Failed is called with each error that a handler returned, or a *PanicError.
	Failed func(err error)
	// Parked is called with the cause when a delivery was parked.
	Parked func(cause error)
	// Unsettled is called when a delivery could not be settled: it comes again.
	Unsettled func(err error)
}

// PanicError is what became of a handler's panic.
type PanicError struct {
	Value any
	Stack []byte
}

// Error returns the panic's value; the stack is for logs.
func (e *PanicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.Value) }

// Validate returns an error that names everything that is wrong with sub.
func Validate(sub messaging.Subscription) error {
	var errs []error
	if sub.Queue == "" {
		errs = append(errs, errors.New("queue is empty"))
	}
	if sub.Concurrency < 1 {
		errs = append(errs, fmt.Errorf("concurrency is %d, want at least 1", sub.Concurrency))
	}
	if sub.Prefetch < 0 || sub.HoldLimit < 0 || sub.DrainTimeout < 0 {
		errs = append(errs, errors.New("prefetch, hold limit and drain time-out must not be negative"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("subscription to %q: %w", sub.Queue, err)
	}
	return nil
}

// consumer is one running subscription.
type consumer struct {
	sub    messaging.Subscription
	handle messaging.Handler
	gate   *Gate
	hooks  Hooks
}

// Run gives deliveries to handle until ctx ends, then waits for running handlers and returns. sub must be
// valid. newTaker is called once for each slot.
func Run(ctx context.Context, sub messaging.Subscription, gate *Gate, newTaker func() Taker, handle messaging.Handler, hooks Hooks) {
	if sub.HoldLimit == 0 {
		sub.HoldLimit = DefaultHoldLimit
	}
	c := &consumer{sub: sub, handle: handle, gate: gate, hooks: hooks}
	work, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abort(nil)
	var slots, drain sync.WaitGroup
	finished := make(chan struct{})
	drain.Go(func() { c.cutOff(ctx, finished, abort) })
	for range sub.Concurrency {
		slots.Go(func() { c.slot(ctx, work, newTaker()) })
	}
	slots.Wait()
	close(finished)
	drain.Wait()
}

// cutOff ends the handlers' context when the drain time-out has passed since intake ended.
func (c *consumer) cutOff(intake context.Context, finished <-chan struct{}, abort context.CancelCauseFunc) {
	select {
	case <-intake.Done():
	case <-finished:
		return
	}
	t := time.NewTimer(c.sub.DrainTimeout)
	defer t.Stop()
	select {
	case <-t.C:
		abort(ErrDrainExpired)
	case <-finished:
	}
}

// slot takes and handles one delivery after the other.
func (c *consumer) slot(intake, work context.Context, taker Taker) {
	defer taker.Close()
	for {
		taken, err := c.take(intake, taker)
		switch {
		case err == nil:
			c.process(intake, work, taken)
		case intake.Err() != nil:
			return
		}
	}
}

// take waits for the gate and then for a delivery; it gives up when the gate shuts.
func (c *consumer) take(intake context.Context, taker Taker) (Taken, error) {
	if err := c.gate.wait(intake); err != nil {
		return Taken{}, err
	}
	ctx, stop := c.gate.whileOpen(intake)
	defer stop()
	return taker.Take(ctx)
}

// process handles one delivery until it is settled.
func (c *consumer) process(intake, work context.Context, taken Taken) {
	if intake.Err() != nil {
		c.settle(work, func(ctx context.Context) error { return taken.GiveBack(ctx, false) })
		return
	}
	call(c.hooks.Delivered)
	// A handler that acks has what it needs, however long it works from then on.
	acker := &acker{ack: taken.Ack, then: c.gate.succeeded}
	delivery := messaging.Delivery{Message: taken.Message, Redelivered: taken.Redelivered, Ack: acker.Ack}
	err := c.attempt(work, delivery)
	switch {
	case acker.settled():
	case err == nil:
		c.settle(work, acker.Ack)
	case parkable(err):
		c.park(work, taken, err)
	default:
		c.hold(intake, work, taken, delivery, acker)
	}
}

// hold tries a delivery again while its handler's dependency is down, with the gate shut until the handler acks
// or the delivery is settled.
func (c *consumer) hold(intake, work context.Context, taken Taken, delivery messaging.Delivery, acker *acker) {
	c.gate.raise()
	lower := sync.OnceFunc(c.gate.lower)
	defer lower()
	acker.onAck(func() { c.gate.succeeded(); lower() })
	limit := time.NewTimer(time.Until(taken.At.Add(c.sub.HoldLimit)))
	defer limit.Stop()
	for attempt := 0; ; attempt++ {
		switch c.pause(intake, taken.Lost, limit.C, attempt) {
		case tryAgain:
		case letGo:
			return
		case giveBack:
			c.settle(work, func(ctx context.Context) error { return taken.GiveBack(ctx, false) })
			return
		case giveUp:
			c.settle(work, func(ctx context.Context) error { return taken.GiveBack(ctx, true) })
			// The next message would most likely fail the same way: the pause keeps an outage from
			// eating up the delivery limits of the whole queue.
			backoff.Sleep(intake, backoff.Base+backoff.Full(c.gate.failed(), backoff.Base, backoff.Max))
			return
		}
		err := c.attempt(work, delivery)
		switch {
		case acker.settled():
			return
		case err == nil:
			c.settle(work, acker.Ack)
			return
		case parkable(err):
			c.park(work, taken, err)
			return
		}
	}
}

// verdict is what becomes of a held delivery.
type verdict uint8

const (
	tryAgain verdict = iota
	letGo            // it is lost already
	giveBack         // the consumer stops; nobody is to blame
	giveUp           // its handler failed for too long
)

// pause waits before the delivery is tried again.
func (c *consumer) pause(intake context.Context, lost <-chan struct{}, limit <-chan time.Time, attempt int) verdict {
	if intake.Err() != nil {
		return giveBack
	}
	retry := time.NewTimer(backoff.Full(attempt, backoff.Base, holdRetryMax))
	defer retry.Stop()
	select {
	case <-retry.C:
		return tryAgain
	case <-lost:
		return letGo
	case <-intake.Done():
		return giveBack
	case <-limit:
		return giveUp
	}
}

// attempt calls the handler; a panic becomes an error.
func (c *consumer) attempt(work context.Context, d messaging.Delivery) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
		if err != nil && c.hooks.Failed != nil {
			c.hooks.Failed(err)
		}
	}()
	return c.handle(work, d)
}

func (c *consumer) park(work context.Context, taken Taken, cause error) {
	if c.settle(work, func(ctx context.Context) error { return taken.Park(ctx, cause) }) && c.hooks.Parked != nil {
		c.hooks.Parked(cause)
	}
}

// settle runs do although the work may have been cut off: its outcome must not get lost. It reports
// whether do succeeded.
func (c *consumer) settle(work context.Context, do func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(work), settleTimeout)
	defer cancel()
	err := do(ctx)
	if err != nil && c.hooks.Unsettled != nil {
		c.hooks.Unsettled(err)
	}
	return err == nil
}

// parkable reports whether a message whose handler returned err can never be handled.
func parkable(err error) bool {
	switch fault.ClassOf(err) {
	case fault.Invalid, fault.Permanent, fault.NotFound, fault.Conflict:
		return true
	default:
		return false
	}
}

func call(hook func()) {
	if hook != nil {
		hook()
	}
}
