package database

import (
	"context"
	"sync"
)

// Lazy returns a database whose collections are opened when they are first used, so that a service can be
// built, and answer that it is not ready, while its database is down. A first use that fails is tried
// again by the next; concurrent first uses open the collection once. Schemas are checked at once.
func Lazy(db Database) Database { return lazyDatabase{db} }

type lazyDatabase struct{ Database }

func (l lazyDatabase) Open(ctx context.Context, s Schema) (Collection, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return &lazyCollection{db: l.Database, schema: s, turn: make(chan struct{}, 1)}, nil
}

// lazyCollection opens its collection at the first use.
type lazyCollection struct {
	db     Database
	schema Schema
	turn   chan struct{} // held by whoever opens

	mu sync.RWMutex
	c  Collection
}

func (l *lazyCollection) opened() Collection {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.c
}

// open returns the collection, opening it where nobody has.
func (l *lazyCollection) open(ctx context.Context) (Collection, error) {
	if c := l.opened(); c != nil {
		return c, nil
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c := l.opened(); c != nil {
		return c, nil
	}
	c, err := l.db.Open(ctx, l.schema)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.c = c
	return c, nil
}

func (l *lazyCollection) Insert(ctx context.Context, d Document) error {
	c, err := l.open(ctx)
	if err != nil {
		return err
	}
	return c.Insert(ctx, d)
}

func (l *lazyCollection) Get(ctx context.Context, id string) (Document, error) {
	c, err := l.open(ctx)
	if err != nil {
		return Document{}, err
	}
	return c.Get(ctx, id)
}

func (l *lazyCollection) Save(ctx context.Context, d Document) error {
	c, err := l.open(ctx)
	if err != nil {
		return err
	}
	return c.Save(ctx, d)
}

func (l *lazyCollection) Delete(ctx context.Context, id string, version int64) error {
	c, err := l.open(ctx)
	if err != nil {
		return err
	}
	return c.Delete(ctx, id, version)
}

func (l *lazyCollection) Find(ctx context.Context, q Query) ([]Document, error) {
	c, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	return c.Find(ctx, q)
}

func (l *lazyCollection) Count(ctx context.Context, filters ...Filter) (int64, error) {
	c, err := l.open(ctx)
	if err != nil {
		return 0, err
	}
	return c.Count(ctx, filters...)
}
