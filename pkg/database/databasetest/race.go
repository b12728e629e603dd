package databasetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"testing"

	"github.com/reelmill/reelmill/pkg/database"
)

// together runs f in n goroutines at once and waits for them.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func testCompareAndSwapRace(t *testing.T, db database.Database) {
	const workers, increments = 8, 50
	c, ctx := collection(t, db, jobs()), deadline(t)
	counter := doc("counter", "new", 0)
	counter.Body = []byte("0")
	must(t, c.Insert(ctx, counter))

	won := make([]int, workers)
	together(workers, func(w int) {
		for won[w] < increments {
			d, err := c.Get(ctx, "counter")
			if err != nil {
				t.Errorf("get: %v", err)
				return
			}
			n, err := strconv.Atoi(string(d.Body))
			if err != nil {
				t.Errorf("body %q: %v", d.Body, err)
				return
			}
			// All workers that read one version write the same bytes: whether a save won cannot be told
			// from the content.
			d.Body = strconv.AppendInt(nil, int64(n+1), 10)
			d.Fields["due"] = database.Int(int64(n + 1))
			switch err := c.Save(ctx, d); {
			case err == nil:
				won[w]++
			case !errors.Is(err, database.ErrConflict):
				t.Errorf("save: %v", err)
				return
			}
		}
	})
	total := 0
	for _, n := range won {
		total += n
	}
	d, err := c.Get(ctx, "counter")
	must(t, err)
	if want := strconv.Itoa(total); total != workers*increments || string(d.Body) != want ||
		d.Version != int64(total)+1 || d.Fields["due"].Int != int64(total) {
		t.Fatalf("%d saves were reported as done, want %d; the counter is %s, its field %d, its version %d",
			total, workers*increments, d.Body, d.Fields["due"].Int, d.Version)
	}
}

func testClaimRace(t *testing.T, db database.Database) {
	const tasks, workers = 200, 8
	c, ctx := collection(t, db, jobs()), deadline(t)
	together(workers, func(w int) {
		for i := w; i < tasks; i += workers {
			if err := c.Insert(ctx, doc(fmt.Sprintf("task-%03d", i), "pending", int64(i))); err != nil {
				t.Errorf("insert: %v", err)
			}
		}
	})
	claims := make([]map[string]int, workers)
	together(workers, func(w int) {
		claims[w] = map[string]int{}
		for {
			due, err := c.Find(ctx, database.Query{
				Filters: []database.Filter{equal("state", "pending")}, OrderBy: "due", Limit: 10,
			})
			if err != nil {
				t.Errorf("find: %v", err)
				return
			}
			if len(due) == 0 {
				return
			}
			for i := range due {
				d := due[(i+w)%len(due)] // not all at the same one first
				d.Fields["state"] = database.String("running")
				switch err := c.Save(ctx, d); {
				case err == nil:
					claims[w][d.ID]++
				case !errors.Is(err, database.ErrConflict):
					t.Errorf("save: %v", err)
					return
				}
			}
		}
	})
	times := map[string]int{}
	for _, mine := range claims {
		for id, n := range mine {
			times[id] += n
		}
	}
	maps.DeleteFunc(times, func(_ string, n int) bool { return n == 1 })
	if len(times) > 0 {
		t.Errorf("claimed more than once: %v", times)
	}
	n, err := c.Count(ctx, equal("state", "running"))
	must(t, err)
	if n != tasks {
		t.Errorf("%d tasks are running, want %d", n, tasks)
	}
}

func testInsertRace(t *testing.T, db database.Database) {
	c, ctx := collection(t, db, jobs()), deadline(t)
	winner := raceOnce(t, database.ErrExists, func(w int) error {
		return c.Insert(ctx, doc("same", strconv.Itoa(w), 0))
	})
	wantDoc(t, c, with(doc("same", strconv.Itoa(winner), 0), 1))
}

func testDeleteRace(t *testing.T, db database.Database) {
	c, ctx := collection(t, db, jobs()), deadline(t)
	must(t, c.Insert(ctx, doc("same", "new", 0)))
	raceOnce(t, database.ErrNotFound, func(int) error { return c.Delete(ctx, "same", 1) })
}

// raceOnce calls f in 16 goroutines and asserts that one succeeds, which it returns, and that the others
// end in lost.
func raceOnce(t *testing.T, lost error, f func(i int) error) int {
	t.Helper()
	const callers = 16
	errs := make([]error, callers)
	together(callers, func(i int) { errs[i] = f(i) })
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Errorf("callers %d and %d both won", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, lost):
			t.Errorf("caller %d = %v, want %v", i, err, lost)
		}
	}
	if winner < 0 {
		t.Error("nobody won")
	}
	return winner
}

func testIndependentWriters(t *testing.T, db database.Database) {
	const writers, saves = 50, 4
	c, ctx := collection(t, db, jobs()), deadline(t)
	together(writers, func(w int) {
		d := doc(fmt.Sprintf("doc-%02d", w), "new", 0)
		if err := c.Insert(ctx, d); err != nil {
			t.Errorf("insert: %v", err)
			return
		}
		for v := range saves {
			d = with(doc(d.ID, "saved", int64(v)), int64(v+1))
			if err := c.Save(ctx, d); err != nil {
				t.Errorf("save %d of %s: %v", v, d.ID, err)
				return
			}
		}
	})
	for w := range writers {
		wantDoc(t, c, with(doc(fmt.Sprintf("doc-%02d", w), "saved", saves-1), saves+1))
	}
}

func testCheck(t *testing.T, db database.Database) {
	if err := database.Check(deadline(t), db); err != nil {
		t.Errorf("Check = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantErr(t, "Check under an ended context", database.Check(ctx, db), context.Canceled)
}
