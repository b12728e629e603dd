// Package taskstore keeps tasks and the records of live workers in a database: it implements
// task.Repository and task.WorkerRepository once, over database.Collection, for every adapter. What must
// be exact (who holds a task, what became of it) rests on Save at a version alone; queries only choose
// candidates.
package taskstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/database"
)

var _ task.Repository = (*Tasks)(nil)

// The index fields of tasks. Times are nanoseconds since 1970.
const (
	fieldJob      = "job"
	fieldStep     = "step"
	fieldState    = "state"
	fieldKind     = "kind"
	fieldPriority = "priority"
	fieldTenant   = "tenant"
	fieldRank     = "rank"   // Task.Rank and the step, so that no two tasks have the same
	fieldRunAt    = "run_at" // Task.RunAt
	fieldDue      = "due"    // Task.Due of queued and running tasks, never of others
)

// never is the due time of tasks that the sweeper has no interest in.
const never = math.MaxInt64

// Tasks implements task.Repository. It may be used concurrently, by any number of processes.
type Tasks struct{ c database.Collection }

// OpenTasks opens the collection "tasks".
func OpenTasks(ctx context.Context, db database.Database) (*Tasks, error) {
	c, err := db.Open(ctx, database.Schema{
		Name: "tasks",
		Fields: map[string]database.Type{
			fieldJob: database.TypeString, fieldStep: database.TypeString, fieldState: database.TypeString,
			fieldKind: database.TypeString, fieldPriority: database.TypeInt, fieldTenant: database.TypeString,
			fieldRank: database.TypeString, fieldRunAt: database.TypeInt, fieldDue: database.TypeInt,
		},
		Indexes: [][]string{
			{fieldJob},
			{fieldJob, fieldStep, fieldState},
			{fieldDue},
			{fieldKind, fieldState, fieldRunAt},
			{fieldKind, fieldState, fieldPriority, fieldTenant, fieldRank},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open the task store: %w", err)
	}
	return &Tasks{c: c}, nil
}

// Insert implements task.Repository.
func (s *Tasks) Insert(ctx context.Context, t task.Task) error {
	d, err := encode(t)
	if err != nil {
		return err
	}
	if err := s.c.Insert(ctx, d); err != nil && !errors.Is(err, database.ErrExists) {
		return fmt.Errorf("insert task %s: %w", t.ID, err)
	}
	return nil
}

// Get implements task.Repository.
func (s *Tasks) Get(ctx context.Context, id string) (task.Task, error) {
	d, err := s.c.Get(ctx, id)
	if errors.Is(err, database.ErrNotFound) {
		return task.Task{}, fmt.Errorf("get task %s: %w", id, task.ErrNotFound)
	}
	if err != nil {
		return task.Task{}, fmt.Errorf("get task %s: %w", id, err)
	}
	return decode(d)
}

// Tries of Update, and the wait between them: up to tryBase after the first, twice as much after each,
// at most tryCap. All of a worker fleet may want one task at once, and each round one of them wins.
const (
	tries   = 12
	tryBase = 5 * time.Millisecond
	tryCap  = 250 * time.Millisecond
)

// Update implements task.Repository: it tries up to twelve times, with growing random pauses.
func (s *Tasks) Update(ctx context.Context, id string, change func(*task.Task) error) (task.Task, error) {
	for try := range tries {
		if err := pause(ctx, try); err != nil {
			return task.Task{}, fmt.Errorf("update task %s: %w", id, err)
		}
		t, err := s.Get(ctx, id)
		if err != nil {
			return task.Task{}, err
		}
		version := t.Version
		if err := change(&t); err != nil {
			return task.Task{}, err
		}
		t.ID, t.Version = id, version // whatever change made of them
		d, err := encode(t)
		if err != nil {
			return task.Task{}, err
		}
		switch err := s.c.Save(ctx, d); {
		case err == nil:
			t.Version++
			return t, nil
		case errors.Is(err, database.ErrNotFound):
			return task.Task{}, fmt.Errorf("update task %s: %w", id, task.ErrNotFound)
		case !errors.Is(err, database.ErrConflict):
			return task.Task{}, fmt.Errorf("update task %s: %w", id, err)
		}
	}
	return task.Task{}, fmt.Errorf("update task %s: %w", id, task.ErrContended)
}

// pause waits before a try, not before the first.
func pause(ctx context.Context, try int) error {
	if try == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(rand.N(min(tryCap, tryBase<<(try-1))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ByJob implements task.Repository.
func (s *Tasks) ByJob(ctx context.Context, jobID, step string) ([]task.Task, error) {
	docs, err := all(ctx, s.c, database.Query{Filters: ofJob(jobID, step)})
	if err != nil {
		return nil, fmt.Errorf("list tasks of job %s: %w", jobID, err)
	}
	return decodeAll(docs)
}

// CountByState implements task.Repository. The states are counted one after the other, in the order of a
// task's life: a task that moves on meanwhile may be counted twice, and is not missed unless it goes back
// for a retry. States without tasks are left out.
func (s *Tasks) CountByState(ctx context.Context, jobID, step string) (map[task.State]int, error) {
	counts := map[task.State]int{}
	for _, state := range task.States() {
		n, err := s.c.Count(ctx, append(ofJob(jobID, step), isState(state))...)
		if err != nil {
			return nil, fmt.Errorf("count tasks of job %s: %w", jobID, err)
		}
		if n > 0 {
			counts[state] = int(n)
		}
	}
	return counts, nil
}

// Overdue implements task.Repository.
func (s *Tasks) Overdue(ctx context.Context, now time.Time, limit int) ([]task.Task, error) {
	if limit < 1 {
		return nil, nil
	}
	docs, err := s.c.Find(ctx, database.Query{
		Filters: []database.Filter{notAfter(fieldDue, now)}, OrderBy: fieldDue, Limit: min(limit, database.MaxLimit),
	})
	if err != nil {
		return nil, fmt.Errorf("find overdue tasks: %w", err)
	}
	return decodeAll(docs)
}

// Count implements task.Repository.
func (s *Tasks) Count(ctx context.Context, kind contract.Kind, state task.State) (int, error) {
	n, err := s.c.Count(ctx, isKind(kind), isState(state))
	if err != nil {
		return 0, fmt.Errorf("count %s tasks of %s: %w", state, kind, err)
	}
	return int(n), nil
}

// OldestWaiting implements task.Repository.
func (s *Tasks) OldestWaiting(ctx context.Context, kind contract.Kind, now time.Time) (runAt time.Time, ok bool, err error) {
	for _, state := range []task.State{task.Pending, task.Queued} {
		docs, err := s.c.Find(ctx, database.Query{
			Filters: []database.Filter{isKind(kind), isState(state), notAfter(fieldRunAt, now)}, OrderBy: fieldRunAt, Limit: 1,
		})
		if err != nil {
			return time.Time{}, false, fmt.Errorf("find the oldest waiting task of %s: %w", kind, err)
		}
		for _, d := range docs {
			t, err := decode(d)
			if err != nil {
				return time.Time{}, false, err
			}
			if !ok || t.RunAt.Before(runAt) {
				runAt, ok = t.RunAt, true
			}
		}
	}
	return runAt, ok, nil
}

// DeleteByJob implements task.Repository. It goes on until none is left, also of those that are inserted
// meanwhile.
func (s *Tasks) DeleteByJob(ctx context.Context, jobID string) error {
	for {
		docs, err := s.c.Find(ctx, database.Query{Filters: ofJob(jobID, ""), IDsOnly: true})
		if err != nil {
			return fmt.Errorf("find tasks of job %s to delete: %w", jobID, err)
		}
		if len(docs) == 0 {
			return nil
		}
		for _, d := range docs {
			if err := s.c.Delete(ctx, d.ID, 0); err != nil && !errors.Is(err, database.ErrNotFound) {
				return fmt.Errorf("delete task %s: %w", d.ID, err)
			}
		}
	}
}

func encode(t task.Task) (database.Document, error) {
	body, err := json.Marshal(t)
	if err != nil {
		return database.Document{}, fault.Wrap(fault.CodeInternal, fmt.Errorf("encode task %s: %w", t.ID, err), "")
	}
	due := int64(never)
	if t.State == task.Queued || t.State == task.Running {
		due = t.Due().UnixNano()
	}
	return database.Document{ID: t.ID, Version: t.Version, Body: body, Fields: map[string]database.Value{
		fieldJob: database.String(t.JobID), fieldStep: database.String(t.Step), fieldState: database.String(string(t.State)),
		fieldKind: database.String(string(t.Kind)), fieldPriority: database.Int(int64(t.Priority)), fieldTenant: database.String(t.Tenant),
		fieldRank: database.String(t.Rank() + "/" + t.Step), fieldRunAt: database.Int(t.RunAt.UnixNano()), fieldDue: database.Int(due),
	}}, nil
}

func decode(d database.Document) (task.Task, error) {
	var t task.Task
	if err := json.Unmarshal(d.Body, &t); err != nil {
		return task.Task{}, fault.Wrap(fault.CodeInternal, fmt.Errorf("decode task %s: %w", d.ID, err), "")
	}
	t.Version = d.Version
	return t, nil
}

func decodeAll(docs []database.Document) ([]task.Task, error) {
	tasks := make([]task.Task, len(docs))
	for i, d := range docs {
		t, err := decode(d)
		if err != nil {
			return nil, err
		}
		tasks[i] = t
	}
	return tasks, nil
}
