package messagingtest

import (
	"context"
	"fmt"

	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/messaging"
)

// Faulty returns a client that asks inject before each call of next what shall become of it. The operations
// are "publish", "inspect", "redrive", "discard" and, for each delivery, "ack"; Consume and Listen go on for
// ever and have no outcome to change. A publish that failed says so of every message of its batch; one that
// was done all the same says ErrUnconfirmed.
func Faulty(next Client, inject func(op string) faultinject.Kind) Client {
	return &faulty{next: next, inject: inject}
}

type faulty struct {
	next   Client
	inject func(op string) faultinject.Kind
}

// call runs do, or not, as the injector says.
func (f *faulty) call(ctx context.Context, op string, do func() error) error {
	switch kind := f.inject(op); kind {
	case faultinject.None:
		return do()
	case faultinject.Error:
		return fmt.Errorf("%s: %w", op, faultinject.ErrInjected)
	case faultinject.DidButError:
		_ = do() // its outcome is what the caller must not learn
		return fmt.Errorf("%s: %w", op, faultinject.ErrInjected)
	case faultinject.Hang:
		<-ctx.Done()
		return fmt.Errorf("%s: %w", op, ctx.Err())
	default:
		panic(faultinject.ErrInjected)
	}
}

// Publish implements messaging.Publisher.
func (f *faulty) Publish(ctx context.Context, batch ...messaging.Message) error {
	published := false
	err := f.call(ctx, "publish", func() error {
		published = true
		return f.next.Publish(ctx, batch...)
	})
	if _, own := err.(*messaging.PublishError); err == nil || own {
		return err
	}
	if published {
		err = fmt.Errorf("%w: %w", messaging.ErrUnconfirmed, err)
	}
	errs := make([]error, len(batch))
	for i := range errs {
		errs[i] = err
	}
	return &messaging.PublishError{Errs: errs}
}

// Consume implements messaging.Consumer.
func (f *faulty) Consume(ctx context.Context, sub messaging.Subscription, handle messaging.Handler) error {
	return f.next.Consume(ctx, sub, func(ctx context.Context, d messaging.Delivery) error {
		ack := d.Ack
		d.Ack = func(ctx context.Context) error {
			return f.call(ctx, "ack", func() error { return ack(ctx) })
		}
		return handle(ctx, d)
	})
}

// Listen implements messaging.Consumer.
func (f *faulty) Listen(ctx context.Context, exchange, pattern string, handle func(context.Context, messaging.Message)) error {
	return f.next.Listen(ctx, exchange, pattern, handle)
}

// Inspect implements messaging.Lot.
func (f *faulty) Inspect(ctx context.Context, queue string, limit int) (parked []messaging.Parked, err error) {
	err = f.call(ctx, "inspect", func() error {
		parked, err = f.next.Inspect(ctx, queue, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return parked, nil
}

// Redrive implements messaging.Lot.
func (f *faulty) Redrive(ctx context.Context, queue, id string) error {
	return f.call(ctx, "redrive", func() error { return f.next.Redrive(ctx, queue, id) })
}

// Discard implements messaging.Lot.
func (f *faulty) Discard(ctx context.Context, queue, id string) error {
	return f.call(ctx, "discard", func() error { return f.next.Discard(ctx, queue, id) })
}
