package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/reelmill/reelmill/pkg/database"
)

// collection holds the statements of a table, whose columns stand in the order of fields.
type collection struct {
	db     *DB
	schema database.Schema
	fields []string

	insert, get, save, deleteAt, deleteAny, exists string
}

func newCollection(db *DB, s database.Schema) *collection {
	s.Fields = maps.Clone(s.Fields)
	c := &collection{db: db, schema: s, fields: slices.Sorted(maps.Keys(s.Fields))}
	t := table(s)
	var names, marks, sets strings.Builder
	for _, f := range c.fields {
		names.WriteString(", " + column(f))
		marks.WriteString(", ?")
		sets.WriteString(", " + column(f) + " = ?")
	}
	c.insert = "INSERT INTO " + t + " (id, version, body" + names.String() + ") VALUES (?, 1, ?" + marks.String() + ") ON CONFLICT (id) DO NOTHING"
	c.get = "SELECT id, version, body" + names.String() + " FROM " + t
	c.save = "UPDATE " + t + " SET version = version + 1, body = ?" + sets.String() + " WHERE id = ? AND version = ?"
	c.deleteAt = "DELETE FROM " + t + " WHERE id = ? AND version = ?"
	c.deleteAny = "DELETE FROM " + t + " WHERE id = ?"
	c.exists = "SELECT count(*) FROM " + t + " WHERE id = ?"
	return c
}

func (c *collection) Insert(ctx context.Context, d database.Document) error {
	if err := c.schema.CheckDocument(d); err != nil {
		return err
	}
	n, err := c.write(ctx, c.insert, append([]any{d.ID, string(d.Body)}, c.values(d)...)...)
	switch {
	case err != nil:
		return classify(ctx, err, "insert %q in %s", d.ID, c.schema.Name)
	case n == 0:
		return c.wrap("insert", d.ID, database.ErrExists)
	}
	return nil
}

func (c *collection) Get(ctx context.Context, id string) (database.Document, error) {
	if err := c.schema.CheckID(id); err != nil {
		return database.Document{}, err
	}
	d, err := c.scan(c.db.readers.QueryRowContext(ctx, c.get+" WHERE id = ?", id).Scan, false)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return database.Document{}, c.wrap("get", id, database.ErrNotFound)
	case err != nil:
		return database.Document{}, classify(ctx, err, "get %q in %s", id, c.schema.Name)
	}
	return d, nil
}

func (c *collection) Save(ctx context.Context, d database.Document) error {
	if err := c.schema.CheckDocument(d); err != nil {
		return err
	}
	args := append([]any{string(d.Body)}, c.values(d)...)
	n, err := c.write(ctx, c.save, append(args, d.ID, d.Version)...)
	switch {
	case err != nil:
		return classify(ctx, err, "save %q in %s", d.ID, c.schema.Name)
	case n == 0:
		return c.whyUnmatched(ctx, "save", d.ID)
	}
	return nil
}

func (c *collection) Delete(ctx context.Context, id string, version int64) error {
	if err := c.schema.CheckID(id); err != nil {
		return err
	}
	statement, args := c.deleteAt, []any{id, version}
	if version == 0 {
		statement, args = c.deleteAny, args[:1]
	}
	n, err := c.write(ctx, statement, args...)
	switch {
	case err != nil:
		return classify(ctx, err, "delete %q in %s", id, c.schema.Name)
	case n == 0:
		return c.whyUnmatched(ctx, "delete", id)
	}
	return nil
}

func (c *collection) Find(ctx context.Context, q database.Query) ([]database.Document, error) {
	q, err := c.schema.CheckQuery(q)
	if err != nil || database.NeverHolds(q.Filters) {
		return nil, err
	}
	where, args := c.where(q.Filters)
	statement := c.get
	if q.IDsOnly {
		statement = "SELECT id, version FROM " + table(c.schema)
	}
	dir := ""
	if q.Descending {
		dir = " DESC"
	}
	statement += where + " ORDER BY "
	if q.OrderBy != "" {
		statement += column(q.OrderBy) + dir + ", "
	}
	rows, err := c.db.readers.QueryContext(ctx, statement+"id"+dir+" LIMIT ?", append(args, q.Limit)...)
	if err != nil {
		return nil, classify(ctx, err, "find in %s", c.schema.Name)
	}
	defer rows.Close()
	var found []database.Document
	for rows.Next() {
		d, err := c.scan(rows.Scan, q.IDsOnly)
		if err != nil {
			return nil, classify(ctx, err, "find in %s", c.schema.Name)
		}
		found = append(found, d)
	}
	if err := rows.Err(); err != nil {
		return nil, classify(ctx, err, "find in %s", c.schema.Name)
	}
	return found, nil
}

func (c *collection) Count(ctx context.Context, filters ...database.Filter) (int64, error) {
	if err := c.schema.CheckFilters(filters); err != nil || database.NeverHolds(filters) {
		return 0, err
	}
	where, args := c.where(filters)
	var n int64
	if err := c.db.readers.QueryRowContext(ctx, "SELECT count(*) FROM "+table(c.schema)+where, args...).Scan(&n); err != nil {
		return 0, classify(ctx, err, "count in %s", c.schema.Name)
	}
	return n, nil
}

// write runs a statement on the writing connection, as a transaction of its own, and returns how many
// documents it changed.
func (c *collection) write(ctx context.Context, statement string, args ...any) (int64, error) {
	res, err := c.db.writer.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// whyUnmatched tells whether a write changed nothing because the document is at another version or gone.
func (c *collection) whyUnmatched(ctx context.Context, op, id string) error {
	var n int
	if err := c.db.readers.QueryRowContext(ctx, c.exists, id).Scan(&n); err != nil {
		return classify(ctx, err, "%s %q in %s", op, id, c.schema.Name)
	}
	if n == 0 {
		return c.wrap(op, id, database.ErrNotFound)
	}
	return c.wrap(op, id, database.ErrConflict)
}

func (c *collection) wrap(op, id string, err error) error {
	return fmt.Errorf("%s %q in %s: %w", op, id, c.schema.Name, err)
}

// values returns the values of d in the order of the columns.
func (c *collection) values(d database.Document) []any {
	out := make([]any, len(c.fields))
	for i, f := range c.fields {
		out[i] = c.plain(f, d.Fields[f])
	}
	return out
}

func (c *collection) plain(field string, v database.Value) any {
	if c.schema.TypeOf(field) == database.TypeInt {
		return v.Int
	}
	return v.Str
}

// scan reads a row of the columns of get, or of id and version alone.
func (c *collection) scan(row func(...any) error, idsOnly bool) (database.Document, error) {
	var d database.Document
	if idsOnly {
		err := row(&d.ID, &d.Version)
		return d, err
	}
	texts, numbers := make([]sql.NullString, len(c.fields)), make([]sql.NullInt64, len(c.fields))
	into := []any{&d.ID, &d.Version, &d.Body}
	for i, f := range c.fields {
		if c.schema.Fields[f] == database.TypeInt {
			into = append(into, &numbers[i])
		} else {
			into = append(into, &texts[i])
		}
	}
	if err := row(into...); err != nil {
		return database.Document{}, err
	}
	d.Fields = make(map[string]database.Value, len(c.fields))
	for i, f := range c.fields {
		d.Fields[f] = database.Value{Str: texts[i].String, Int: numbers[i].Int64}
	}
	return d, nil
}

var operators = map[database.Op]string{
	database.Equal: " = ?", database.Less: " < ?", database.LessOrEqual: " <= ?",
	database.Greater: " > ?", database.GreaterOrEqual: " >= ?",
}

// where translates filters that were checked. Texts compare by their bytes: SQLite's BINARY collation.
func (c *collection) where(filters []database.Filter) (clause string, args []any) {
	parts := make([]string, len(filters))
	for i, f := range filters {
		if f.Op != database.In {
			parts[i] = column(f.Field) + operators[f.Op]
			args = append(args, c.plain(f.Field, f.Value))
			continue
		}
		parts[i] = column(f.Field) + " IN (?" + strings.Repeat(", ?", len(f.Values)-1) + ")"
		for _, v := range f.Values {
			args = append(args, c.plain(f.Field, v))
		}
	}
	if len(parts) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(parts, " AND "), args
}
