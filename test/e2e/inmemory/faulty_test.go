package inmemory

import (
	"context"
	"errors"
	"fmt"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/messaging"
)

// faulty plants faults in Publish.
type faulty struct {
	next   messaging.Publisher
	inject func(op string) faultinject.Kind
}

func faultyPublisher(p ports, inject func(op string) faultinject.Kind) messaging.Publisher {
	return &faulty{next: p.publisher, inject: inject}
}

func (f *faulty) Publish(ctx context.Context, batch ...messaging.Message) error {
	switch f.inject("publish") {
	case faultinject.Error:
		return broken(messaging.ErrDisconnected, len(batch))
	case faultinject.DidButError:
		return errors.Join(broken(messaging.ErrUnconfirmed, len(batch)), f.next.Publish(ctx, batch...))
	case faultinject.Hang:
		<-ctx.Done()
		return ctx.Err()
	case faultinject.Panic:
		panic(faultinject.ErrInjected)
	}
	return f.next.Publish(ctx, batch...)
}

func broken(cause error, n int) error {
	e := &messaging.PublishError{}
	for range n {
		e.Errs = append(e.Errs, fault.Wrap(fault.CodeBrokerUnavailable, fmt.Errorf("%w: %w", cause, faultinject.ErrInjected), ""))
	}
	return e
}
