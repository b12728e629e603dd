// Package memory is the database port in memory: the reference that the other adapters are compared
// with, and the store of tests. It keeps nothing when the program ends. Its calls hold a mutex for the
// length of one map access and never wait for anything else, so it may be used in testing/synctest
// bubbles.
package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/reelmill/reelmill/pkg/database"
)

var _ database.Database = (*DB)(nil)

// DB is a database in memory. The zero value is empty and ready; it must not be copied. Its methods may
// be called concurrently.
type DB struct {
	mu     sync.Mutex
	tables map[string]*table
}

// table holds the documents of one collection name, whatever schemas it is opened with.
type table struct {
	mu    sync.Mutex
	types map[string]database.Type
	docs  map[string]database.Document
}

// New returns an empty database.
func New() *DB { return &DB{} }

// Open implements database.Database. A field that another schema of the same collection declared with
// another type is refused with database.ErrInvalid.
func (db *DB) Open(ctx context.Context, s database.Schema) (database.Collection, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open %s: %w", s.Name, err)
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	t := db.tables[s.Name]
	if t == nil {
		t = &table{types: map[string]database.Type{}, docs: map[string]database.Document{}}
		if db.tables == nil {
			db.tables = map[string]*table{}
		}
		db.tables[s.Name] = t
	}
	for name, typ := range s.Fields {
		if old, ok := t.types[name]; ok && old != typ {
			return nil, fmt.Errorf("open %s: the field %q has another type already: %w", s.Name, name, database.ErrInvalid)
		}
	}
	maps.Copy(t.types, s.Fields)
	s.Fields = maps.Clone(s.Fields)
	return &collection{schema: s, table: t}, nil
}

// Ping implements database.Database. It fails only with ctx.
func (db *DB) Ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

type collection struct {
	schema database.Schema
	table  *table
}

func (c *collection) Insert(ctx context.Context, d database.Document) error {
	if err := c.schema.CheckDocument(d); err != nil {
		return err
	}
	return c.locked(ctx, "insert", d.ID, func(docs map[string]database.Document) error {
		if _, ok := docs[d.ID]; ok {
			return database.ErrExists
		}
		d.Version = 1
		docs[d.ID] = clone(d)
		return nil
	})
}

func (c *collection) Get(ctx context.Context, id string) (database.Document, error) {
	var got database.Document
	if err := c.schema.CheckID(id); err != nil {
		return got, err
	}
	err := c.locked(ctx, "get", id, func(docs map[string]database.Document) error {
		d, ok := docs[id]
		if !ok {
			return database.ErrNotFound
		}
		got = c.read(d)
		return nil
	})
	return got, err
}

func (c *collection) Save(ctx context.Context, d database.Document) error {
	if err := c.schema.CheckDocument(d); err != nil {
		return err
	}
	return c.locked(ctx, "save", d.ID, func(docs map[string]database.Document) error {
		if err := atVersion(docs, d.ID, d.Version); err != nil {
			return err
		}
		d.Version++
		docs[d.ID] = clone(d)
		return nil
	})
}

func (c *collection) Delete(ctx context.Context, id string, version int64) error {
	if err := c.schema.CheckID(id); err != nil {
		return err
	}
	return c.locked(ctx, "delete", id, func(docs map[string]database.Document) error {
		if version == 0 {
			version = docs[id].Version
		}
		if err := atVersion(docs, id, version); err != nil {
			return err
		}
		delete(docs, id)
		return nil
	})
}

func (c *collection) Find(ctx context.Context, q database.Query) ([]database.Document, error) {
	q, err := c.schema.CheckQuery(q)
	if err != nil {
		return nil, err
	}
	var found []database.Document
	err = c.locked(ctx, "find", "", func(docs map[string]database.Document) error {
		for _, d := range docs {
			if matches(d, q.Filters) {
				found = append(found, d)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Stored documents are replaced, never changed, so they may be read without the lock.
	slices.SortFunc(found, func(a, b database.Document) int { return order(a, b, q) })
	found = found[:min(len(found), q.Limit)]
	for i, d := range found {
		if q.IDsOnly {
			found[i] = database.Document{ID: d.ID, Version: d.Version}
		} else {
			found[i] = c.read(d)
		}
	}
	return found, nil
}

func (c *collection) Count(ctx context.Context, filters ...database.Filter) (int64, error) {
	if err := c.schema.CheckFilters(filters); err != nil {
		return 0, err
	}
	var n int64
	err := c.locked(ctx, "count", "", func(docs map[string]database.Document) error {
		for _, d := range docs {
			if matches(d, filters) {
				n++
			}
		}
		return nil
	})
	return n, err
}

// locked calls f with the documents, under the lock, and says in an error what was attempted on what.
func (c *collection) locked(ctx context.Context, op, id string, f func(map[string]database.Document) error) error {
	err := ctx.Err()
	if err == nil {
		c.table.mu.Lock()
		err = f(c.table.docs)
		c.table.mu.Unlock()
	}
	if err != nil {
		return fmt.Errorf("%s %q in %s: %w", op, id, c.schema.Name, err)
	}
	return nil
}

// read returns a copy of a stored document with the fields of this collection's schema.
func (c *collection) read(d database.Document) database.Document {
	fields := make(map[string]database.Value, len(c.schema.Fields))
	for name := range c.schema.Fields {
		fields[name] = d.Fields[name]
	}
	d.Fields, d.Body = fields, slices.Clone(d.Body)
	return d
}

func clone(d database.Document) database.Document {
	d.Fields, d.Body = maps.Clone(d.Fields), slices.Clone(d.Body)
	return d
}

func atVersion(docs map[string]database.Document, id string, version int64) error {
	d, ok := docs[id]
	switch {
	case !ok:
		return database.ErrNotFound
	case d.Version != version:
		return database.ErrConflict
	}
	return nil
}

func matches(d database.Document, filters []database.Filter) bool {
	return !slices.ContainsFunc(filters, func(f database.Filter) bool { return !holds(d, f) })
}

func holds(d database.Document, f database.Filter) bool {
	v, ok := d.Fields[f.Field]
	if f.Field == database.FieldID {
		v, ok = database.String(d.ID), true
	}
	if !ok {
		return false // saved before the field was declared
	}
	if f.Op == database.In {
		return slices.Contains(f.Values, v)
	}
	c := compare(v, f.Value)
	switch f.Op {
	case database.Equal:
		return c == 0
	case database.Less:
		return c < 0
	case database.LessOrEqual:
		return c <= 0
	case database.Greater:
		return c > 0
	default:
		return c >= 0
	}
}

// compare orders two values of one type; the part that the type does not use is zero in both.
func compare(a, b database.Value) int {
	return cmp.Or(cmp.Compare(a.Str, b.Str), cmp.Compare(a.Int, b.Int))
}

func order(a, b database.Document, q database.Query) int {
	c := cmp.Compare(a.ID, b.ID)
	if q.OrderBy != "" {
		x, hasX := a.Fields[q.OrderBy]
		y, hasY := b.Fields[q.OrderBy]
		c = cmp.Or(presence(hasX)-presence(hasY), compare(x, y), c)
	}
	if q.Descending {
		return -c
	}
	return c
}

// presence orders documents that were saved before the field was declared in front of all others.
func presence(has bool) int {
	if has {
		return 1
	}
	return 0
}
