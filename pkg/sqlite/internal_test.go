package sqlite

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/database"
)

func TestConnectionsAreDurableAndReadersCannotWrite(t *testing.T) {
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "10000", "query_only": "0"} {
		var got string
		if err := db.writer.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s of the writer = %q, %v, want %q", pragma, got, err, want)
		}
	}
	if _, err := db.readers.ExecContext(t.Context(), "CREATE TABLE x (y)"); err == nil {
		t.Error("a reader may write")
	}
}

func TestQueriesUseTheDeclaredIndexes(t *testing.T) {
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := database.Schema{
		Name: "tasks", Fields: map[string]database.Type{"state": database.TypeString, "due": database.TypeInt},
		Indexes: [][]string{{"state", "due"}},
	}
	opened, err := db.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	c := opened.(*collection)
	where, args := c.where([]database.Filter{
		{Field: "state", Op: database.Equal, Value: database.String("queued")}, {Field: "due", Op: database.LessOrEqual, Value: database.Int(7)},
	})
	for statement, want := range map[string]string{
		c.get + where + ` ORDER BY "f_due", id`:   "USING INDEX i_tasks.state.due (f_state=? AND f_due<?)",
		c.get + " WHERE id = 'queued' AND ? <> ?": "USING INDEX sqlite_autoindex_c_tasks_1 (id=?)",
	} {
		rows, err := db.readers.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+statement, args...)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if len(plan) != 1 || !strings.Contains(plan[0], want) {
			t.Errorf("plan of %s = %q, want one step %s and no sorting", statement, plan, want)
		}
	}
}
