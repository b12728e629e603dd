package databasetest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/databasetest"
	"github.com/reelmill/reelmill/pkg/database/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var notes = database.Schema{Name: "notes"}

func note(body string, version int64) database.Document {
	return database.Document{ID: "a", Version: version, Body: []byte(body)}
}

// setUp returns the collection with one document, behind faults that *kind decides on, and the names of
// the operations asked about.
func setUp(t *testing.T, kind *faultinject.Kind) (faulty, real database.Collection, db database.Database, ops *[]string) {
	t.Helper()
	ops = new([]string)
	inner := memory.New()
	db = databasetest.Faulty(inner, func(op string) faultinject.Kind {
		*ops = append(*ops, op)
		return *kind
	})
	faulty, err := db.Open(t.Context(), notes)
	if err != nil {
		t.Fatal(err)
	}
	real, err = inner.Open(t.Context(), notes)
	if err != nil {
		t.Fatal(err)
	}
	if err := real.Insert(t.Context(), note("before", 0)); err != nil {
		t.Fatal(err)
	}
	return faulty, real, db, ops
}

func wantInjected(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, faultinject.ErrInjected) || fault.CodeOf(err) != fault.CodeStoreUnavailable {
		t.Errorf("error = %v, want the injected one, as of a database that does not answer", err)
	}
}

func wantNote(t *testing.T, c database.Collection, body string) {
	t.Helper()
	if d, err := c.Get(t.Context(), "a"); err != nil || string(d.Body) != body {
		t.Errorf("document = %q, %v, want %q", d.Body, err, body)
	}
}

func TestFaultyWithoutFaultsPassesTheSuite(t *testing.T) {
	databasetest.Run(t, func(*testing.T) database.Database {
		return databasetest.Faulty(memory.New(), func(string) faultinject.Kind { return faultinject.None })
	})
}

func TestFaultyNamesEveryOperation(t *testing.T) {
	kind := faultinject.None
	c, _, db, ops := setUp(t, &kind)
	kind = faultinject.Error
	ctx := t.Context()
	wantInjected(t, c.Insert(ctx, note("x", 0)))
	_, err := c.Get(ctx, "a")
	wantInjected(t, err)
	wantInjected(t, c.Save(ctx, note("x", 1)))
	wantInjected(t, c.Delete(ctx, "a", 1))
	_, err = c.Find(ctx, database.Query{})
	wantInjected(t, err)
	_, err = c.Count(ctx)
	wantInjected(t, err)
	wantInjected(t, db.Ping(ctx))
	_, err = db.Open(ctx, notes)
	wantInjected(t, err)
	want := []string{"open", "notes.insert", "notes.get", "notes.save", "notes.delete", "notes.find", "notes.count", "ping", "open"}
	if !slices.Equal(*ops, want) {
		t.Errorf("operations = %q, want %q", *ops, want)
	}
}

func TestFaultyKinds(t *testing.T) {
	t.Run("an error does nothing", func(t *testing.T) {
		kind := faultinject.None
		c, real, _, _ := setUp(t, &kind)
		kind = faultinject.Error
		wantInjected(t, c.Save(t.Context(), note("after", 1)))
		wantNote(t, real, "before")
	})
	t.Run("an error afterwards comes after the deed", func(t *testing.T) {
		kind := faultinject.None
		c, real, _, _ := setUp(t, &kind)
		kind = faultinject.DidButError
		wantInjected(t, c.Save(t.Context(), note("after", 1)))
		wantNote(t, real, "after")
		d, err := c.Get(t.Context(), "a")
		wantInjected(t, err)
		if d.ID != "" {
			t.Errorf("Get returned %+v beside its error", d)
		}
	})
	t.Run("a hang lasts as long as the context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			kind := faultinject.None
			c, real, _, _ := setUp(t, &kind)
			kind = faultinject.Hang
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			begin := time.Now()
			if err := c.Save(ctx, note("after", 1)); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
				t.Errorf("Save = %v after %v", err, time.Since(begin))
			}
			wantNote(t, real, "before")
		})
	})
	t.Run("a panic does nothing", func(t *testing.T) {
		kind := faultinject.None
		c, real, _, _ := setUp(t, &kind)
		kind = faultinject.Panic
		defer func() {
			if v := recover(); v != faultinject.ErrInjected {
				t.Errorf("panic with %v", v)
			}
			wantNote(t, real, "before")
		}()
		_ = c.Save(t.Context(), note("after", 1))
		t.Error("Save did not panic")
	})
}
