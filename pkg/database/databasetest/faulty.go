package databasetest

import (
	"context"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/database"
)

// Faulty returns a database that asks inject before each call what shall become of it. The operation is
// "open" or "ping", or the collection's name, a dot and "insert", "get", "save", "delete", "find" or
// "count". Errors are what the port promises of a database that does not answer: Transient, with
// fault.CodeStoreUnavailable, and faultinject.ErrInjected inside; after faultinject.DidButError the
// results of the call are not returned. inject is called concurrently if the database is.
func Faulty(db database.Database, inject func(op string) faultinject.Kind) database.Database {
	return &faultyDB{db: db, inject: inject}
}

type faultyDB struct {
	db     database.Database
	inject func(op string) faultinject.Kind
}

func (f *faultyDB) Open(ctx context.Context, s database.Schema) (database.Collection, error) {
	c, err := faulty(ctx, f.inject, "open", func() (database.Collection, error) { return f.db.Open(ctx, s) })
	if err != nil {
		return nil, err
	}
	return &faultyCollection{c: c, inject: f.inject, name: s.Name}, nil
}

func (f *faultyDB) Ping(ctx context.Context) error {
	return faultyErr(ctx, f.inject, "ping", func() error { return f.db.Ping(ctx) })
}

type faultyCollection struct {
	c      database.Collection
	inject func(op string) faultinject.Kind
	name   string
}

func (f *faultyCollection) Insert(ctx context.Context, d database.Document) error {
	return faultyErr(ctx, f.inject, f.name+".insert", func() error { return f.c.Insert(ctx, d) })
}

func (f *faultyCollection) Get(ctx context.Context, id string) (database.Document, error) {
	return faulty(ctx, f.inject, f.name+".get", func() (database.Document, error) { return f.c.Get(ctx, id) })
}

func (f *faultyCollection) Save(ctx context.Context, d database.Document) error {
	return faultyErr(ctx, f.inject, f.name+".save", func() error { return f.c.Save(ctx, d) })
}

func (f *faultyCollection) Delete(ctx context.Context, id string, version int64) error {
	return faultyErr(ctx, f.inject, f.name+".delete", func() error { return f.c.Delete(ctx, id, version) })
}

func (f *faultyCollection) Find(ctx context.Context, q database.Query) ([]database.Document, error) {
	return faulty(ctx, f.inject, f.name+".find", func() ([]database.Document, error) { return f.c.Find(ctx, q) })
}

func (f *faultyCollection) Count(ctx context.Context, filters ...database.Filter) (int64, error) {
	return faulty(ctx, f.inject, f.name+".count", func() (int64, error) { return f.c.Count(ctx, filters...) })
}

func faultyErr(ctx context.Context, inject func(string) faultinject.Kind, op string, call func() error) error {
	_, err := faulty(ctx, inject, op, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

func faulty[T any](ctx context.Context, inject func(string) faultinject.Kind, op string, call func() (T, error)) (T, error) {
	var zero T
	injected := fault.Wrap(fault.CodeStoreUnavailable, faultinject.ErrInjected, "%s", op)
	switch inject(op) {
	case faultinject.Error:
		return zero, injected
	case faultinject.DidButError:
		// Whatever the call's own outcome was, its caller does not get to know it.
		_, _ = call()
		return zero, injected
	case faultinject.Hang:
		<-ctx.Done()
		return zero, ctx.Err()
	case faultinject.Panic:
		panic(faultinject.ErrInjected)
	default:
		return call()
	}
}
