// Package consumer takes workers' replies from the queue. A reply is a hint: it is compared with the task
// document, and only the current attempt's wakes the job.
package consumer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/messaging"
)

// Waker moves jobs and tasks on.
type Waker interface {
	// Wake makes the job be advanced soon.
	Wake(jobID string)
}

// Observer is told of what operators count.
type Observer interface {
	// Reply tells of a reply and whether it was stale.
	Reply(kind contract.Kind, stale bool)
}

// Replies handles replies.
type Replies struct {
	tasks    task.Repository
	jobs     Waker
	dispatch func()
	observer Observer
	log      *slog.Logger
}

// New returns the handler of replies. dispatch is called, and must not block, when a task may be due for
// its next attempt.
func New(tasks task.Repository, jobs Waker, dispatch func(), observer Observer, log *slog.Logger) *Replies {
	return &Replies{tasks: tasks, jobs: jobs, dispatch: dispatch, observer: observer, log: log}
}

// Handle handles one reply. What cannot be decoded is an error of class Invalid, and parked.
func (r *Replies) Handle(ctx context.Context, d messaging.Delivery) error {
	if err := faultinject.Point(ctx, "reply.after_receive"); err != nil {
		return err
	}
	env, err := contract.DecodeEnvelope(d.Body)
	if err != nil {
		return err
	}
	reply, err := contract.DecodeReply(env)
	if err != nil {
		return err
	}
	get, cancel := context.WithTimeout(ctx, getTimeout)
	t, err := r.tasks.Get(get, reply.TaskID)
	cancel()
	if errors.Is(err, task.ErrNotFound) {
		r.observer.Reply("", true)
		return nil
	}
	if err != nil {
		return err
	}
	if !current(t, reply) {
		r.observer.Reply(t.Kind, true)
		r.log.InfoContext(ctx, "stale reply", slog.String("task_id", t.ID), slog.String("job_id", t.JobID),
			slog.Int("attempt", reply.Attempt), slog.Int64("fence", reply.Fence))
		return nil
	}
	r.observer.Reply(t.Kind, false)
	r.jobs.Wake(t.JobID)
	// A slot became free, or a retry is planned: either may let another task go.
	r.dispatch()
	return faultinject.Point(ctx, "reply.after_cas_before_ack")
}

// getTimeout bounds the look at the task, well below the broker's acknowledgement timeout.
const getTimeout = 10 * time.Second

// current reports whether the reply is of the task's latest attempt. After a failed attempt the task is
// already at the next one, with the fence unchanged until it is claimed.
func current(t task.Task, r contract.TaskReply) bool {
	return t.Fence == r.Fence && (t.Attempt == r.Attempt || t.State == task.Pending && t.Attempt == r.Attempt+1 || t.State == task.Queued && t.Attempt == r.Attempt+1)
}
