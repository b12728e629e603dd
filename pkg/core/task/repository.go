package task

import (
	"context"
	"errors"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

// Errors of stores. Test with errors.Is.
var (
	// ErrNotFound means that there is no such task.
	ErrNotFound = errors.New("task not found")
	// ErrContended means that an update lost against concurrent changes too often in a row.
	ErrContended = errors.New("task is contended")
)

// Repository keeps tasks. Its methods may be called concurrently by any number of processes. Errors
// other than those named are classified; the caller may call again.
type Repository interface {
	// Insert stores a new task, version 1. A task of the same id that is already there is left as it is,
	// and that is no error: planning a step twice makes its tasks once.
	Insert(ctx context.Context, t Task) error
	// Get returns the task, or ErrNotFound.
	Get(ctx context.Context, id string) (Task, error)
	// Update reads the task, lets change alter it and saves it, unless it was changed in between; then it
	// begins again, a bounded number of times (ErrContended). It returns the task as saved. An error of
	// change is returned as it is, and nothing is saved. change may run several times, and it may find
	// its own earlier effect when an answer of the store was lost: transitions that can be repeated under
	// their fence or owner make that harmless. ErrNotFound where there is no such task.
	Update(ctx context.Context, id string, change func(*Task) error) (Task, error)
	// ByJob returns the tasks of a job, of one step unless step is empty, ordered by id.
	ByJob(ctx context.Context, jobID, step string) ([]Task, error)
	// CountByState returns how many tasks of the job's step are in each state.
	CountByState(ctx context.Context, jobID, step string) (map[State]int, error)
	// Overdue returns up to limit queued and running tasks whose Due has come, the longest overdue first.
	Overdue(ctx context.Context, now time.Time, limit int) ([]Task, error)
	// Dispatchable returns up to limit pending tasks of the kind that are due, in the order in which they
	// are to be sent: by priority class, in each class one tenant after the other in turn, each tenant's
	// by Rank. cursor names the tenant to begin after, empty to begin anew.
	Dispatchable(ctx context.Context, kind contract.Kind, now time.Time, cursor string, limit int) ([]Task, error)
	// Count returns how many tasks of the kind are in the state.
	Count(ctx context.Context, kind contract.Kind, s State) (int, error)
	// OldestWaiting returns the earliest RunAt of the kind's pending and queued tasks that are due; ok is
	// false where none waits.
	OldestWaiting(ctx context.Context, kind contract.Kind, now time.Time) (runAt time.Time, ok bool, err error)
	// DeleteByJob removes all tasks of a job. Repeating it is no error.
	DeleteByJob(ctx context.Context, jobID string) error
}

// beginnings is how many of a job's first tasks in a step go before the rest of older jobs: the first
// chunks of a video make it playable.
const beginnings = 2

// Rank orders the tasks of one tenant and priority class for dispatch, ascending by bytes: beginnings
// first, then by the age of the job, then by index.
func (t *Task) Rank() string {
	begin := byte('1')
	if t.Index < beginnings {
		begin = '0'
	}
	return string(begin) + "/" + t.CreatedAt.UTC().Format("20060102T150405.000") + "/" + t.JobID + "/" + indexKey(t.Index)
}

func indexKey(n int) string {
	const digits = 6
	b := make([]byte, digits)
	for i := digits - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return string(b)
}

// Worker is the record of a live worker: what it does, how much it can do, and when it was last heard of.
type Worker struct {
	ID        string        `json:"id"`
	Kind      contract.Kind `json:"kind"`
	Host      string        `json:"host"`
	Version   string        `json:"version"`
	Slots     int           `json:"slots"`
	Tasks     []string      `json:"tasks"`
	Draining  bool          `json:"draining,omitempty"`
	StartedAt time.Time     `json:"started_at"`
	SeenAt    time.Time     `json:"seen_at"`
}

// WorkerTTL is how long a worker counts as live after it was last seen. Workers report at least every
// third of it.
const WorkerTTL = 45 * time.Second

// WorkerRepository keeps the records of live workers. It may be used concurrently.
type WorkerRepository interface {
	// Put stores the record of a worker, in place of the one before.
	Put(ctx context.Context, w Worker) error
	// Remove deletes the record; there being none is no error.
	Remove(ctx context.Context, id string) error
	// Live returns the workers that were seen since the instant, ordered by id.
	Live(ctx context.Context, since time.Time) ([]Worker, error)
	// RemoveStale deletes records of workers not seen since the instant.
	RemoveStale(ctx context.Context, before time.Time) error
}
