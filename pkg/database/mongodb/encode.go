package mongodb

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/reelmill/reelmill/pkg/database"
)

// The keys that every stored document has.
const (
	keyID      = "_id"
	keyVersion = "version"
	keyWriter  = "writer"
	keyBody    = "body"
)

func idAt(id string, version int64) bson.D {
	return bson.D{{Key: keyID, Value: id}, {Key: keyVersion, Value: version}}
}

func encode(d database.Document, writer string, types map[string]database.Type) bson.D {
	doc := append(make(bson.D, 0, 4+len(d.Fields)), idAt(d.ID, d.Version)...)
	doc = append(doc, bson.E{Key: keyWriter, Value: writer})
	for name, t := range types {
		doc = append(doc, bson.E{Key: name, Value: plain(d.Fields[name], t)})
	}
	return append(doc, bson.E{Key: keyBody, Value: string(d.Body)})
}

func plain(v database.Value, t database.Type) any {
	if t == database.TypeInt {
		return v.Int
	}
	return v.Str
}

// decode translates a stored document. It fails with a Transient error where the document was not
// written by this package.
func (c *collection) decode(ctx context.Context, raw bson.Raw, idsOnly bool) (database.Document, error) {
	var d database.Document
	ok := true
	text := func(key string) string {
		s, is := raw.Lookup(key).StringValueOK()
		ok = ok && is
		return s
	}
	number := func(key string) int64 {
		n, is := raw.Lookup(key).AsInt64OK()
		ok = ok && is
		return n
	}
	d.ID, d.Version = text(keyID), number(keyVersion)
	if !idsOnly {
		d.Body = []byte(text(keyBody))
		d.Fields = make(map[string]database.Value, len(c.schema.Fields))
		for name, t := range c.schema.Fields {
			switch _, err := raw.LookupErr(name); {
			case err != nil: // saved before the field was declared
				d.Fields[name] = database.Value{}
			case t == database.TypeInt:
				d.Fields[name] = database.Int(number(name))
			default:
				d.Fields[name] = database.String(text(name))
			}
		}
	}
	if !ok {
		err := fmt.Errorf("document %v has another shape than the schema", raw.Lookup(keyID))
		return database.Document{}, classify(ctx, err, "read from %s", c.schema.Name)
	}
	return d, nil
}

var operators = map[database.Op]string{
	database.Equal: "$eq", database.Less: "$lt", database.LessOrEqual: "$lte",
	database.Greater: "$gt", database.GreaterOrEqual: "$gte", database.In: "$in",
}

// filterOf translates filters that were checked. Filters on one field stand together in one clause, as
// long as each operator occurs once in it, so that a range is one scan of an index.
func (c *collection) filterOf(filters []database.Filter) bson.D {
	clauses := bson.D{}
	var more bson.A
next:
	for _, f := range filters {
		t := c.schema.TypeOf(f.Field)
		op := bson.E{Key: operators[f.Op], Value: plain(f.Value, t)}
		if f.Op == database.In {
			values := make(bson.A, len(f.Values))
			for i, v := range f.Values {
				values[i] = plain(v, t)
			}
			op.Value = values
		}
		key := f.Field
		if key == database.FieldID {
			key = keyID
		}
		for i := range clauses {
			if clauses[i].Key != key {
				continue
			}
			ops := clauses[i].Value.(bson.D)
			for _, o := range ops {
				if o.Key == op.Key {
					more = append(more, bson.D{{Key: key, Value: bson.D{op}}})
					continue next
				}
			}
			clauses[i].Value = append(ops, op)
			continue next
		}
		clauses = append(clauses, bson.E{Key: key, Value: bson.D{op}})
	}
	if more != nil {
		clauses = append(clauses, bson.E{Key: "$and", Value: more})
	}
	return clauses
}
