package database_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/databasetest"
	"github.com/reelmill/reelmill/pkg/database/memory"
)

// broken is a database whose collections let a fault in.
type broken struct {
	database.Database
	wrap func(database.Collection) database.Collection
}

func (b broken) Open(ctx context.Context, s database.Schema) (database.Collection, error) {
	c, err := b.Database.Open(ctx, s)
	if err != nil {
		return nil, err
	}
	return b.wrap(c), nil
}

// readThenWrite compares the version in one step and writes in another, as servers do that keep no lock
// between the two.
type readThenWrite struct{ database.Collection }

func (c readThenWrite) Save(ctx context.Context, d database.Document) error {
	now, err := c.Get(ctx, d.ID)
	if err != nil {
		return err
	}
	if now.Version != d.Version {
		return database.ErrConflict
	}
	runtime.Gosched() // as a trip to a disk would
	for {
		err := c.Collection.Save(ctx, d)
		if !errors.Is(err, database.ErrConflict) {
			return err
		}
		if now, err = c.Get(ctx, d.ID); err != nil {
			return err
		}
		d.Version = now.Version
	}
}

// saysDone reports saves as done that lost.
type saysDone struct{ database.Collection }

func (c saysDone) Save(ctx context.Context, d database.Document) error {
	if err := c.Collection.Save(ctx, d); !errors.Is(err, database.ErrConflict) {
		return err
	}
	return nil
}

// upsert lets every insert win.
type upsert struct{ database.Collection }

func (c upsert) Insert(ctx context.Context, d database.Document) error {
	if err := c.Collection.Insert(ctx, d); !errors.Is(err, database.ErrExists) {
		return err
	}
	return nil
}

// forgets keeps the body but not the index fields of a save.
type forgets struct{ database.Collection }

func (c forgets) Save(ctx context.Context, d database.Document) error {
	d.Fields = map[string]database.Value{"round": database.Int(0)}
	return c.Collection.Save(ctx, d)
}

func TestCheckFindsDatabasesThatAreNotSafe(t *testing.T) {
	for name, test := range map[string]struct {
		wrap func(database.Collection) database.Collection
		want string
	}{
		"that read, then write":              {func(c database.Collection) database.Collection { return readThenWrite{c} }, "it kept"},
		"that report lost saves as done":     {func(c database.Collection) database.Collection { return saysDone{c} }, "it kept"},
		"that insert one id more than once":  {func(c database.Collection) database.Collection { return upsert{c} }, "concurrent inserts"},
		"that leave index fields as they be": {func(c database.Collection) database.Collection { return forgets{c} }, "it kept"},
	} {
		t.Run(name, func(t *testing.T) {
			db := memory.New()
			err := database.Check(t.Context(), broken{db, test.wrap})
			if !errors.Is(err, database.ErrUnsafe) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Check = %v, want ErrUnsafe with %q", err, test.want)
			}
			wantCleanedUp(t, db)
		})
	}
}

func TestCheckLeavesNothingBehind(t *testing.T) {
	db := memory.New()
	if err := database.Check(t.Context(), db); err != nil {
		t.Error(err)
	}
	wantCleanedUp(t, db)
}

func TestCheckReportsWhatKeptItFromRunning(t *testing.T) {
	for _, n := range []int{1, 2, 50, 100} {
		db := memory.New()
		inject, _ := faultinject.Nth(n, faultinject.Error)
		err := database.Check(t.Context(), databasetest.Faulty(db, inject))
		if !errors.Is(err, faultinject.ErrInjected) || errors.Is(err, database.ErrUnsafe) {
			t.Errorf("Check with fault at call %d = %v, want that error and no verdict", n, err)
		}
		wantCleanedUp(t, db)
	}
	ctx, cancel := context.WithCancel(t.Context())
	db := memory.New()
	err := database.Check(ctx, databasetest.Faulty(db, func(op string) faultinject.Kind {
		if strings.HasSuffix(op, ".get") { // the document is there
			cancel()
		}
		return faultinject.None
	}))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Check that was cancelled = %v", err)
	}
	wantCleanedUp(t, db)
}

func wantCleanedUp(t *testing.T, db database.Database) {
	t.Helper()
	c, err := db.Open(t.Context(), database.Schema{Name: "doctor_scratch"})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := c.Count(t.Context()); err != nil || n != 0 {
		t.Errorf("%d scratch documents are left, %v", n, err)
	}
}
