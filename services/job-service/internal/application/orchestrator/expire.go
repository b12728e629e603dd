package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/reelmill/reelmill/pkg/core/task"
)

// watch remembers since when running tasks have been seen unchanged. A lease is given by the worker's clock, which
// may be behind; that a worker lives shows in its heartbeats, each of which changes its task.
type watch struct {
	mu   sync.Mutex
	seen map[string]sighting
}

// sighting is a version of a task, and when this process saw it first, by its own monotonic clock.
type sighting struct {
	version int64
	since   time.Time
}

// look takes in the tasks that one sweep found due and returns for how long each running one has been seen as
// it is. What it no longer finds is forgotten.
func (w *watch) look(tasks []task.Task, now time.Time) map[string]time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen, silent := make(map[string]sighting, len(tasks)), make(map[string]time.Duration, len(tasks))
	for _, t := range tasks {
		if t.State != task.Running {
			continue
		}
		s, ok := w.seen[t.ID]
		if !ok || s.version != t.Version {
			s = sighting{version: t.Version, since: now}
		}
		seen[t.ID], silent[t.ID] = s, now.Sub(s.since)
	}
	w.seen = seen
	return silent
}

// expire takes a running task away from its worker, if that has been silent for long enough and the task is still
// the one that was seen.
func (o *Orchestrator) expire(ctx context.Context, seen task.Task, silent time.Duration) error {
	t, err := o.tasks.Update(ctx, seen.ID, func(t *task.Task) error {
		if t.Version != seen.Version {
			return task.ErrNotDue
		}
		return t.Expire(time.Now(), silent, rand.Float64())
	})
	if errors.Is(err, task.ErrNotDue) || errors.Is(err, task.ErrNotFound) {
		return nil // the worker lives, or a heartbeat, an outcome or another sweeper was first
	}
	if err != nil {
		return fmt.Errorf("expire task %s: %w", seen.ID, err)
	}
	o.observer.TaskExpired(t)
	o.log.WarnContext(ctx, "task lease expired", slog.String("task_id", t.ID), slog.String("job_id", t.JobID), slog.Int("attempt", t.Attempt))
	o.Wake(t.JobID)
	o.dispatcher.Wake()
	return nil
}
