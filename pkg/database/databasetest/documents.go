package databasetest

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/database"
)

func testInsert(t *testing.T, db database.Database) {
	c, ctx := collection(t, db, jobs()), deadline(t)
	t.Run("stores version 1, whatever the version given", func(t *testing.T) {
		must(t, c.Insert(ctx, with(doc("a", "new", 1), 41)))
		wantDoc(t, c, with(doc("a", "new", 1), 1))
	})
	t.Run("leaves an existing document as it is", func(t *testing.T) {
		wantErr(t, "Insert of the same id", c.Insert(ctx, doc("a", "other", 2)), database.ErrExists)
		wantDoc(t, c, with(doc("a", "new", 1), 1))
	})
	t.Run("begins anew after a delete", func(t *testing.T) {
		must(t, c.Delete(ctx, "a", 0))
		must(t, c.Insert(ctx, doc("a", "again", 3)))
		wantDoc(t, c, with(doc("a", "again", 3), 1))
	})
}

func testGet(t *testing.T, db database.Database) {
	c := collection(t, db, jobs())
	must(t, c.Insert(deadline(t), doc("a", "new", 1)))
	for _, id := range []string{"b", "A", "a ", "a/", strings.Repeat("a", database.MaxIDBytes)} {
		_, err := c.Get(deadline(t), id)
		wantErr(t, fmt.Sprintf("Get(%.20q)", id), err, database.ErrNotFound)
	}
	other := collection(t, db, jobs())
	_, err := other.Get(deadline(t), "a")
	wantErr(t, "Get from another collection", err, database.ErrNotFound)
}

func testSave(t *testing.T, db database.Database) {
	c, ctx := collection(t, db, jobs()), deadline(t)
	must(t, c.Insert(ctx, doc("a", "new", 1)))
	t.Run("replaces the whole document and raises the version", func(t *testing.T) {
		for v := int64(1); v <= 3; v++ {
			d := with(doc("a", fmt.Sprint("state", v), -v), v)
			must(t, c.Save(ctx, d))
			if d.Version != v {
				t.Errorf("Save changed its argument to version %d", d.Version)
			}
			wantDoc(t, c, with(d, v+1))
		}
	})
	t.Run("at another version is a conflict and changes nothing", func(t *testing.T) {
		for _, v := range []int64{-1, 0, 1, 3, 5, math.MaxInt64 - 1} {
			wantErr(t, fmt.Sprint("Save at version ", v), c.Save(ctx, with(doc("a", "wrong", 9), v)), database.ErrConflict)
		}
		wantDoc(t, c, with(doc("a", "state3", -3), 4))
	})
	t.Run("of the same content is a save too", func(t *testing.T) {
		must(t, c.Save(ctx, with(doc("a", "state3", -3), 4)))
		wantErr(t, "the same Save again", c.Save(ctx, with(doc("a", "state3", -3), 4)), database.ErrConflict)
		wantDoc(t, c, with(doc("a", "state3", -3), 5))
	})
	t.Run("makes no document", func(t *testing.T) {
		for _, v := range []int64{0, 1} {
			wantErr(t, "Save of a new id", c.Save(ctx, with(doc("b", "new", 1), v)), database.ErrNotFound)
		}
		wantIDs(t, c, database.Query{}, "a")
	})
	t.Run("moves the document in the indexes", func(t *testing.T) {
		must(t, c.Save(ctx, with(doc("a", "moved", 7), 5)))
		wantIDs(t, c, database.Query{Filters: []database.Filter{equal("state", "moved")}}, "a")
		wantIDs(t, c, database.Query{Filters: []database.Filter{equal("state", "state3")}})
	})
}

func testDelete(t *testing.T, db database.Database) {
	c, ctx := collection(t, db, jobs()), deadline(t)
	for _, id := range []string{"a", "b", "c"} {
		must(t, c.Insert(ctx, doc(id, "new", 1)))
	}
	must(t, c.Save(ctx, with(doc("a", "new", 1), 1)))
	wantErr(t, "Delete at a version passed", c.Delete(ctx, "a", 1), database.ErrConflict)
	wantErr(t, "Delete at a version to come", c.Delete(ctx, "a", 3), database.ErrConflict)
	wantErr(t, "Delete of an unknown id", c.Delete(ctx, "x", 1), database.ErrNotFound)
	wantErr(t, "Delete of an unknown id at any version", c.Delete(ctx, "x", 0), database.ErrNotFound)
	wantIDs(t, c, database.Query{}, "a", "b", "c")

	must(t, c.Delete(ctx, "a", 2))
	must(t, c.Delete(ctx, "b", 0))
	wantErr(t, "Delete a second time", c.Delete(ctx, "a", 2), database.ErrNotFound)
	wantErr(t, "Save after Delete", c.Save(ctx, with(doc("a", "new", 1), 2)), database.ErrNotFound)
	_, err := c.Get(ctx, "a")
	wantErr(t, "Get after Delete", err, database.ErrNotFound)
	wantIDs(t, c, database.Query{Filters: []database.Filter{equal("state", "new")}}, "c")
}

func testBodies(t *testing.T, db database.Database) {
	c, ctx := collection(t, db, jobs()), deadline(t)
	mebibyte := `{"pad":"` + strings.Repeat(`é\u0000"`[:8], 1<<17) + `"}`
	for i, body := range []string{
		"", "{}", "null", `{"b":1,"a":2,"b":3}`, " { \"spaced\" :\t1.0 }\r\n",
		`{"$set":{"a.b":1},"..":{"$":"$where"},"":0,"_id":7,"version":9}`,
		`{"n":9007199254740993,"f":1e400,"z":-0.0,"t":"2026-01-02T03:04:05.123456789Z"}`,
		`{"text":"žluťoučký 🐎 \u0000 \ud800 日本 \\ \" ﷽ ` + "\u2028\u200d\ufeff\x01\x7f" + `"}`,
		strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
		mebibyte,
	} {
		d := doc(fmt.Sprint("body-", i), "new", 1)
		d.Body = []byte(body)
		must(t, c.Insert(ctx, d))
		wantDoc(t, c, with(d, 1))
		must(t, c.Save(ctx, with(d, 1)))
		wantDoc(t, c, with(d, 2))
	}
	t.Run("the largest is stored, one byte more is refused", func(t *testing.T) {
		d := doc("largest", "new", 1)
		d.Body = bytes.Repeat([]byte("x"), database.MaxBodyBytes)
		must(t, c.Insert(ctx, d))
		wantDoc(t, c, with(d, 1))
		d.Body = append(d.Body, 'x')
		wantErr(t, "Save of a body too large", c.Save(ctx, with(d, 1)), database.ErrTooLarge)
		d.ID = "too large"
		wantErr(t, "Insert of a body too large", c.Insert(ctx, d), database.ErrTooLarge)
		must(t, c.Delete(ctx, "largest", 1))
	})
}

func testValues(t *testing.T, db database.Database) {
	c, ctx := collection(t, db, jobs()), deadline(t)
	texts := []string{"", " ", "0", "null", "$eq", "a.b", "$a.b$", `quote " ' \ back`, "%_*?", "žluť 🐎", "\x01\x7f\u2028",
		strings.Repeat("é", database.MaxStringBytes/2)}
	for i, text := range texts {
		d := doc(fmt.Sprintf("id %d %.40s", i, text), text, int64(i))
		must(t, c.Insert(ctx, d))
		wantDoc(t, c, with(d, 1))
		wantIDs(t, c, database.Query{Filters: []database.Filter{equal("state", text)}}, d.ID)
		wantIDs(t, c, database.Query{Filters: []database.Filter{equal(database.FieldID, d.ID)}}, d.ID)
	}
	numbers := []int64{math.MinInt64, math.MinInt64 + 1, -1 << 53, -1, 0, 1, 1<<53 - 1, 1 << 53, 1<<53 + 1, math.MaxInt64 - 1, math.MaxInt64}
	for i, n := range numbers {
		d := doc(fmt.Sprintf("number-%02d", i), "number", n)
		must(t, c.Insert(ctx, d))
		wantDoc(t, c, with(d, 1))
	}
	for i, n := range numbers {
		of := func(op database.Op) database.Query {
			return database.Query{OrderBy: "due", Filters: []database.Filter{
				equal("state", "number"), {Field: "due", Op: op, Value: database.Int(n)},
			}}
		}
		all := make([]string, len(numbers))
		for j := range all {
			all[j] = fmt.Sprintf("number-%02d", j)
		}
		wantIDs(t, c, of(database.Equal), all[i])
		wantIDs(t, c, of(database.Less), all[:i]...)
		wantIDs(t, c, of(database.GreaterOrEqual), all[i:]...)
	}
}

func testOwnership(t *testing.T, db database.Database) {
	c, ctx := collection(t, db, jobs()), deadline(t)
	scribble := func(d database.Document) {
		for i := range d.Body {
			d.Body[i] = 'x'
		}
		clear(d.Fields)
	}
	want := doc("a", "new", 1)
	given := doc("a", "new", 1)
	must(t, c.Insert(ctx, given))
	sameDoc(t, given, want)
	scribble(given)
	wantDoc(t, c, with(want, 1))

	given = with(doc("a", "new", 1), 1)
	must(t, c.Save(ctx, given))
	sameDoc(t, given, with(want, 1))
	scribble(given)
	wantDoc(t, c, with(want, 2))

	got, err := c.Get(ctx, "a")
	must(t, err)
	scribble(got)
	found, err := c.Find(ctx, database.Query{})
	must(t, err)
	scribble(found[0])
	wantDoc(t, c, with(want, 2))
}
