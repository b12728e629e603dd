package blobtest

import (
	"context"
	"fmt"
	"io"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
)

// FaultyStore plants faults in the calls of a Store. See Faulty.
type FaultyStore struct {
	next   blob.Store
	inject func(op string) faultinject.Kind
}

var _ blob.Store = (*FaultyStore)(nil)

// Faulty returns a Store that asks inject before each call of next what shall become of it. op is
// "put", "get", "head", "delete" or "list". An error after a call that was done hides its results; the
// reader of a get is closed. inject is called concurrently where the Store is.
func Faulty(next blob.Store, inject func(op string) faultinject.Kind) *FaultyStore {
	return &FaultyStore{next: next, inject: inject}
}

// Put is that of blob.Store.
func (s *FaultyStore) Put(ctx context.Context, key string, body io.ReadSeeker, opts blob.PutOptions) (o blob.Object, err error) {
	err = s.call(ctx, "put", func() error {
		o, err = s.next.Put(ctx, key, body, opts)
		return err
	})
	if err != nil {
		return blob.Object{}, err
	}
	return o, nil
}

// Get is that of blob.Store.
func (s *FaultyStore) Get(ctx context.Context, key string, opts blob.GetOptions) (r io.ReadCloser, o blob.Object, err error) {
	err = s.call(ctx, "get", func() error {
		r, o, err = s.next.Get(ctx, key, opts)
		return err
	})
	if err != nil {
		if r != nil {
			_ = r.Close() // the planted error is the one to report
		}
		return nil, blob.Object{}, err
	}
	return r, o, nil
}

// Head is that of blob.Store.
func (s *FaultyStore) Head(ctx context.Context, key string) (o blob.Object, err error) {
	err = s.call(ctx, "head", func() error {
		o, err = s.next.Head(ctx, key)
		return err
	})
	if err != nil {
		return blob.Object{}, err
	}
	return o, nil
}

// Delete is that of blob.Store.
func (s *FaultyStore) Delete(ctx context.Context, keys ...string) error {
	return s.call(ctx, "delete", func() error { return s.next.Delete(ctx, keys...) })
}

// List is that of blob.Store.
func (s *FaultyStore) List(ctx context.Context, opts blob.ListOptions) (objects []blob.Object, err error) {
	err = s.call(ctx, "list", func() error {
		objects, err = s.next.List(ctx, opts)
		return err
	})
	if err != nil {
		return nil, err
	}
	return objects, nil
}

// call carries out do, or what was planted in its place.
func (s *FaultyStore) call(ctx context.Context, op string, do func() error) error {
	switch kind := s.inject(op); kind {
	case faultinject.None:
		return do()
	case faultinject.Error:
		return fmt.Errorf("%s: %w", op, faultinject.ErrInjected)
	case faultinject.DidButError:
		if err := do(); err != nil {
			return err
		}
		return fmt.Errorf("%s, done: %w", op, faultinject.ErrInjected)
	case faultinject.Hang:
		<-ctx.Done()
		return fmt.Errorf("%s: %w", op, ctx.Err())
	case faultinject.Panic:
		panic(faultinject.ErrInjected)
	default:
		return fmt.Errorf("%s: unknown fault %d", op, kind)
	}
}
