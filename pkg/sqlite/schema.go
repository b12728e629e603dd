package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/database"
)

// table, column and index return quoted names. A point, which no name of the port contains, keeps the
// indexes on (a_b, c) and (a, b_c) apart.
func table(s database.Schema) string { return `"c_` + s.Name + `"` }

func column(field string) string {
	if field == database.FieldID {
		return "id"
	}
	return `"f_` + field + `"`
}

func index(s database.Schema, fields []string) string {
	return `"i_` + s.Name + "." + strings.Join(fields, ".") + `"`
}

var columnTypes = map[database.Type]string{database.TypeString: "TEXT", database.TypeInt: "INTEGER"}

// migrate makes the table, adds columns that are missing and makes indexes that are missing, in one
// transaction that holds the write lock, so that processes that start together do not disturb each other.
// Field columns are NULL in documents that were stored before the field was declared, and no filter holds
// on NULL.
func (db *DB) migrate(ctx context.Context, s database.Schema) (err error) {
	tx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback() // the first error says more
		}
	}()
	_, err = tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+table(s)+
		" (id TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL) STRICT")
	if err != nil {
		return err
	}
	present, err := columns(ctx, tx, s)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(s.Fields)) {
		want := columnTypes[s.Fields[name]]
		switch got := present["f_"+name]; got {
		case want:
		case "":
			if _, err := tx.ExecContext(ctx, "ALTER TABLE "+table(s)+" ADD COLUMN "+column(name)+" "+want); err != nil {
				return err
			}
		default:
			err := fmt.Errorf("open %s: the field %q is stored as %s: %w", s.Name, name, got, database.ErrInvalid)
			return fault.Wrap(fault.CodeInternal, err, "")
		}
	}
	for _, fields := range s.Indexes {
		quoted := make([]string, 0, len(fields)+1)
		for _, f := range fields {
			quoted = append(quoted, column(f))
		}
		quoted = append(quoted, "id")
		_, err := tx.ExecContext(ctx, "CREATE INDEX IF NOT EXISTS "+index(s, fields)+" ON "+table(s)+" ("+strings.Join(quoted, ", ")+")")
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

// columns returns the types of the table's columns by their names.
func columns(ctx context.Context, tx *sql.Tx, s database.Schema) (map[string]string, error) {
	rows, err := tx.QueryContext(ctx, "SELECT name, type FROM pragma_table_info(?)", "c_"+s.Name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	present := map[string]string{}
	for rows.Next() {
		var name, typ string
		if err := rows.Scan(&name, &typ); err != nil {
			return nil, err
		}
		present[name] = typ
	}
	return present, rows.Err()
}
