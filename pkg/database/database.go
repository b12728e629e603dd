// Package database is the port to a document store, kept so narrow that MongoDB, SQLite and memory
// behave alike: documents are inserted once, read by id, saved whole at an expected version, and found
// by index fields that were declared beforehand. There are no transactions, partial updates or change
// streams, so what is right here is right on each of them.
//
// The stores of jobs and tasks are written once, over Collection. Adapters are mongodb, memory and (in
// its own module) sqlite; all pass the suite in databasetest, whose first test is the compare-and-swap
// race. job-service doctor runs that race (see Check) against the configured database.
package database

import (
	"context"
	"errors"
)

// Errors that every adapter returns, wrapped with the collection and id concerned. Test with
// errors.Is. The error of an ended context is kept as it is. Everything else is classified Transient
// with fault.CodeStoreUnavailable.
var (
	// ErrNotFound means that there is no document of that id.
	ErrNotFound = errors.New("document not found")
	// ErrExists means that Insert met a document of the same id; it was left unchanged.
	ErrExists = errors.New("document exists")
	// ErrConflict means that the document is not at the version expected; it was left unchanged.
	ErrConflict = errors.New("document changed meanwhile")
	// ErrInvalid means that a schema, document or query breaks this package's rules, which is a mistake
	// of the program. Nothing was sent to the database. It comes with fault.CodeInternal.
	ErrInvalid = errors.New("not allowed by the database port")
	// ErrTooLarge means that a body is longer than MaxBodyBytes. Nothing was sent to the database. It
	// comes with fault.CodeInternal: whoever lets users decide the size checks it beforehand.
	ErrTooLarge = errors.New("document body too large")
)

// Limits that hold on every adapter.
const (
	// MaxBodyBytes is the largest body. MongoDB's documents end at 16 MiB.
	MaxBodyBytes = 8 << 20
	// MaxIDBytes is the longest id.
	MaxIDBytes = 512
	// MaxStringBytes is the longest value of a string field.
	MaxStringBytes = 1024
	// MaxNameBytes is the longest name of a collection or field.
	MaxNameBytes = 40
	// MaxLimit is the most documents that one Find returns.
	MaxLimit = 1000
	// MaxAlternatives is the most values of an In filter.
	MaxAlternatives = 100
)

// Document is a stored document. Body is the document itself, JSON text that the store does not look
// into and gives back byte for byte; Fields repeat what must be found by index. Ids, string fields and
// bodies are valid UTF-8 without NUL.
type Document struct {
	// ID has 1 to MaxIDBytes bytes. It is not used again after Delete, or a Save that was decided on the
	// deleted document could meet the version of its successor.
	ID string
	// Version counts the saves: 1 after Insert, one more after each Save. It is the adapter's to set.
	Version int64
	// Fields holds a value for every field that the schema declares, and no other. A field that was
	// declared after the document was last saved reads as the zero Value.
	Fields map[string]Value
	Body   []byte
}

// Value is the value of an index field: a string or a 64-bit integer, as the schema declares. The other
// part is left zero.
type Value struct {
	Str string
	Int int64
}

// String returns a string value.
func String(s string) Value { return Value{Str: s} }

// Int returns an integer value.
func Int(i int64) Value { return Value{Int: i} }

// Type is the type of an index field.
type Type uint8

// The types of index fields.
const (
	TypeString Type = iota + 1
	TypeInt
)

// Schema declares a collection. Names are lower-case letters, digits and underscores, begin with a
// letter and have at most MaxNameBytes.
//
// A schema may gain fields and indexes when the program changes: documents that are stored already do
// not meet any filter on a new field until they are saved again. A field keeps its type for ever.
type Schema struct {
	Name string
	// Fields are the index fields with their types. "id", "version", "body" and "writer" are taken.
	Fields map[string]Type
	// Indexes are the field lists that queries use, each in order of equality, then range or sort. The
	// id follows the last field by itself, as queries sort ties by it.
	Indexes [][]string
}

// Op compares an index field with a value.
type Op uint8

// The comparisons. Strings compare by their bytes.
const (
	Equal Op = iota + 1
	Less
	LessOrEqual
	Greater
	GreaterOrEqual
	// In holds when the field equals one of Values; with no values it never holds.
	In
)

// Filter is a condition on one index field, or on the id, which is a string field named "id".
type Filter struct {
	Field string
	Op    Op
	Value Value
	// Values are the alternatives of In, up to MaxAlternatives. Other operators leave it empty.
	Values []Value
}

// Query selects documents that meet all filters, ordered by one index field, ties by id in the same
// direction. Several filters may concern one field.
type Query struct {
	Filters []Filter
	// OrderBy names the index field to sort by; empty sorts by id.
	OrderBy    string
	Descending bool
	// Limit is the most that are returned, 1 to MaxLimit; 0 means MaxLimit. Bodies are held in memory
	// all at once: where they may be large, the caller asks for few or for IDsOnly.
	Limit int
	// IDsOnly leaves out Fields and Body; ID and Version are there.
	IDsOnly bool
}

// Collection is a set of documents of one schema. Its methods may be called concurrently, by any number
// of processes. Each acts on one document atomically and durably: once it returned nil, no crash of this
// process or, where the server is configured for it, of the server undoes it. When ctx ends early, or on
// a Transient error, the write may have happened or not: callers read again and decide anew.
type Collection interface {
	// Insert stores a new document; ErrExists where the id is taken. d.Version is ignored; the stored
	// document has version 1. d is not kept or changed.
	Insert(ctx context.Context, d Document) error
	// Get returns the document, or ErrNotFound. It sees every write that returned before the call,
	// except that a MongoDB primary that lost its place and did not notice yet may answer with what it
	// had; a Save decided on that is an ErrConflict. The caller owns the result.
	Get(ctx context.Context, id string) (Document, error)
	// Save replaces the whole document if it is at d.Version, and gives it version d.Version+1.
	// Otherwise it is ErrConflict, or ErrNotFound where there is no such document. Of any number of
	// concurrent saves at one version exactly one returns nil.
	Save(ctx context.Context, d Document) error
	// Delete removes the document if it is at version; ErrConflict or ErrNotFound otherwise. Version 0
	// removes it at any version.
	Delete(ctx context.Context, id string, version int64) error
	// Find returns the documents of the query, each at most once. Each is a state that it was in at some
	// instant during the call; together they are no snapshot, and a document that is saved during the
	// call may be left out. The caller owns them. No match is an empty result without an error.
	Find(ctx context.Context, q Query) ([]Document, error)
	// Count returns the number of documents that meet all filters; without filters, of all. What is
	// written during the call may be counted or not.
	Count(ctx context.Context, filters ...Filter) (int64, error)
}

// Database opens collections.
type Database interface {
	// Open returns the collection of the schema, made ready with its indexes. Opening twice, also at the
	// same time and from several processes, is no error. A schema that this package's rules forbid is
	// refused with ErrInvalid.
	Open(ctx context.Context, s Schema) (Collection, error)
	// Ping reports whether the database answers.
	Ping(ctx context.Context) error
}
