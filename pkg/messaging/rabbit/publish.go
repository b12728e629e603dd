package rabbit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reelmill/reelmill/pkg/messaging"
)

var (
	errConfirmTimeout = errors.New("no confirm in time")
	errWaitExpired    = errors.New("waited for a connection in vain")
)

// Publish implements messaging.Publisher. It waits up to Config.PublishWait for a connection that takes
// messages and up to Config.ConfirmTimeout for the answers, or until ctx ends, whichever is first; it never
// waits longer than both together.
func (c *Client) Publish(ctx context.Context, messages ...messaging.Message) error {
	if len(messages) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.PublishWait+c.cfg.ConfirmTimeout, errConfirmTimeout)
	defer cancel()
	b := newBatch(messages)
	for i, m := range messages {
		if err := c.check(m); err != nil {
			b.finish(i, err)
		}
	}
	c.hand(ctx, b)
	select {
	case <-b.done:
	case <-ctx.Done():
		b.abandon(context.Cause(ctx))
	}
	for _, err := range b.errs {
		c.cfg.Observer.published(outcome(err))
	}
	return b.result()
}

// check refuses what must not be sent.
func (c *Client) check(m messaging.Message) error {
	if len(m.Body) > messaging.MaxBodyBytes {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", messaging.ErrTooLarge, len(m.Body), messaging.MaxBodyBytes)
	}
	// The default exchange exists always and routes to the queue that the key names.
	if _, known := c.exchanges[m.Exchange]; !known && m.Exchange != "" {
		return fmt.Errorf("%w: exchange %q is not part of the topology", messaging.ErrUnroutable, m.Exchange)
	}
	return nil
}

// hand gives the batch to a session's sender, or finishes it.
func (c *Client) hand(ctx context.Context, b *batch) {
	wait, cancel := context.WithTimeoutCause(ctx, c.cfg.PublishWait, errWaitExpired)
	defer cancel()
	for !b.finished() {
		s, err := c.taking(wait)
		if err != nil {
			cause := fmt.Errorf("%w: %w", messaging.ErrDisconnected, err)
			for i := range b.messages {
				b.finish(i, cause)
			}
			return
		}
		select {
		case s.pub.batches <- b:
			return
		case <-s.pub.closing:
		case <-s.done:
		case <-ctx.Done():
			return
		}
	}
}

// taking waits for a session through which the broker takes messages.
func (c *Client) taking(ctx context.Context) (*session, error) {
	for {
		s, err := c.publish.session(ctx, true)
		if err != nil {
			return nil, err
		}
		unblocked, reason := s.blocked()
		select {
		case <-unblocked:
			return s, nil
		default:
		}
		select {
		case <-unblocked:
		case <-s.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("blocked by the broker (%s): %w", reason, context.Cause(ctx))
		}
	}
}

// outcome names the result of one message for the observer.
func outcome(err error) string {
	switch {
	case err == nil:
		return OutcomeConfirmed
	case errors.Is(err, messaging.ErrUnroutable):
		return OutcomeUnroutable
	case errors.Is(err, messaging.ErrRefused):
		return OutcomeRefused
	case errors.Is(err, messaging.ErrUnconfirmed):
		return OutcomeUnconfirmed
	case errors.Is(err, messaging.ErrDisconnected):
		return OutcomeDisconnected
	case errors.Is(err, messaging.ErrTooLarge):
		return OutcomeTooLarge
	default:
		return OutcomeAbandoned
	}
}

// waitTimeout waits for done, at most for d; it reports whether done came.
func waitTimeout(done <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}
