package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/ident"
	"github.com/reelmill/reelmill/pkg/core/task"
)

// claimTries bounds how often a claim is tried, each time within half a heartbeat. With the pauses between them
// all tries take less than two heartbeats, so that a claim whose answer was lost still has a heartbeat's time left
// of its lease when it is found.
const (
	claimTries = 3
	claimPause = 250 * time.Millisecond
)

// claim takes the task for an owner of this call alone: of two hints for one task that come to one process only
// one may win, but a claim that took place although its answer was lost must be found by the next try.
func (r *Runtime) claim(ctx context.Context, cmd contract.RunTask) (task.Task, error) {
	if err := faultinject.Point(ctx, "claim.before"); err != nil {
		return task.Task{}, err
	}
	owner := r.id + "/" + ident.New()
	for try := 1; ; try++ {
		t, err := r.claimAs(ctx, owner, cmd)
		if err == nil {
			return t, nil
		}
		final := try == claimTries || dropped(err) || fault.ClassOf(err) != fault.Transient
		if final || sleep(ctx, claimPause<<try) != nil {
			return t, fmt.Errorf("claim task %s: %w", cmd.TaskID, err)
		}
	}
}

func (r *Runtime) claimAs(ctx context.Context, owner string, cmd contract.RunTask) (task.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Heartbeat/2)
	defer cancel()
	return r.update(ctx, cmd.TaskID, func(t *task.Task) error {
		if t.Kind != r.cfg.Kind {
			return fault.New(fault.CodeMessageUnsupported, "task %s is of kind %q", t.ID, t.Kind)
		}
		return t.Claim(owner, cmd.Attempt, time.Now(), r.cfg.Lease)
	})
}

// dropped reports whether a claim failed because its hint is stale or a duplicate.
func dropped(err error) bool {
	return errors.Is(err, task.ErrNotClaimable) || errors.Is(err, task.ErrNotFound)
}
