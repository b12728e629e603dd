package databasetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/database"
)

func testSchemas(t *testing.T, db database.Database) {
	fields := func(names ...string) map[string]database.Type {
		m := map[string]database.Type{}
		for _, n := range names {
			m[n] = database.TypeString
		}
		return m
	}
	long := strings.Repeat("n", database.MaxNameBytes+1)
	for name, s := range map[string]database.Schema{
		"no name":                 {},
		"a name too long":         {Name: long},
		"capitals":                {Name: "Jobs"},
		"a dollar":                {Name: "jobs$"},
		"a dot":                   {Name: "a.b"},
		"a quote":                 {Name: `a"b`},
		"beyond ASCII":            {Name: "ž"},
		"a digit first":           {Name: "1a"},
		"an underscore first":     {Name: "_a"},
		"a field without a name":  {Name: "a", Fields: fields("")},
		"a field with a dot":      {Name: "a", Fields: fields("x.y")},
		"a field name too long":   {Name: "a", Fields: fields(long)},
		"the field id":            {Name: "a", Fields: fields("id")},
		"the field version":       {Name: "a", Fields: fields("version")},
		"the field body":          {Name: "a", Fields: fields("body")},
		"the field writer":        {Name: "a", Fields: fields("writer")},
		"a type that is none":     {Name: "a", Fields: map[string]database.Type{"x": 3}},
		"a field without type":    {Name: "a", Fields: map[string]database.Type{"x": 0}},
		"an index without fields": {Name: "a", Fields: fields("x"), Indexes: [][]string{{}}},
		"an index on nothing":     {Name: "a", Fields: fields("x"), Indexes: [][]string{{"x", "y"}}},
		"an index twice":          {Name: "a", Fields: fields("x"), Indexes: [][]string{{"x"}, {"x"}}},
		"an index with a field twice": {
			Name: "a", Fields: fields("x", "y"), Indexes: [][]string{{"x", "y", "x"}},
		},
	} {
		_, err := db.Open(deadline(t), s)
		wantErr(t, "Open with "+name, err, database.ErrInvalid)
	}
	t.Run("names that mean something elsewhere are allowed", func(t *testing.T) {
		s := jobs()
		s.Fields = fields("select", "from", "index", "rowid", "oid", "order", "group", "a_b", "a", "b_c", "x1")
		s.Indexes = [][]string{{"a_b"}, {"a", "b_c"}, {"select"}, {"from", "rowid"}}
		c := collection(t, db, s)
		d := database.Document{ID: "a", Fields: map[string]database.Value{}, Body: []byte("{}")}
		for name := range s.Fields {
			d.Fields[name] = database.String(name)
		}
		must(t, c.Insert(deadline(t), d))
		wantDoc(t, c, with(d, 1))
		wantIDs(t, c, database.Query{Filters: []database.Filter{equal("rowid", "rowid")}, OrderBy: "from"}, "a")
	})
	t.Run("a collection without fields is allowed", func(t *testing.T) {
		s := jobs()
		s.Fields, s.Indexes = nil, nil
		c := collection(t, db, s)
		must(t, c.Insert(deadline(t), database.Document{ID: "a", Body: []byte("{}")}))
		must(t, c.Save(deadline(t), database.Document{ID: "a", Version: 1, Body: []byte("[]")}))
		wantDoc(t, c, database.Document{ID: "a", Version: 2, Body: []byte("[]")})
	})
}

func testForbiddenDocuments(t *testing.T, db database.Database) {
	c, ctx := collection(t, db, jobs()), deadline(t)
	must(t, c.Insert(ctx, doc("a", "new", 1)))
	for name, change := range map[string]func(*database.Document){
		"a field not declared":         func(d *database.Document) { d.Fields["x"] = database.Int(1) },
		"a field missing":              func(d *database.Document) { delete(d.Fields, "due") },
		"another field in its place":   func(d *database.Document) { delete(d.Fields, "due"); d.Fields["x"] = database.Int(1) },
		"no fields":                    func(d *database.Document) { d.Fields = nil },
		"the field id":                 func(d *database.Document) { d.Fields["id"] = database.String("a") },
		"a string as an integer":       func(d *database.Document) { d.Fields["due"] = database.String("1") },
		"an integer as a string":       func(d *database.Document) { d.Fields["state"] = database.Int(1) },
		"a string too long":            func(d *database.Document) { d.Fields["state"] = database.String(strings.Repeat("x", 1025)) },
		"a string that is not UTF-8":   func(d *database.Document) { d.Fields["state"] = database.String("\xff") },
		"a string with NUL":            func(d *database.Document) { d.Fields["state"] = database.String("a\x00b") },
		"a body that is not UTF-8":     func(d *database.Document) { d.Body = []byte("{\xc3\x28}") },
		"a body with NUL":              func(d *database.Document) { d.Body = []byte("{\x00}") },
		"no id":                        func(d *database.Document) { d.ID = "" },
		"an id too long":               func(d *database.Document) { d.ID = strings.Repeat("x", database.MaxIDBytes+1) },
		"an id with NUL":               func(d *database.Document) { d.ID = "a\x00" },
		"an id that is not UTF-8":      func(d *database.Document) { d.ID = "\xff" },
		"a surrogate as UTF-8 in text": func(d *database.Document) { d.Fields["state"] = database.String("\xed\xa0\x80") },
	} {
		d := doc("a", "new", 2)
		d.Version = 1
		change(&d)
		wantErr(t, "Save with "+name, c.Save(ctx, d), database.ErrInvalid)
		if d.ID == "a" {
			d.ID = "b"
		}
		wantErr(t, "Insert with "+name, c.Insert(ctx, d), database.ErrInvalid)
	}
	for _, id := range []string{"", "\x00", "\xff", strings.Repeat("x", database.MaxIDBytes+1)} {
		_, err := c.Get(ctx, id)
		wantErr(t, fmt.Sprintf("Get(%.10q)", id), err, database.ErrInvalid)
		wantErr(t, fmt.Sprintf("Delete(%.10q)", id), c.Delete(ctx, id, 1), database.ErrInvalid)
	}
	wantIDs(t, c, database.Query{}, "a")
	wantDoc(t, c, with(doc("a", "new", 1), 1))
}

func testForbiddenQueries(t *testing.T, db database.Database) {
	c, ctx := collection(t, db, jobs()), deadline(t)
	must(t, c.Insert(ctx, doc("a", "new", 1)))
	many := make([]database.Value, database.MaxAlternatives+1)
	for name, f := range map[string]database.Filter{
		"a field not declared":         {Field: "x", Op: database.Equal},
		"the body":                     {Field: "body", Op: database.Equal},
		"the version":                  {Field: "version", Op: database.Equal, Value: database.Int(1)},
		"an empty field":               {Op: database.Equal},
		"no operator":                  {Field: "due", Value: database.Int(1)},
		"an operator that is none":     {Field: "due", Op: 7, Value: database.Int(1)},
		"a string for an integer":      {Field: "due", Op: database.Equal, Value: database.String("1")},
		"an integer for a string":      {Field: "state", Op: database.Less, Value: database.Int(1)},
		"an integer for the id":        {Field: "id", Op: database.Less, Value: database.Int(1)},
		"too many alternatives":        {Field: "due", Op: database.In, Values: many},
		"an alternative of other type": {Field: "due", Op: database.In, Values: []database.Value{database.String("1")}},
		"alternatives without In":      {Field: "due", Op: database.Equal, Values: []database.Value{database.Int(1)}},
		"a single value with In":       {Field: "due", Op: database.In, Value: database.Int(1)},
		"text that is not UTF-8":       {Field: "state", Op: database.Equal, Value: database.String("\xff")},
	} {
		_, err := c.Find(ctx, database.Query{Filters: []database.Filter{equal("state", "new"), f}})
		wantErr(t, "Find with "+name, err, database.ErrInvalid)
		_, err = c.Count(ctx, f)
		wantErr(t, "Count with "+name, err, database.ErrInvalid)
	}
	for name, q := range map[string]database.Query{
		"an order by nothing":     {OrderBy: "x"},
		"an order by the body":    {OrderBy: "body"},
		"a limit below 0":         {Limit: -1},
		"a limit above the limit": {Limit: database.MaxLimit + 1},
	} {
		_, err := c.Find(ctx, q)
		wantErr(t, "Find with "+name, err, database.ErrInvalid)
	}
}

func testConcurrentOpen(t *testing.T, db database.Database) {
	s, ctx := jobs(), deadline(t)
	together(16, func(i int) {
		c, err := db.Open(ctx, s)
		if err != nil {
			t.Errorf("open: %v", err)
			return
		}
		if err := c.Insert(ctx, doc(fmt.Sprintf("%02d", i), "new", 1)); err != nil {
			t.Errorf("insert: %v", err)
		}
	})
	c := collection(t, db, s)
	if n, err := c.Count(ctx, equal("state", "new")); err != nil || n != 16 {
		t.Errorf("Count = %d, %v, want 16", n, err)
	}
}

func testSchemaGrows(t *testing.T, db database.Database) {
	before, ctx := jobs(), deadline(t)
	old := collection(t, db, before)
	must(t, old.Insert(ctx, doc("a", "new", 1)))
	after := before
	after.Fields = map[string]database.Type{"label": database.TypeString, "size": database.TypeInt}
	for name, typ := range before.Fields {
		after.Fields[name] = typ
	}
	after.Indexes = append([][]string{{"label", "size"}}, before.Indexes...)
	grown := collection(t, db, after)

	d, err := grown.Get(ctx, "a")
	must(t, err)
	if len(d.Fields) != 5 || d.Fields["label"] != database.String("") || d.Fields["size"] != database.Int(0) || d.Fields["due"].Int != 1 {
		t.Errorf("fields of an older document = %v", d.Fields)
	}
	for _, f := range []database.Filter{
		equal("label", ""),
		{Field: "label", Op: database.LessOrEqual, Value: database.String("x")},
		{Field: "size", Op: database.Less, Value: database.Int(10)},
		{Field: "size", Op: database.In, Values: []database.Value{database.Int(0)}},
	} {
		wantIDs(t, grown, database.Query{Filters: []database.Filter{f}})
	}
	must(t, grown.Save(ctx, d))
	d.ID, d.Fields["label"], d.Fields["size"] = "b", database.String("x"), database.Int(-1)
	must(t, grown.Insert(ctx, d))
	wantIDs(t, grown, database.Query{Filters: []database.Filter{equal("label", "")}}, "a")
	wantIDs(t, grown, database.Query{OrderBy: "size"}, "b", "a")

	t.Run("the older schema still works beside it", func(t *testing.T) {
		wantDoc(t, old, with(doc("a", "new", 1), 2))
		must(t, old.Insert(ctx, doc("c", "new", 3)))
		must(t, old.Save(ctx, with(doc("a", "done", 1), 2)))
		wantIDs(t, grown, database.Query{Filters: []database.Filter{equal("state", "done")}}, "a")
		_, err := old.Count(ctx, equal("label", ""))
		wantErr(t, "Count by a field of the newer schema", err, database.ErrInvalid)
		wantIDs(t, grown, database.Query{OrderBy: "state", IDsOnly: true}, "a", "b", "c")
	})
}

func testContext(t *testing.T, db database.Database) {
	c := collection(t, db, jobs())
	must(t, c.Insert(deadline(t), doc("a", "new", 1)))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithTimeout(t.Context(), -1)
	defer cancelLate()
	for _, ctx := range []context.Context{cancelled, late} {
		for name, call := range map[string]func() error{
			"Insert": func() error { return c.Insert(ctx, doc("b", "new", 1)) },
			"Get":    func() error { _, err := c.Get(ctx, "a"); return err },
			"Save":   func() error { return c.Save(ctx, with(doc("a", "changed", 1), 1)) },
			"Delete": func() error { return c.Delete(ctx, "a", 1) },
			"Find":   func() error { _, err := c.Find(ctx, database.Query{}); return err },
			"Count":  func() error { _, err := c.Count(ctx); return err },
			"Open":   func() error { _, err := db.Open(ctx, jobs()); return err },
			"Ping":   func() error { return db.Ping(ctx) },
		} {
			err := call()
			wantErr(t, name+" under an ended context", err, ctx.Err())
			if f, ok := errors.AsType[*fault.Error](err); ok {
				t.Errorf("%s under an ended context is classified: %v", name, f)
			}
		}
	}
	wantIDs(t, c, database.Query{}, "a")
	wantDoc(t, c, with(doc("a", "new", 1), 1))
}

func testPing(t *testing.T, db database.Database) {
	if err := db.Ping(deadline(t)); err != nil {
		t.Errorf("Ping = %v", err)
	}
}
