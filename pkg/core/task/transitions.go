package task

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// Hinted records that a hint for the present attempt was sent, or is about to be. A pending task becomes
// queued when it is due; for a queued one the time until the next hint begins anew. ErrNotDue otherwise.
func (t *Task) Hinted(now time.Time) error {
	if t.State != Queued && (t.State != Pending || now.Before(t.RunAt)) {
		return fmt.Errorf("hint %s in state %s: %w", t.ID, t.State, ErrNotDue)
	}
	t.State, t.HintedAt = Queued, now
	t.Hints++
	return nil
}

// HintLost records that the hints for the present attempt are lost for sure: a queued task becomes pending again,
// and its next hint counts as the first. ErrNotDue in every other state.
func (t *Task) HintLost() error {
	if t.State != Queued {
		return fmt.Errorf("give up the hints of %s in state %s: %w", t.ID, t.State, ErrNotDue)
	}
	t.State, t.Hints = Pending, 0
	return nil
}

// Claim gives the attempt to owner until now+lease, and raises the fence. A pending task that is due can
// be claimed as well as a queued one: the hint may overtake the record that it was sent. Claiming again
// with the same owner is no error and changes nothing, so a claim whose answer was lost can be repeated.
// ErrNotClaimable in every other state, for another attempt, or before RunAt.
func (t *Task) Claim(owner string, attempt int, now time.Time, lease time.Duration) error {
	if t.State == Running && t.Lease.Owner == owner && t.Attempt == attempt {
		return nil
	}
	if t.State != Queued && t.State != Pending || t.Attempt != attempt || t.State == Pending && now.Before(t.RunAt) {
		return fmt.Errorf("claim attempt %d of %s in state %s at attempt %d: %w", attempt, t.ID, t.State, t.Attempt, ErrNotClaimable)
	}
	t.State, t.StartedAt, t.Progress, t.Error = Running, now, 0, nil
	t.Fence++
	t.Lease = Lease{Owner: owner, Until: now.Add(lease), Length: lease}
	if len(t.Executions) >= maxExecutions {
		t.Executions = t.Executions[1:]
	}
	// Clipped, so that a value that this one was copied from keeps its own history.
	t.Executions = append(slices.Clip(t.Executions), Execution{Attempt: t.Attempt, Fence: t.Fence, Owner: owner, StartedAt: now})
	return nil
}

// holds reports with ErrLeaseLost whether the fence is not the present one of a running task. A lease
// that has run out but was not yet taken away still holds: the fence is what counts.
func (t *Task) holds(fence int64) error {
	if t.State != Running || t.Fence != fence {
		return fmt.Errorf("task %s in state %s at fence %d, not %d: %w", t.ID, t.State, t.Fence, fence, ErrLeaseLost)
	}
	return nil
}

// Heartbeat renews the lease until now+lease and records progress in thousandths, which never falls.
// ErrLeaseLost when fence is not the present one.
func (t *Task) Heartbeat(fence int64, now time.Time, lease time.Duration, progress int) error {
	if err := t.holds(fence); err != nil {
		return err
	}
	t.Lease.Until, t.Lease.Length = now.Add(lease), lease
	t.Progress = max(t.Progress, min(max(progress, 0), 1000))
	t.Reached = max(t.Reached, t.Progress)
	return nil
}

// Succeed records the result. Recording success again under the same fence is no error and keeps the
// first result, so a record whose answer was lost can be repeated. ErrLeaseLost when fence is not the
// present one.
func (t *Task) Succeed(fence int64, result json.RawMessage, now time.Time) error {
	if t.State == Succeeded && t.Fence == fence {
		return nil
	}
	if err := t.holds(fence); err != nil {
		return err
	}
	t.Result, t.Progress, t.Reached = result, 1000, 1000
	t.end(Succeeded, "succeeded", nil, now)
	return nil
}

// Fail records that the attempt failed. An error of class Transient makes the task pending again, as its
// next attempt, after a random part (jitter, from 0 up to but not including 1) of the backoff; when the
// attempts are used up, or for any other class, the task has failed for good. An error of class Cancelled
// is the worker's own affair and counts as Release. Repeating it under the same fence is no error.
// ErrLeaseLost when fence is not the present one.
func (t *Task) Fail(fence int64, rec fault.Record, now time.Time, jitter float64) error {
	class := fault.ParseClass(rec.Class)
	if class == fault.Cancelled {
		return t.Release(fence, now)
	}
	if last := t.last(); last != nil && last.Fence == fence && last.Outcome == "failed" {
		return nil
	}
	if err := t.holds(fence); err != nil {
		return err
	}
	if class == fault.Transient {
		t.retry("failed", rec, now, jitter)
	} else {
		t.end(Failed, "failed", &rec, now)
	}
	return nil
}

// Release gives the task back without counting the attempt: the worker is shutting down. The next claim
// has a higher fence. Repeating it under the same fence is no error. ErrLeaseLost when fence is not the
// present one.
func (t *Task) Release(fence int64, now time.Time) error {
	if last := t.last(); last != nil && last.Fence == fence && last.Outcome == "released" {
		return nil
	}
	if err := t.holds(fence); err != nil {
		return err
	}
	t.closeExecution("released", nil, now)
	t.State, t.RunAt, t.Lease, t.Progress, t.Hints = Pending, now, Lease{}, 0, 0
	return nil
}

// Expire takes the task away from a worker that let its lease run out, or took longer than StartToClose. silent
// is for how long the caller has seen nothing from the worker: the task as it is, unchanged, by the caller's own
// clock. A vanished worker counts as a crash; after MaxCrashes of them, or when the attempts are used up, the
// task has failed for good. ErrNotDue when the task is not running, neither time is up, or the lease has run
// out but the worker was heard of within Lease.Silence: its clock is behind. See Fail for jitter.
func (t *Task) Expire(now time.Time, silent time.Duration, jitter float64) error {
	lost := !now.Before(t.Lease.Until) && silent >= t.Lease.Silence()
	if t.State != Running || !lost && !t.overtime() {
		return fmt.Errorf("expire %s in state %s: %w", t.ID, t.State, ErrNotDue)
	}
	if !lost {
		t.retry("timed_out", fault.RecordOf(fault.New(fault.CodeTaskTimeout, "attempt %d took longer than %v", t.Attempt, t.Limits.StartToClose)), now, jitter)
		return nil
	}
	t.Crashes++
	rec := fault.RecordOf(fault.New(fault.CodeWorkerCrashed, "the worker of attempt %d stopped answering", t.Attempt))
	if t.Crashes >= t.Limits.MaxCrashes {
		t.end(Failed, "crashed", &rec, now)
		return nil
	}
	t.retry("crashed", rec, now, jitter)
	return nil
}

// Cancel ends a task that is not terminal; a worker that holds it finds its fence lost. It reports
// whether anything changed.
func (t *Task) Cancel(now time.Time) bool {
	if t.State.Terminal() {
		return false
	}
	t.end(Cancelled, "cancelled", nil, now)
	return true
}

// retry closes the attempt and plans the next, or ends the task when MaxAttempts are used up.
func (t *Task) retry(outcome string, rec fault.Record, now time.Time, jitter float64) {
	if t.Attempt >= t.Limits.MaxAttempts {
		t.end(Failed, outcome, &rec, now)
		return
	}
	t.closeExecution(outcome, &rec, now)
	wait := t.Limits.BackoffBase
	for n := 1; n < t.Attempt && wait < t.Limits.BackoffCap; n++ {
		wait += min(wait, t.Limits.BackoffCap-wait) // doubled without overflow
	}
	t.State, t.Lease, t.Progress, t.Hints, t.Error = Pending, Lease{}, 0, 0, &rec
	t.RunAt = now.Add(time.Duration(jitter * float64(wait)))
	t.Attempt++
}

// end closes the attempt, if one runs, and the task.
func (t *Task) end(s State, outcome string, rec *fault.Record, now time.Time) {
	t.closeExecution(outcome, rec, now)
	t.State, t.Lease, t.FinishedAt, t.Error = s, Lease{}, now, rec
}

func (t *Task) closeExecution(outcome string, rec *fault.Record, now time.Time) {
	if t.State != Running {
		return
	}
	// The slice may be shared with the value that this one was copied from.
	t.Executions = slices.Clone(t.Executions)
	e := t.last()
	e.EndedAt, e.Outcome, e.Error = now, outcome, rec
}

func (t *Task) last() *Execution {
	if len(t.Executions) == 0 {
		return nil
	}
	return &t.Executions[len(t.Executions)-1]
}
