package mongodb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/reelmill/reelmill/pkg/database"
)

type collection struct {
	schema database.Schema
	coll   *mongo.Collection
}

func (c *collection) Insert(ctx context.Context, d database.Document) error {
	if err := c.schema.CheckDocument(d); err != nil {
		return err
	}
	d.Version = 1
	writer := rand.Text()
	_, err := c.coll.InsertOne(ctx, encode(d, writer, c.schema.Fields))
	switch {
	case err == nil:
		return nil
	case mongo.IsDuplicateKeyError(err):
		return c.wrap("insert", d.ID, database.ErrExists)
	}
	if c.landed(ctx, err, d, writer) == landedYes {
		return nil
	}
	return classify(ctx, err, "insert %q in %s", d.ID, c.schema.Name)
}

func (c *collection) Get(ctx context.Context, id string) (database.Document, error) {
	if err := c.schema.CheckID(id); err != nil {
		return database.Document{}, err
	}
	raw, err := c.coll.FindOne(ctx, bson.D{{Key: keyID, Value: id}}).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return database.Document{}, c.wrap("get", id, database.ErrNotFound)
	}
	if err != nil {
		return database.Document{}, classify(ctx, err, "get %q in %s", id, c.schema.Name)
	}
	return c.decode(ctx, raw, false)
}

func (c *collection) Save(ctx context.Context, d database.Document) error {
	if err := c.schema.CheckDocument(d); err != nil {
		return err
	}
	at := d.Version
	d.Version++
	writer := rand.Text()
	res, err := c.coll.ReplaceOne(ctx, idAt(d.ID, at), encode(d, writer, c.schema.Fields))
	if err != nil {
		switch c.landed(ctx, err, d, writer) {
		case landedYes:
			return nil
		case landedNo:
			return c.wrap("save", d.ID, database.ErrConflict)
		}
		return classify(ctx, err, "save %q in %s", d.ID, c.schema.Name)
	}
	if res.MatchedCount == 1 {
		return nil
	}
	return c.whyUnmatched(ctx, "save", d.ID)
}

func (c *collection) Delete(ctx context.Context, id string, version int64) error {
	if err := c.schema.CheckID(id); err != nil {
		return err
	}
	filter := idAt(id, version)
	if version == 0 {
		filter = filter[:1]
	}
	res, err := c.coll.DeleteOne(ctx, filter)
	if err != nil {
		return classify(ctx, err, "delete %q in %s", id, c.schema.Name)
	}
	if res.DeletedCount == 1 {
		return nil
	}
	if version == 0 {
		return c.wrap("delete", id, database.ErrNotFound)
	}
	return c.whyUnmatched(ctx, "delete", id)
}

func (c *collection) Find(ctx context.Context, q database.Query) ([]database.Document, error) {
	q, err := c.schema.CheckQuery(q)
	if err != nil || database.NeverHolds(q.Filters) {
		return nil, err
	}
	dir := 1
	if q.Descending {
		dir = -1
	}
	sort := bson.D{{Key: keyID, Value: dir}}
	if q.OrderBy != "" {
		sort = bson.D{{Key: q.OrderBy, Value: dir}, {Key: keyID, Value: dir}}
	}
	opts := options.Find().SetSort(sort).SetLimit(int64(q.Limit))
	if q.IDsOnly {
		opts.SetProjection(bson.D{{Key: keyID, Value: 1}, {Key: keyVersion, Value: 1}})
	}
	cursor, err := c.coll.Find(ctx, c.filterOf(q.Filters), opts)
	if err != nil {
		return nil, classify(ctx, err, "find in %s", c.schema.Name)
	}
	// The driver ends a cursor under a context of its own, so that an early return leaves none behind.
	defer cursor.Close(context.WithoutCancel(ctx))
	var found []database.Document
	seen := map[string]bool{}
	for cursor.Next(ctx) {
		d, err := c.decode(ctx, cursor.Current, q.IDsOnly)
		if err != nil {
			return nil, err
		}
		// A scan of an index meets a document again when a save moves it ahead meanwhile.
		if !seen[d.ID] {
			seen[d.ID] = true
			found = append(found, d)
		}
	}
	if err := cursor.Err(); err != nil {
		return nil, classify(ctx, err, "find in %s", c.schema.Name)
	}
	return found, nil
}

func (c *collection) Count(ctx context.Context, filters ...database.Filter) (int64, error) {
	if err := c.schema.CheckFilters(filters); err != nil || database.NeverHolds(filters) {
		return 0, err
	}
	n, err := c.coll.CountDocuments(ctx, c.filterOf(filters))
	if err != nil {
		return 0, classify(ctx, err, "count in %s", c.schema.Name)
	}
	return n, nil
}

// askTimeout bounds the question after a lost reply, so that a call to a server that is gone does not
// take twice as long.
const askTimeout = 2 * time.Second

// landing is what a read after a failed write tells about it.
type landing int

const (
	landedUnknown landing = iota
	landedYes
	landedNo
)

// landed finds out whether the write of d with the writer's token took effect although it was reported
// as failed: d is as it was sent, with its new version. landedNo is for saves only. It asks only where
// the reply may have been lost and the caller still wants to know.
func (c *collection) landed(ctx context.Context, cause error, d database.Document, writer string) landing {
	if ctx.Err() != nil || !(mongo.IsNetworkError(cause) || mongo.IsTimeout(cause)) {
		return landedUnknown
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	opts := options.FindOne().SetProjection(bson.D{{Key: keyVersion, Value: 1}, {Key: keyWriter, Value: 1}})
	raw, err := c.coll.FindOne(ctx, bson.D{{Key: keyID, Value: d.ID}}, opts).Raw()
	if err != nil {
		return landedUnknown
	}
	version, _ := raw.Lookup(keyVersion).AsInt64OK()
	token, _ := raw.Lookup(keyWriter).StringValueOK()
	switch {
	case token == writer:
		return landedYes
	case version == d.Version:
		return landedNo // another save at the same version won: ours cannot match any more
	default:
		return landedUnknown
	}
}

// whyUnmatched tells whether a write matched nothing because the document is at another version or gone.
func (c *collection) whyUnmatched(ctx context.Context, op, id string) error {
	opts := options.FindOne().SetProjection(bson.D{{Key: keyID, Value: 1}})
	switch err := c.coll.FindOne(ctx, bson.D{{Key: keyID, Value: id}}, opts).Err(); {
	case err == nil:
		return c.wrap(op, id, database.ErrConflict)
	case errors.Is(err, mongo.ErrNoDocuments):
		return c.wrap(op, id, database.ErrNotFound)
	default:
		return classify(ctx, err, "%s %q in %s", op, id, c.schema.Name)
	}
}

func (c *collection) wrap(op, id string, err error) error {
	return fmt.Errorf("%s %q in %s: %w", op, id, c.schema.Name, err)
}
