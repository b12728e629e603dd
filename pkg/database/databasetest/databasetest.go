// Package databasetest is the conformance suite of the database port: what the suite asserts is what the
// stores above the port may rely on, and every adapter passes it. It also has a decorator that plants
// faults in a database, for the tests of those stores, and benchmarks that compare adapters.
package databasetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/database"
)

// patience bounds every test against a server that hangs.
const patience = 2 * time.Minute

// Run runs the suite. open returns a database that is ready, and sees to its closing by t.Cleanup; it is
// called once. The suite makes collections of its own with random names, so it may run on a database
// that is in use.
func Run(t *testing.T, open func(t *testing.T) database.Database) {
	db := open(t)
	// The race comes first: on a database that loses updates nothing below means anything.
	for _, test := range []struct {
		name string
		run  func(*testing.T, database.Database)
	}{
		{"of concurrent saves at one version exactly one wins", testCompareAndSwapRace},
		{"concurrent workers claim each task once", testClaimRace},
		{"of concurrent inserts of one id exactly one wins", testInsertRace},
		{"of concurrent deletes at one version exactly one wins", testDeleteRace},
		{"writers of different documents do not disturb each other", testIndependentWriters},
		{"the race of Check passes", testCheck},
		{"insert", testInsert},
		{"get", testGet},
		{"save", testSave},
		{"delete", testDelete},
		{"bodies survive byte for byte", testBodies},
		{"values survive", testValues},
		{"the caller owns what it passes and gets", testOwnership},
		{"filters", testFilters},
		{"order", testOrder},
		{"limits", testLimits},
		{"ids only", testIDsOnly},
		{"counts", testCounts},
		{"random queries agree with the reference", testRandomQueries},
		{"schemas that are forbidden are refused", testSchemas},
		{"documents that are forbidden are refused", testForbiddenDocuments},
		{"queries that are forbidden are refused", testForbiddenQueries},
		{"open again and concurrently", testConcurrentOpen},
		{"a schema may gain fields and indexes", testSchemaGrows},
		{"an ended context", testContext},
		{"ping", testPing},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, db) })
	}
}

// RunDurable asserts that what was written before a close is there after it. open opens the same stored
// data each time it is called, and returns what closes it.
func RunDurable(t *testing.T, open func(t *testing.T) (db database.Database, shut func())) {
	schema := jobs()
	db, shut := open(t)
	ctx := deadline(t)
	c := collection(t, db, schema)
	for _, id := range []string{"kept", "saved", "deleted"} {
		must(t, c.Insert(ctx, doc(id, "new", 1)))
	}
	saved := doc("saved", "done", 2)
	saved.Version = 1
	must(t, c.Save(ctx, saved))
	must(t, c.Delete(ctx, "deleted", 1))
	shut()

	db, shut = open(t)
	defer shut()
	c = collection(t, db, schema)
	wantDoc(t, c, with(doc("kept", "new", 1), 1))
	wantDoc(t, c, with(doc("saved", "done", 2), 2))
	if _, err := c.Get(ctx, "deleted"); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("Get of a deleted document after a restart = %v, want ErrNotFound", err)
	}
	wantIDs(t, c, database.Query{Filters: []database.Filter{equal("state", "done")}}, "saved")
}

// jobs returns a schema under a name that is used once.
func jobs() database.Schema {
	return database.Schema{
		Name: "test_" + strings.ToLower(rand.Text()),
		Fields: map[string]database.Type{
			"state": database.TypeString, "tenant": database.TypeString, "due": database.TypeInt,
		},
		Indexes: [][]string{{"state", "due"}, {"tenant"}},
	}
}

// doc returns a document of the schema of jobs.
func doc(id, state string, due int64) database.Document {
	return database.Document{
		ID: id,
		Fields: map[string]database.Value{
			"state": database.String(state), "tenant": database.String("acme"), "due": database.Int(due),
		},
		Body: fmt.Appendf(nil, `{"id":%q,"state":%q,"due":%d}`, id, state, due),
	}
}

func with(d database.Document, version int64) database.Document {
	d.Version = version
	return d
}

func equal(field, value string) database.Filter {
	return database.Filter{Field: field, Op: database.Equal, Value: database.String(value)}
}

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func collection(t testing.TB, db database.Database, s database.Schema) database.Collection {
	t.Helper()
	c, err := db.Open(deadline(t), s)
	if err != nil {
		t.Fatalf("open %s: %v", s.Name, err)
	}
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func wantDoc(t *testing.T, c database.Collection, want database.Document) {
	t.Helper()
	got, err := c.Get(deadline(t), want.ID)
	if err != nil {
		t.Errorf("Get(%q) = %v", want.ID, err)
		return
	}
	sameDoc(t, got, want)
}

func sameDoc(t *testing.T, got, want database.Document) {
	t.Helper()
	if got.ID != want.ID || got.Version != want.Version || string(got.Body) != string(want.Body) {
		t.Errorf("document = %q version %d body %.200q, want %q version %d body %.200q",
			got.ID, got.Version, got.Body, want.ID, want.Version, want.Body)
	}
	if len(got.Fields) != len(want.Fields) {
		t.Errorf("fields of %q = %v, want %v", want.ID, got.Fields, want.Fields)
		return
	}
	for name, v := range want.Fields {
		if got.Fields[name] != v {
			t.Errorf("field %s of %q = %+v, want %+v", name, want.ID, got.Fields[name], v)
		}
	}
}

func ids(docs []database.Document) []string {
	out := make([]string, len(docs))
	for i, d := range docs {
		out[i] = d.ID
	}
	return out
}

func wantIDs(t *testing.T, c database.Collection, q database.Query, want ...string) {
	t.Helper()
	got, err := c.Find(deadline(t), q)
	if err != nil {
		t.Errorf("Find(%+v) = %v", q, err)
		return
	}
	if !slices.Equal(ids(got), want) {
		t.Errorf("Find(%+v) = %v, want %v", q, ids(got), want)
	}
}
