package memory_test

import (
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/databasetest"
	"github.com/reelmill/reelmill/pkg/database/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	databasetest.Run(t, func(*testing.T) database.Database { return memory.New() })
}

func TestDurableAsLongAsTheValueLives(t *testing.T) {
	db := memory.New()
	databasetest.RunDurable(t, func(*testing.T) (database.Database, func()) { return db, func() {} })
}

func TestZeroValueIsReady(t *testing.T) {
	var db memory.DB
	if err := database.Check(t.Context(), &db); err != nil {
		t.Error(err)
	}
}

func TestWorksInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if err := database.Check(t.Context(), memory.New()); err != nil {
			t.Error(err)
		}
	})
}

func TestAFieldKeepsItsType(t *testing.T) {
	db := memory.New()
	for _, test := range []struct {
		typ  database.Type
		want bool
	}{{database.TypeInt, true}, {database.TypeString, false}, {database.TypeInt, true}} {
		_, err := db.Open(t.Context(), database.Schema{Name: "a", Fields: map[string]database.Type{"x": test.typ}})
		if (err == nil) != test.want {
			t.Errorf("Open with type %d = %v", test.typ, err)
		}
	}
}

func Benchmark(b *testing.B) {
	databasetest.Bench(b, func(*testing.B) database.Database { return memory.New() })
}
