package mongodb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/database"
)

var _ database.Database = (*DB)(nil)

// DB is a database on a MongoDB deployment. Its methods may be called concurrently.
type DB struct {
	client *mongo.Client
	db     *mongo.Database
}

// New returns the database of the configuration. It does not wait for a server: the driver connects in
// the background, and every call waits for it within its time limits. The caller closes the DB.
func New(cfg Config) (*DB, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	client, err := mongo.Connect(cfg.options())
	if err != nil {
		return nil, fmt.Errorf("set up the MongoDB client for %s: %w", redacted(cfg.URI), err)
	}
	return &DB{client: client, db: client.Database(cmp.Or(cfg.Database, defaultName))}, nil
}

// Close ends the connections. It waits for those in use until ctx ends; calls after it fail.
func (db *DB) Close(ctx context.Context) error {
	if err := db.client.Disconnect(ctx); err != nil {
		return fmt.Errorf("close the MongoDB client: %w", err)
	}
	return nil
}

// Ping implements database.Database: it reports whether a primary answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.client.Ping(ctx, readpref.Primary()); err != nil {
		return classify(ctx, err, "ping")
	}
	return nil
}

// Open implements database.Database. Indexes that exist already are kept, also those that the schema
// does not declare. Without indexes it asks nothing of the server.
func (db *DB) Open(ctx context.Context, s database.Schema) (database.Collection, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	c := &collection{schema: clone(s), coll: db.db.Collection(s.Name)}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open %s: %w", s.Name, err)
	}
	// One index a command: FerretDB 1.24 drops the connection where one command names two that exist.
	for _, fields := range s.Indexes {
		keys := bson.D{}
		for _, f := range fields {
			keys = append(keys, bson.E{Key: f, Value: 1})
		}
		keys = append(keys, bson.E{Key: keyID, Value: 1})
		if _, err := c.coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys}); err != nil {
			return nil, classify(ctx, err, "create index %v of %s", fields, s.Name)
		}
	}
	return c, nil
}

func clone(s database.Schema) database.Schema {
	return database.Schema{Name: s.Name, Fields: maps.Clone(s.Fields), Indexes: slices.Clone(s.Indexes)}
}

// classify says what was attempted. The end of the caller's context is kept for errors.Is and stays
// unclassified; everything else is Transient: what this package sends is fixed, so that an error lies in
// the server, its state or the way to it.
func classify(ctx context.Context, err error, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if ended := ctx.Err(); ended != nil {
		if errors.Is(err, ended) {
			return fmt.Errorf("%s: %w", what, err)
		}
		return fmt.Errorf("%s: %w: %w", what, ended, err)
	}
	return fault.Wrap(fault.CodeStoreUnavailable, fmt.Errorf("%s: %w", what, err), "")
}
