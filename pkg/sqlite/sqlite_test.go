package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/databasetest"
	"github.com/reelmill/reelmill/pkg/database/taskstore/taskstoretest"
	"github.com/reelmill/reelmill/pkg/sqlite"
)

func open(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestConformance(t *testing.T) {
	databasetest.Run(t, func(t *testing.T) database.Database { return open(t, filepath.Join(t.TempDir(), "test.db")) })
}

func TestDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	databasetest.RunDurable(t, func(t *testing.T) (database.Database, func()) {
		db, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		return db, func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestTaskStore(t *testing.T) {
	taskstoretest.Run(t, func(t *testing.T) database.Database { return open(t, filepath.Join(t.TempDir(), "test.db")) })
}

func Benchmark(b *testing.B) {
	databasetest.Bench(b, func(b *testing.B) database.Database { return open(b, filepath.Join(b.TempDir(), "test.db")) })
}
