package database_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/databasetest"
	"github.com/reelmill/reelmill/pkg/database/memory"
)

func TestLazyKeepsTheContract(t *testing.T) {
	databasetest.Run(t, func(*testing.T) database.Database { return database.Lazy(memory.New()) })
}

// flaky refuses to open collections until it is told to.
type flaky struct {
	database.Database
	mu    sync.Mutex
	up    bool
	opens int
}

func (f *flaky) Open(ctx context.Context, s database.Schema) (database.Collection, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opens++
	if !f.up {
		return nil, errors.New("down")
	}
	return f.Database.Open(ctx, s)
}

func TestLazyOpensOnceWhenTheDatabaseIsBack(t *testing.T) {
	db := &flaky{Database: memory.New()}
	c, err := database.Lazy(db).Open(t.Context(), database.Schema{Name: "things"})
	if err != nil {
		t.Fatalf("Open asked the database: %v", err)
	}
	if _, err := c.Get(t.Context(), "x"); err == nil || errors.Is(err, database.ErrNotFound) {
		t.Fatalf("Get while the database is down = %v", err)
	}
	db.mu.Lock()
	db.up, db.opens = true, 0
	db.mu.Unlock()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := c.Get(t.Context(), "x"); !errors.Is(err, database.ErrNotFound) {
				t.Errorf("Get = %v, want ErrNotFound", err)
			}
		})
	}
	wg.Wait()
	if db.opens != 1 {
		t.Errorf("the collection was opened %d times by concurrent first uses", db.opens)
	}
}
