package taskstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/databasetest"
	"github.com/reelmill/reelmill/pkg/database/memory"
	"github.com/reelmill/reelmill/pkg/database/mongodb"
	"github.com/reelmill/reelmill/pkg/database/taskstore"
	"github.com/reelmill/reelmill/pkg/database/taskstore/taskstoretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOnMemory(t *testing.T) {
	taskstoretest.Run(t, func(*testing.T) database.Database { return memory.New() })
}

func TestOnMongoDB(t *testing.T) {
	uri := testenv.Mongo(t)
	taskstoretest.Run(t, func(t *testing.T) database.Database {
		db, err := mongodb.New(mongodb.Config{URI: uri, Database: testenv.UniqueName(t, "tasks")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
			defer cancel()
			if err := db.Close(ctx); err != nil {
				t.Error(err)
			}
		})
		return db
	})
}

func newTask(t *testing.T, index int) task.Task {
	t.Helper()
	v, err := task.New(task.Plan{
		Tenant: "acme", JobID: "job", Step: "s", Index: index, Kind: contract.KindThumbnail, Spec: []byte(`{}`),
		Limits: task.Limits{MaxAttempts: 3, MaxCrashes: 2, StartToClose: time.Minute, HintTimeout: time.Second, BackoffBase: time.Second, BackoffCap: time.Minute},
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestEveryCallOfTheDatabaseMayFail plays a claim with its repetition as a worker does, and fails call 1,
// 2, 3, ... of the database until a run sees no failure.
func TestEveryCallOfTheDatabaseMayFail(t *testing.T) {
	for _, kind := range []faultinject.Kind{faultinject.Error, faultinject.DidButError, faultinject.Hang} {
		t.Run(kind.String(), func(t *testing.T) {
			for n := 1; ; n++ {
				faults := 0
				synctest.Test(t, func(t *testing.T) { faults = play(t, n, kind) })
				if faults == 0 {
					if n < 8 {
						t.Errorf("the run has only %d calls", n-1)
					}
					return
				}
			}
		})
	}
}

// play inserts a task, claims it and finishes it, each repeated until it is reported as done, and returns
// how many calls failed.
func play(t *testing.T, n int, kind faultinject.Kind) (faults int) {
	inner := memory.New()
	inject, _ := faultinject.Nth(n, kind)
	tasks, err := taskstore.OpenTasks(t.Context(), databasetest.Faulty(inner, func(op string) faultinject.Kind {
		if op == "open" {
			return faultinject.None
		}
		return inject(op)
	}))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, call := range []func(context.Context) error{
		func(ctx context.Context) error { return tasks.Insert(ctx, newTask(t, 0)) },
		func(ctx context.Context) error {
			_, err := tasks.Update(ctx, "job/s/0", func(v *task.Task) error { return v.Claim("me", 1, now.Add(time.Hour), time.Minute) })
			return err
		},
		func(ctx context.Context) error {
			_, err := tasks.Update(ctx, "job/s/0", func(v *task.Task) error { return v.Succeed(1, []byte(`{}`), now) })
			return err
		},
		func(ctx context.Context) error { return tasks.DeleteByJob(ctx, "job") },
	} {
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := call(ctx)
			cancel()
			if err == nil {
				break
			}
			if faults++; faults > 1 {
				t.Fatalf("call failed again: %v", err)
			}
			if fault.ClassOf(err) != fault.Transient {
				t.Errorf("error with fault at call %d = %v, want a transient one", n, err)
			}
		}
	}
	c, err := inner.Open(t.Context(), database.Schema{Name: "tasks"})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := c.Count(t.Context()); err != nil || left != 0 {
		t.Errorf("%d tasks are left, %v", left, err)
	}
	return faults
}

func TestAnUpdateStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tasks, err := taskstore.OpenTasks(t.Context(), memory.New())
		if err != nil {
			t.Fatal(err)
		}
		if err := tasks.Insert(t.Context(), newTask(t, 0)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err = tasks.Update(ctx, "job/s/0", func(*task.Task) error {
			// Another writer wins, and the caller gives up.
			_, err := tasks.Update(t.Context(), "job/s/0", func(*task.Task) error { return nil })
			cancel()
			return err
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Update = %v, want the context's error", err)
		}
	})
}

func TestJobsWithMoreTasksThanOnePage(t *testing.T) {
	const n = database.MaxLimit + 10
	tasks, err := taskstore.OpenTasks(t.Context(), memory.New())
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := tasks.Insert(t.Context(), newTask(t, i)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := tasks.ByJob(t.Context(), "job", "")
	if err != nil || len(got) != n {
		t.Errorf("ByJob = %d tasks, %v, want %d", len(got), err, n)
	}
	seen := map[string]bool{}
	for _, v := range got {
		seen[v.ID] = true
	}
	if len(seen) != n {
		t.Errorf("ByJob returned some tasks twice: %s", fmt.Sprint(len(seen)))
	}
	if err := tasks.DeleteByJob(t.Context(), "job"); err != nil {
		t.Fatal(err)
	}
	if got, err := tasks.ByJob(t.Context(), "job", ""); err != nil || len(got) != 0 {
		t.Errorf("%d tasks are left, %v", len(got), err)
	}
}
