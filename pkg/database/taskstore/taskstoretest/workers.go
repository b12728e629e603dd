package taskstoretest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/task"
)

func worker(id string, seen time.Time) task.Worker {
	return task.Worker{
		ID: id, Kind: contract.KindThumbnail, Host: "host-1", Version: "v1.2.3", Slots: 2, Tasks: []string{"job/s/0"},
		StartedAt: begin.Add(-time.Hour), SeenAt: seen,
	}
}

func wantLive(t *testing.T, f fixture, since time.Time, want string) []task.Worker {
	t.Helper()
	got, err := f.workers.Live(f.ctx, since)
	ids := make([]string, len(got))
	for i, w := range got {
		ids[i] = w.ID
	}
	if err != nil || !slices.Equal(ids, strings.Fields(want)) {
		t.Errorf("Live = %v, %v, want %v", ids, err, want)
	}
	return got
}

func testWorkers(t *testing.T, f fixture) {
	wantLive(t, f, begin, "")
	for _, w := range []task.Worker{worker("w3", begin), worker("w1", begin.Add(2)), worker("w2", begin.Add(1))} {
		must(t, f.workers.Put(f.ctx, w))
	}
	got := wantLive(t, f, begin, "w1 w2 w3")
	if len(got) == 3 && !reflect.DeepEqual(got[0], worker("w1", begin.Add(2))) {
		t.Errorf("worker = %+v, want as it was put", got[0])
	}
	wantLive(t, f, begin.Add(1), "w1 w2")

	draining := worker("w3", begin.Add(time.Minute))
	draining.Draining, draining.Tasks = true, nil
	must(t, f.workers.Put(f.ctx, draining))
	if got := wantLive(t, f, begin.Add(3), "w3"); len(got) == 1 && !reflect.DeepEqual(got[0], draining) {
		t.Errorf("worker = %+v, want %+v", got[0], draining)
	}
	for range 2 {
		must(t, f.workers.Remove(f.ctx, "w1"))
		wantLive(t, f, begin, "w2 w3")
	}
	must(t, f.workers.Put(f.ctx, worker("w1", begin)))
	wantLive(t, f, begin, "w1 w2 w3")
}

func testStaleWorkers(t *testing.T, f fixture) {
	must(t, f.workers.Put(f.ctx, worker("old", begin.Add(-1))))
	must(t, f.workers.Put(f.ctx, worker("at", begin)))
	must(t, f.workers.Put(f.ctx, worker("new", begin.Add(1))))
	for range 2 {
		must(t, f.workers.RemoveStale(f.ctx, begin))
		wantLive(t, f, time.Unix(0, 0), "at new")
	}
}

func testWorkerRace(t *testing.T, f fixture) {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 5 {
				if err := f.workers.Put(f.ctx, worker("same", begin.Add(time.Duration(n)))); err != nil {
					t.Errorf("put: %v", err)
				}
				if err := f.workers.Put(f.ctx, worker(fmt.Sprint("own-", i), begin)); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	wg.Wait()
	wantLive(t, f, begin, "own-0 own-1 own-2 own-3 same")
}
