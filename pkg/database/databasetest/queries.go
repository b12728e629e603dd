package databasetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/memory"
)

func testFilters(t *testing.T, db database.Database) {
	c, ctx := collection(t, db, jobs()), deadline(t)
	for _, d := range []database.Document{
		doc("a", "Zulu", -5), doc("b", "alpha", 0), doc("c", "alpha", 7), doc("d", "alphabet", 7), doc("e", "", 9), doc("f", "éclair", 10),
	} {
		must(t, c.Insert(ctx, d))
	}
	str := func(field string, op database.Op, v string) database.Filter {
		return database.Filter{Field: field, Op: op, Value: database.String(v)}
	}
	num := func(op database.Op, v int64) database.Filter {
		return database.Filter{Field: "due", Op: op, Value: database.Int(v)}
	}
	in := func(field string, vs ...database.Value) database.Filter {
		return database.Filter{Field: field, Op: database.In, Values: vs}
	}
	many := make([]database.Value, database.MaxAlternatives)
	for i := range many {
		many[i] = database.Int(int64(i))
	}
	for _, test := range []struct {
		name    string
		filters []database.Filter
		want    string
	}{
		{"none", nil, "a b c d e f"},
		{"equal string", []database.Filter{equal("state", "alpha")}, "b c"},
		{"equal to the empty string", []database.Filter{equal("state", "")}, "e"},
		{"equal compares case", []database.Filter{equal("state", "zulu")}, ""},
		{"equal number", []database.Filter{num(database.Equal, 7)}, "c d"},
		{"less", []database.Filter{num(database.Less, 7)}, "a b"},
		{"less or equal", []database.Filter{num(database.LessOrEqual, 7)}, "a b c d"},
		{"greater", []database.Filter{num(database.Greater, 7)}, "e f"},
		{"greater or equal", []database.Filter{num(database.GreaterOrEqual, 7)}, "c d e f"},
		{"strings compare by bytes", []database.Filter{str("state", database.Less, "alpha")}, "a e"},
		{"a prefix is less", []database.Filter{str("state", database.Greater, "alpha")}, "d f"},
		{"string less or equal", []database.Filter{str("state", database.LessOrEqual, "alpha")}, "a b c e"},
		{"beyond ASCII", []database.Filter{str("state", database.GreaterOrEqual, "z")}, "f"},
		{"in strings", []database.Filter{in("state", database.String("alpha"), database.String(""), database.String("?"))}, "b c e"},
		{"in numbers", []database.Filter{in("due", database.Int(-5), database.Int(10))}, "a f"},
		{"in one twice", []database.Filter{in("due", database.Int(7), database.Int(7))}, "c d"},
		{"in nothing", []database.Filter{in("due")}, ""},
		{"in as many as are allowed", []database.Filter{in("due", many...)}, "b c d e f"},
		{"all filters must hold", []database.Filter{equal("state", "alpha"), num(database.Greater, 0)}, "c"},
		{"a range", []database.Filter{num(database.GreaterOrEqual, 0), num(database.Less, 9)}, "b c d"},
		{"the same operator twice", []database.Filter{num(database.Greater, -5), num(database.Greater, 7), num(database.Greater, 0)}, "e f"},
		{"what contradicts itself", []database.Filter{equal("state", "alpha"), equal("state", "Zulu")}, ""},
		{"in and a comparison", []database.Filter{in("due", database.Int(7), database.Int(9)), num(database.Less, 9)}, "c d"},
		{"two ins", []database.Filter{in("due", database.Int(7), database.Int(9)), in("due", database.Int(9), database.Int(10))}, "e"},
		{"by id", []database.Filter{equal(database.FieldID, "c")}, "c"},
		{"after an id", []database.Filter{str(database.FieldID, database.Greater, "c"), equal("tenant", "acme")}, "d e f"},
		{"among ids", []database.Filter{in(database.FieldID, database.String("f"), database.String("a"), database.String("x"))}, "a f"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := strings.Fields(test.want)
			wantIDs(t, c, database.Query{Filters: test.filters}, want...)
			if n, err := c.Count(ctx, test.filters...); err != nil || n != int64(len(want)) {
				t.Errorf("Count = %d, %v, want %d", n, err, len(want))
			}
		})
	}
}

func testOrder(t *testing.T, db database.Database) {
	c, ctx := collection(t, db, jobs()), deadline(t)
	for _, d := range []database.Document{
		doc("e", "x", 1), doc("b", "x", 2), doc("d", "y", 2), doc("a", "Y", 2), doc("c", "", -10), doc("f", "xx", 100),
	} {
		must(t, c.Insert(ctx, d))
	}
	for _, test := range []struct {
		name       string
		by         string
		descending bool
		want       string
	}{
		{"by id", "", false, "a b c d e f"},
		{"by id, descending", "", true, "f e d c b a"},
		{"by number, ties by id", "due", false, "c e a b d f"},
		{"by number, descending with the ties", "due", true, "f d b a e c"},
		{"by string, by bytes", "state", false, "c a b e f d"},
		{"by string, descending", "state", true, "d f e b a c"},
		{"by a field that is the same everywhere", "tenant", true, "f e d c b a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := database.Query{OrderBy: test.by, Descending: test.descending}
			want := strings.Fields(test.want)
			wantIDs(t, c, q, want...)
			q.Limit = 2
			wantIDs(t, c, q, want[:2]...)
			q.IDsOnly = true
			wantIDs(t, c, q, want[:2]...)
		})
	}
}

func testLimits(t *testing.T, db database.Database) {
	c, ctx := collection(t, db, jobs()), deadline(t)
	const n = database.MaxLimit + 5
	together(8, func(w int) {
		for i := w; i < n; i += 8 {
			if err := c.Insert(ctx, doc(fmt.Sprintf("%04d", i), "new", int64(n-i))); err != nil {
				t.Errorf("insert: %v", err)
			}
		}
	})
	for _, test := range []struct{ limit, want int }{{1, 1}, {2, 2}, {150, 150}, {database.MaxLimit, database.MaxLimit}, {0, database.MaxLimit}} {
		got, err := c.Find(ctx, database.Query{Limit: test.limit, OrderBy: "due"})
		must(t, err)
		if len(got) != test.want {
			t.Errorf("Find with limit %d = %d documents, want %d", test.limit, len(got), test.want)
		}
		for i, d := range got {
			if want := fmt.Sprintf("%04d", n-1-i); d.ID != want || string(d.Body) != string(doc(want, "new", int64(i+1)).Body) {
				t.Fatalf("document %d of limit %d = %q %s, want %q", i, test.limit, d.ID, d.Body, want)
			}
		}
	}
	if got, err := c.Count(ctx); err != nil || got != n {
		t.Errorf("Count = %d, %v, want %d: the limit of Find is none of Count", got, err, n)
	}
}

func testIDsOnly(t *testing.T, db database.Database) {
	c, ctx := collection(t, db, jobs()), deadline(t)
	must(t, c.Insert(ctx, doc("a", "new", 1)))
	must(t, c.Save(ctx, with(doc("a", "new", 1), 1)))
	got, err := c.Find(ctx, database.Query{IDsOnly: true})
	must(t, err)
	if len(got) != 1 || got[0].ID != "a" || got[0].Version != 2 || len(got[0].Fields) != 0 || len(got[0].Body) != 0 {
		t.Errorf("Find = %+v, want only id a and version 2", got)
	}
	got, err = c.Find(ctx, database.Query{})
	must(t, err)
	if len(got) != 1 {
		t.Fatalf("Find = %d documents, want 1", len(got))
	}
	sameDoc(t, got[0], with(doc("a", "new", 1), 2))
}

func testCounts(t *testing.T, db database.Database) {
	c, ctx := collection(t, db, jobs()), deadline(t)
	want := func(n int64, filters ...database.Filter) {
		t.Helper()
		if got, err := c.Count(ctx, filters...); err != nil || got != n {
			t.Errorf("Count(%v) = %d, %v, want %d", filters, got, err, n)
		}
	}
	want(0)
	want(0, equal("state", "new"))
	wantIDs(t, c, database.Query{})
	must(t, c.Insert(ctx, doc("a", "new", 1)))
	must(t, c.Insert(ctx, doc("b", "new", 2)))
	want(2)
	want(2, equal("state", "new"))
	must(t, c.Save(ctx, with(doc("b", "done", 2), 1)))
	want(1, equal("state", "new"))
	must(t, c.Delete(ctx, "a", 0))
	want(0, equal("state", "new"))
	want(1)
}

// testRandomQueries asks the adapter and the one in memory the same. The seed is fixed, so that every
// adapter is asked the same.
func testRandomQueries(t *testing.T, db database.Database) {
	s, ctx := jobs(), deadline(t)
	c, reference := collection(t, db, s), collection(t, memory.New(), s)
	rng := rand.New(rand.NewPCG(1, 2))
	states := []string{"", "a", "aa", "b", "B", "ž"}
	for i := range 60 {
		d := doc(fmt.Sprintf("%c%02d", 'a'+rng.IntN(3), i), states[rng.IntN(len(states))], rng.Int64N(7)-3)
		d.Fields["tenant"] = database.String(states[rng.IntN(2)])
		must(t, c.Insert(ctx, d))
		must(t, reference.Insert(ctx, d))
	}
	value := func(field string) database.Value {
		switch field {
		case "due":
			return database.Int(rng.Int64N(9) - 4)
		case database.FieldID:
			return database.String(fmt.Sprintf("%c%02d", 'a'+rng.IntN(3), rng.IntN(60)))
		default:
			return database.String(states[rng.IntN(len(states))])
		}
	}
	fields := []string{"due", "state", "tenant", database.FieldID}
	for range 150 {
		q := database.Query{
			OrderBy: []string{"", "due", "state"}[rng.IntN(3)], Descending: rng.IntN(2) == 0, Limit: rng.IntN(20),
		}
		for range rng.IntN(4) {
			f := database.Filter{Field: fields[rng.IntN(len(fields))], Op: database.Op(1 + rng.IntN(6))}
			if f.Op == database.In {
				for range rng.IntN(4) {
					f.Values = append(f.Values, value(f.Field))
				}
			} else {
				f.Value = value(f.Field)
			}
			q.Filters = append(q.Filters, f)
		}
		want, err := reference.Find(ctx, q)
		must(t, err)
		wantIDs(t, c, q, ids(want)...)
		wantN, err := reference.Count(ctx, q.Filters...)
		must(t, err)
		if n, err := c.Count(ctx, q.Filters...); err != nil || n != wantN {
			t.Errorf("Count(%+v) = %d, %v, want %d", q.Filters, n, err, wantN)
		}
		if slices.ContainsFunc(want, func(d database.Document) bool { return d.Body == nil }) {
			t.Fatalf("the reference left out a body: %+v", q)
		}
	}
}
