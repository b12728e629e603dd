// Package task holds the unit of work that job-service hands to workers: its states, attempts, fence
// and lease, the rules by which they change, and the contracts of the stores that keep tasks and the
// records of live workers.
//
// The task document is the truth and messages are hints. A worker claims a task, which raises the fence;
// only the holder of the current fence may renew the lease or record an outcome, so a worker that was
// thought dead can do no harm when it wakes. All rules are pure: time and randomness are passed in, and
// nothing here does I/O.
package task

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

// State is where a task stands.
type State string

// The states of a task. Succeeded, Failed and Cancelled are terminal.
const (
	// Pending waits until it is due (a retry waits for its RunAt) and for the dispatcher.
	Pending State = "pending"
	// Queued has had a hint sent for its present attempt.
	Queued State = "queued"
	// Running is claimed by a worker that holds its lease.
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// States returns every state, in the order of a task's life.
func States() []State { return []State{Pending, Queued, Running, Succeeded, Failed, Cancelled} }

// Terminal reports whether nothing can change any more.
func (s State) Terminal() bool { return s == Succeeded || s == Failed || s == Cancelled }

// Errors of transitions. Test with errors.Is.
var (
	// ErrNotClaimable means that the task is not waiting for this attempt: the hint is stale, a
	// duplicate, or early.
	ErrNotClaimable = errors.New("task is not claimable")
	// ErrLeaseLost means that the caller no longer holds the task: it was cancelled, or its lease ran out
	// and another attempt was made. Whatever the caller was doing for it must stop and leave no trace.
	ErrLeaseLost = errors.New("task lease is lost")
	// ErrNotDue means that a timer fired early or late: the task is not in a state that it concerns.
	ErrNotDue = errors.New("task is not due")
)

// Limits are the bounds of a task's attempts. All are above 0.
type Limits struct {
	// MaxAttempts counts attempts that failed or timed out; MaxCrashes, at most MaxAttempts, those whose
	// worker vanished: work that kills its worker is not tried as often.
	MaxAttempts int `json:"max_attempts"`
	MaxCrashes  int `json:"max_crashes"`
	// StartToClose bounds one attempt, from claim to outcome.
	StartToClose time.Duration `json:"start_to_close_ns"`
	// HintTimeout is how long the first hint of an attempt may go unanswered before another is sent; the
	// wait doubles with every further hint, up to 32 times, so that a long queue does not fill with them.
	HintTimeout time.Duration `json:"hint_timeout_ns"`
	// BackoffBase and BackoffCap bound the wait before a retry: a random time up to
	// min(BackoffCap, BackoffBase * 2^(attempt-1)).
	BackoffBase time.Duration `json:"backoff_base_ns"`
	BackoffCap  time.Duration `json:"backoff_cap_ns"`
}

// Lease says who works on a running task, and until when it is believed without a heartbeat.
type Lease struct {
	// Owner is unique to one claim: the worker's id and a random part.
	Owner string `json:"owner"`
	// Until is by the clock of the worker, Length how long that was when the lease was given or renewed.
	Until  time.Time     `json:"until"`
	Length time.Duration `json:"length_ns,omitempty"`
}

// renewed returns when the lease was given or renewed, by the clock of the worker.
func (l Lease) renewed() time.Time { return l.Until.Add(-l.Length) }

// watched is how long before its end a lease is watched: a worker that lives renews it earlier.
func (l Lease) watched() time.Duration { return l.Length / 3 * 2 }

// Silence is how long nothing may be heard from the owner of a lease that has run out, by the clock of the one
// who takes it away. It is longer than two heartbeats are apart, so that a worker whose clock is behind keeps
// its task, and shorter than the lease is watched, so that one that is dead keeps it no longer than its lease.
func (l Lease) Silence() time.Duration { return l.Length / 5 * 3 }

// Execution is the record of one attempt that was claimed.
type Execution struct {
	Attempt   int       `json:"attempt"`
	Fence     int64     `json:"fence"`
	Owner     string    `json:"owner"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// Outcome is "succeeded", "failed", "released", "crashed", "timed_out" or "cancelled"; empty while
	// it runs.
	Outcome string        `json:"outcome,omitempty"`
	Error   *fault.Record `json:"error,omitempty"`
}

// maxExecutions bounds the history: a task released again and again by drains must not grow for ever.
const maxExecutions = 20

// Task is one unit of work. Fields are read freely; they change only through New and the methods, each
// of which either does a whole legal transition or returns an error and leaves the task as it was.
type Task struct {
	// ID is "JOB/STEP/INDEX": the same step planned twice names the same tasks.
	ID     string        `json:"id"`
	Tenant string        `json:"tenant"`
	JobID  string        `json:"job_id"`
	Step   string        `json:"step"`
	Index  int           `json:"index"`
	Kind   contract.Kind `json:"kind"`
	// Folder is the first element of the paths of the task's outputs; empty means Step. Steps that make
	// parts of one thing share it.
	Folder string `json:"folder,omitempty"`
	// Priority is the job's class: 0 high, 1 normal, 2 low.
	Priority int    `json:"priority"`
	Limits   Limits `json:"limits"`

	State State `json:"state"`
	// Attempt counts from 1; an attempt that was released by a drain is not counted again.
	Attempt int `json:"attempt"`
	Crashes int `json:"crashes,omitempty"`
	// Fence grows with every claim and never falls.
	Fence     int64     `json:"fence"`
	Lease     Lease     `json:"lease,omitzero"`
	CreatedAt time.Time `json:"created_at"`
	RunAt     time.Time `json:"run_at"`
	HintedAt  time.Time `json:"hinted_at,omitzero"`
	// Hints counts the hints that were sent for the present attempt.
	Hints      int       `json:"hints,omitempty"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	// Progress is the present attempt's, in thousandths; it never falls within one attempt.
	Progress int `json:"progress"`
	// Reached is the most that any attempt has reached, in thousandths: what users are shown, who would not
	// understand work that is undone.
	Reached int `json:"reached,omitempty"`

	Spec       json.RawMessage   `json:"spec"`
	Result     json.RawMessage   `json:"result,omitempty"`
	Error      *fault.Record     `json:"error,omitempty"`
	Trace      map[string]string `json:"trace,omitempty"`
	Executions []Execution       `json:"executions,omitempty"`

	// Version is the stored version that this value was read at; 0 for one that was never stored. It is
	// the store's to set.
	Version int64 `json:"-"`
}

// Plan is what a new task is made of.
type Plan struct {
	Tenant string
	JobID  string
	Step   string
	Index  int
	Kind   contract.Kind
	// Folder is that of the task; empty means Step.
	Folder   string
	Priority int
	Limits   Limits
	Spec     json.RawMessage
	// Trace is the W3C trace context that attempts belong to.
	Trace map[string]string
}

// ID returns the id of a task.
func ID(jobID, step string, index int) string { return fmt.Sprintf("%s/%s/%d", jobID, step, index) }

// OutputFolder returns the first element of the paths of the task's outputs.
func (t *Task) OutputFolder() string { return cmp.Or(t.Folder, t.Step) }

// New returns the pending first attempt of a plan, due at once. A plan that lacks anything is an error of
// class Permanent.
func New(p Plan, now time.Time) (Task, error) {
	l := p.Limits
	if p.Tenant == "" || p.JobID == "" || p.Step == "" || p.Index < 0 || !p.Kind.Known() || len(p.Spec) == 0 {
		return Task{}, fault.New(fault.CodeTaskSpecInvalid, "task %s of kind %q is not planned whole", ID(p.JobID, p.Step, p.Index), p.Kind)
	}
	if l.MaxAttempts < 1 || l.MaxCrashes < 1 || l.MaxCrashes > l.MaxAttempts || l.StartToClose <= 0 ||
		l.HintTimeout <= 0 || l.BackoffBase <= 0 || l.BackoffCap < l.BackoffBase {
		return Task{}, fault.New(fault.CodeTaskSpecInvalid, "task %s has limits that are not valid: %+v", ID(p.JobID, p.Step, p.Index), l)
	}
	return Task{
		ID: ID(p.JobID, p.Step, p.Index), Tenant: p.Tenant, JobID: p.JobID, Step: p.Step, Index: p.Index, Kind: p.Kind, Folder: p.Folder,
		Priority: p.Priority, Limits: l, State: Pending, Attempt: 1, CreatedAt: now, RunAt: now, Spec: p.Spec, Trace: p.Trace,
	}, nil
}

// Due returns when the sweeper or the dispatcher must look at the task again: when it may run (pending),
// when its hint counts as lost (queued), when its lease is a third over and should have been renewed, or at once
// where the attempt has used up its time (running). The zero time means never: the task is terminal.
func (t *Task) Due() time.Time {
	switch t.State {
	case Pending:
		return t.RunAt
	case Queued:
		return t.HintedAt.Add(t.Limits.HintTimeout << min(max(t.Hints-1, 0), 5))
	case Running:
		if t.overtime() {
			return t.Lease.renewed()
		}
		return t.Lease.Until.Add(-t.Lease.watched())
	default:
		return time.Time{}
	}
}

// overtime reports whether the worker has renewed its lease although the attempt has used up its time. Both times
// are by the worker's clock.
func (t *Task) overtime() bool {
	return t.Lease.renewed().Sub(t.StartedAt) >= t.Limits.StartToClose+startToCloseGrace
}

// startToCloseGrace is how much later than the worker itself the sweeper ends an attempt that has used
// up its time: the worker's own verdict is the better one.
const startToCloseGrace = 15 * time.Second

// Causes with which a worker ends the context of an attempt. Test context.Cause with errors.Is.
var (
	// ErrDrain means that the worker is shutting down and has waited as long as it may: the work stops
	// gently and the task is given back.
	ErrDrain = errors.New("worker is shutting down")
	// ErrTimeUp means that the attempt has used up its StartToClose.
	ErrTimeUp = errors.New("attempt took too long")
)
