package mongodb_test

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/databasetest"
	"github.com/reelmill/reelmill/pkg/database/mongodb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cleanup returns a context for what is done after a test.
func cleanup(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
}

// server returns the configuration of a database of the test's own on the server for tests.
func server(t testing.TB) mongodb.Config {
	t.Helper()
	cfg := mongodb.Config{URI: testenv.Mongo(t), Database: testenv.UniqueName(t, "database")}
	t.Cleanup(func() {
		ctx, cancel := cleanup(t)
		defer cancel()
		client, err := mongo.Connect(options.Client().ApplyURI(cfg.URI))
		if err != nil {
			t.Error(err)
			return
		}
		if err := client.Database(cfg.Database).Drop(ctx); err != nil {
			t.Errorf("drop %s: %v", cfg.Database, err)
		}
		if err := client.Disconnect(ctx); err != nil {
			t.Error(err)
		}
	})
	return cfg
}

func open(t testing.TB, cfg mongodb.Config) *mongodb.DB {
	t.Helper()
	db, err := mongodb.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, db) })
	return db
}

func shut(t testing.TB, db *mongodb.DB) {
	ctx, cancel := cleanup(t)
	defer cancel()
	if err := db.Close(ctx); err != nil {
		t.Errorf("Close = %v", err)
	}
}

func TestConformance(t *testing.T) {
	cfg := server(t)
	databasetest.Run(t, func(t *testing.T) database.Database { return open(t, cfg) })
}

func TestDurable(t *testing.T) {
	cfg := server(t)
	databasetest.RunDurable(t, func(t *testing.T) (database.Database, func()) {
		db, err := mongodb.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return db, func() { shut(t, db) }
	})
}

func Benchmark(b *testing.B) {
	cfg := server(b)
	databasetest.Bench(b, func(b *testing.B) database.Database { return open(b, cfg) })
}
