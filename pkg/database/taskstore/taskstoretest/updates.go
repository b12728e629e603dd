package taskstoretest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/task"
)

func testClaimRace(t *testing.T, f fixture) {
	const tasks, workers = 20, 8
	for i := range tasks {
		put(t, f, plan("job", "posters", i), begin)
	}
	var wg sync.WaitGroup
	var won [tasks]atomic.Int32
	start := make(chan struct{})
	for w := range workers {
		wg.Go(func() {
			<-start
			for i := range tasks {
				v, err := f.tasks.Update(f.ctx, task.ID("job", "posters", i), func(v *task.Task) error {
					return v.Claim(fmt.Sprint("worker-", w), 1, begin, time.Minute)
				})
				switch {
				case err == nil:
					won[i].Add(1)
					if v.Fence != 1 || v.Lease.Owner != fmt.Sprint("worker-", w) {
						t.Errorf("claimed %s with fence %d for %s", v.ID, v.Fence, v.Lease.Owner)
					}
				case !errors.Is(err, task.ErrNotClaimable):
					t.Errorf("claim: %v", err)
				}
			}
		})
	}
	close(start)
	wg.Wait()
	for i := range won {
		if n := won[i].Load(); n != 1 {
			t.Errorf("task %d was claimed by %d workers", i, n)
		}
	}
	n, err := f.tasks.Count(f.ctx, "thumbnail", task.Running)
	if err != nil || n != tasks {
		t.Errorf("%d tasks are running, %v, want %d", n, err, tasks)
	}
}

func testUpdateRace(t *testing.T, f fixture) {
	const writers, rounds = 4, 10
	v := put(t, f, plan("job", "posters", 0), begin)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < rounds; {
				_, err := f.tasks.Update(f.ctx, v.ID, func(v *task.Task) error {
					v.Hints++
					return nil
				})
				switch {
				case err == nil:
					done++
				case !errors.Is(err, task.ErrContended):
					t.Errorf("update: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	got, err := f.tasks.Get(f.ctx, v.ID)
	must(t, err)
	if got.Hints != writers*rounds || got.Version != writers*rounds+1 {
		t.Errorf("%d updates are stored at version %d, want %d", got.Hints, got.Version, writers*rounds)
	}
}

func testRoundTrip(t *testing.T, f fixture) {
	v := put(t, f, plan("job", "posters", 0), begin,
		hinted(begin.Add(1)), claimed(begin.Add(2), time.Minute), failed(begin.Add(3), 0), hinted(begin.Add(4)), claimed(begin.Add(5), time.Minute))
	got, err := f.tasks.Get(f.ctx, v.ID)
	must(t, err)
	same(t, got, v)

	updated, err := f.tasks.Update(f.ctx, v.ID, succeeded(begin.Add(6)))
	must(t, err)
	must(t, succeeded(begin.Add(6))(&v))
	v.Version = 2
	same(t, updated, v)
	got, err = f.tasks.Get(f.ctx, v.ID)
	must(t, err)
	same(t, got, v)
}

func testInsertAgain(t *testing.T, f fixture) {
	v := put(t, f, plan("job", "posters", 0), begin)
	claim, err := f.tasks.Update(f.ctx, v.ID, claimed(begin, time.Minute))
	must(t, err)
	put(t, f, plan("job", "posters", 0), begin.Add(time.Hour))
	got, err := f.tasks.Get(f.ctx, v.ID)
	must(t, err)
	same(t, got, claim)
}

func testNotFound(t *testing.T, f fixture) {
	if _, err := f.tasks.Get(f.ctx, "job/posters/0"); !errors.Is(err, task.ErrNotFound) {
		t.Errorf("Get = %v, want ErrNotFound", err)
	}
	_, err := f.tasks.Update(f.ctx, "job/posters/0", func(*task.Task) error {
		t.Error("the change ran")
		return nil
	})
	if !errors.Is(err, task.ErrNotFound) {
		t.Errorf("Update = %v, want ErrNotFound", err)
	}
	v := put(t, f, plan("job", "posters", 0), begin)
	_, err = f.tasks.Update(f.ctx, v.ID, func(*task.Task) error { return f.tasks.DeleteByJob(f.ctx, "job") })
	if !errors.Is(err, task.ErrNotFound) {
		t.Errorf("Update of a task that is deleted meanwhile = %v, want ErrNotFound", err)
	}
}

func testChangeFails(t *testing.T, f fixture) {
	v := put(t, f, plan("job", "posters", 0), begin)
	refusal := errors.New("no")
	_, err := f.tasks.Update(f.ctx, v.ID, func(v *task.Task) error {
		v.Hints = 7
		return refusal
	})
	if err != refusal {
		t.Errorf("Update = %v, want the change's own error", err)
	}
	got, err := f.tasks.Get(f.ctx, v.ID)
	must(t, err)
	same(t, got, v)
}

func testContended(t *testing.T, f fixture) {
	v := put(t, f, plan("job", "posters", 0), begin)
	nested, calls := false, 0
	_, err := f.tasks.Update(f.ctx, v.ID, func(*task.Task) error {
		if nested {
			return nil
		}
		calls++
		nested = true
		defer func() { nested = false }()
		_, err := f.tasks.Update(f.ctx, v.ID, func(v *task.Task) error { v.Hints++; return nil })
		return err
	})
	if !errors.Is(err, task.ErrContended) {
		t.Errorf("Update = %v, want ErrContended", err)
	}
	got, err := f.tasks.Get(f.ctx, v.ID)
	must(t, err)
	if got.Hints != calls || calls < 2 || calls > 100 {
		t.Errorf("%d tries, of which the others kept %d", calls, got.Hints)
	}
}
