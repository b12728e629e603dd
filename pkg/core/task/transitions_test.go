package task_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
)

const (
	lease = 30 * time.Second
	// half is a jitter that makes a retry wait for half of its backoff.
	half = 0.5
)

var (
	t0     = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	limits = task.Limits{MaxAttempts: 3, MaxCrashes: 2, StartToClose: 5 * time.Minute, HintTimeout: 30 * time.Second,
		BackoffBase: 2 * time.Second, BackoffCap: time.Minute}
	result    = json.RawMessage(`{"outputs":[]}`)
	transient = fault.RecordOf(fault.New(fault.CodeFFmpegFailed, "it broke"))
	invalid   = fault.RecordOf(fault.New(fault.CodeSourceCorrupt, "it is damaged"))
	permanent = fault.RecordOf(fault.New(fault.CodeLimitExceeded, "it is too much"))
	cancelled = fault.RecordOf(fault.New(fault.CodeCancelled, "it was broken off"))
)

func planned(t testing.TB, l task.Limits) task.Task {
	t.Helper()
	tk, err := task.New(task.Plan{Tenant: "acme", JobID: "j", Step: "thumbnails", Kind: contract.KindThumbnail, Priority: 1,
		Limits: l, Spec: json.RawMessage(`{}`), Trace: map[string]string{"traceparent": "00-1"}}, t0)
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

// must fails the test where a transition that a fixture needs is refused.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// in returns a task in the state, as it is at t0+10s: at attempt 1 and fence 1 where it has run.
func in(t testing.TB, s task.State) task.Task {
	t.Helper()
	tk := planned(t, limits)
	if s == task.Pending {
		return tk
	}
	must(t, tk.Hinted(t0.Add(time.Second)))
	if s == task.Queued {
		return tk
	}
	must(t, tk.Claim("w/1", 1, t0.Add(2*time.Second), lease))
	must(t, tk.Heartbeat(1, t0.Add(5*time.Second), lease, 250))
	switch s {
	case task.Running:
	case task.Succeeded:
		must(t, tk.Succeed(1, result, t0.Add(9*time.Second)))
	case task.Failed:
		must(t, tk.Fail(1, invalid, t0.Add(9*time.Second), half))
	case task.Cancelled:
		tk.Cancel(t0.Add(9 * time.Second))
	}
	if tk.State != s {
		t.Fatalf("the fixture is %s, want %s", tk.State, s)
	}
	return tk
}

func deepCopy(t testing.TB, tk task.Task) task.Task {
	t.Helper()
	b, err := json.Marshal(tk)
	if err != nil {
		t.Fatal(err)
	}
	var c task.Task
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// ended returns the record of the fixture's only attempt, ended so.
func ended(outcome string, at time.Time, rec *fault.Record) []task.Execution {
	return []task.Execution{{Attempt: 1, Fence: 1, Owner: "w/1", StartedAt: t0.Add(2 * time.Second), EndedAt: at, Outcome: outcome, Error: rec}}
}

// retried is what every planned retry of the fixture has in common.
func retried(tk *task.Task, outcome string, at time.Time, rec fault.Record) {
	tk.State, tk.Attempt, tk.Lease, tk.Progress, tk.Hints, tk.Error = task.Pending, 2, task.Lease{}, 0, 0, &rec
	tk.RunAt, tk.Executions = at.Add(time.Second), ended(outcome, at, &rec) // half of the base
}

func finished(tk *task.Task, s task.State, outcome string, at time.Time, rec *fault.Record) {
	tk.State, tk.Lease, tk.FinishedAt, tk.Error, tk.Executions = s, task.Lease{}, at, rec, ended(outcome, at, rec)
}

// call is one transition, with what it does in the states where it is legal. In every other state it
// must return refused and change nothing.
type call struct {
	name    string
	do      func(tk *task.Task) error
	refused error
	legal   map[task.State]func(tk *task.Task)
}

func unchanged(*task.Task) {}

// silence is how long nothing is heard from a worker before it is given up.
const silence = lease / 5 * 3

// transitions is the table of the package: every method with every kind of argument.
func transitions() []call {
	now := t0.Add(10 * time.Second)
	late := t0.Add(35 * time.Second)                                 // the lease has run out
	closed := t0.Add(2*time.Second + 5*time.Minute + 15*time.Second) // the attempt's time, and grace, are over
	crash := fault.RecordOf(fault.New(fault.CodeWorkerCrashed, "the worker of attempt 1 stopped answering"))
	claimed := func(tk *task.Task) {
		tk.State, tk.Fence, tk.StartedAt = task.Running, 1, now
		tk.Lease = task.Lease{Owner: "w/9", Until: now.Add(lease), Length: lease}
		tk.Executions = []task.Execution{{Attempt: 1, Fence: 1, Owner: "w/9", StartedAt: now}}
	}
	beaten := func(progress int) func(*task.Task) {
		return func(tk *task.Task) {
			tk.Lease.Until, tk.Progress, tk.Reached = now.Add(lease), progress, max(tk.Reached, progress)
		}
	}
	released := func(tk *task.Task) {
		tk.State, tk.RunAt, tk.Lease, tk.Progress, tk.Hints, tk.Executions = task.Pending, now, task.Lease{}, 0, 0, ended("released", now, nil)
	}
	type legal = map[task.State]func(*task.Task)
	return []call{
		{"Hinted", func(tk *task.Task) error { return tk.Hinted(now) }, task.ErrNotDue, legal{
			task.Pending: func(tk *task.Task) { tk.State, tk.HintedAt, tk.Hints = task.Queued, now, 1 },
			task.Queued:  func(tk *task.Task) { tk.HintedAt, tk.Hints = now, 2 },
		}},
		{"Hinted before it is due", func(tk *task.Task) error { return tk.Hinted(t0.Add(-1)) }, task.ErrNotDue, legal{
			task.Queued: func(tk *task.Task) { tk.HintedAt, tk.Hints = t0.Add(-1), 2 },
		}},
		{"HintLost", func(tk *task.Task) error { return tk.HintLost() }, task.ErrNotDue, legal{
			task.Queued: func(tk *task.Task) { tk.State, tk.Hints = task.Pending, 0 },
		}},
		{"Claim", func(tk *task.Task) error { return tk.Claim("w/9", 1, now, lease) }, task.ErrNotClaimable, legal{
			task.Pending: claimed, task.Queued: claimed,
		}},
		{"Claim before it is due", func(tk *task.Task) error { return tk.Claim("w/9", 1, t0.Add(-1), lease) }, task.ErrNotClaimable, legal{
			task.Queued: func(tk *task.Task) {
				claimed(tk)
				tk.StartedAt, tk.Lease.Until, tk.Executions[0].StartedAt = t0.Add(-1), t0.Add(-1).Add(lease), t0.Add(-1)
			},
		}},
		{"Claim of another attempt", func(tk *task.Task) error { return tk.Claim("w/9", 2, now, lease) }, task.ErrNotClaimable, nil},
		{"Claim by the holder", func(tk *task.Task) error {
			if tk.State != task.Running {
				return task.ErrNotClaimable // the other rows say what a new owner gets
			}
			return tk.Claim("w/1", 1, now, lease)
		}, task.ErrNotClaimable, legal{task.Running: unchanged}},
		{"Heartbeat", func(tk *task.Task) error { return tk.Heartbeat(1, now, lease, 300) }, task.ErrLeaseLost, legal{task.Running: beaten(300)}},
		{"Heartbeat with less progress", func(tk *task.Task) error { return tk.Heartbeat(1, now, lease, 100) }, task.ErrLeaseLost, legal{task.Running: beaten(250)}},
		{"Heartbeat with negative progress", func(tk *task.Task) error { return tk.Heartbeat(1, now, lease, -5) }, task.ErrLeaseLost, legal{task.Running: beaten(250)}},
		{"Heartbeat with too much progress", func(tk *task.Task) error { return tk.Heartbeat(1, now, lease, 5000) }, task.ErrLeaseLost, legal{task.Running: beaten(1000)}},
		{"Heartbeat after the lease ran out", func(tk *task.Task) error { return tk.Heartbeat(1, late, lease, 300) }, task.ErrLeaseLost, legal{
			task.Running: func(tk *task.Task) { tk.Lease.Until, tk.Progress, tk.Reached = late.Add(lease), 300, 300 },
		}},
		{"Heartbeat under an old fence", func(tk *task.Task) error { return tk.Heartbeat(0, now, lease, 300) }, task.ErrLeaseLost, nil},
		{"Heartbeat under a future fence", func(tk *task.Task) error { return tk.Heartbeat(2, now, lease, 300) }, task.ErrLeaseLost, nil},
		{"Succeed", func(tk *task.Task) error { return tk.Succeed(1, json.RawMessage(`{"second":true}`), now) }, task.ErrLeaseLost, legal{
			task.Running: func(tk *task.Task) {
				finished(tk, task.Succeeded, "succeeded", now, nil)
				tk.Result, tk.Progress, tk.Reached = json.RawMessage(`{"second":true}`), 1000, 1000
			},
			task.Succeeded: unchanged, // and keeps the first result
		}},
		{"Succeed under an old fence", func(tk *task.Task) error { return tk.Succeed(0, result, now) }, task.ErrLeaseLost, nil},
		{"Fail with a transient error", func(tk *task.Task) error { return tk.Fail(1, transient, now, half) }, task.ErrLeaseLost, legal{
			task.Running: func(tk *task.Task) { retried(tk, "failed", now, transient) },
			task.Failed:  unchanged,
		}},
		{"Fail with an invalid source", func(tk *task.Task) error { return tk.Fail(1, invalid, now, half) }, task.ErrLeaseLost, legal{
			task.Running: func(tk *task.Task) { finished(tk, task.Failed, "failed", now, &invalid) },
			task.Failed:  unchanged,
		}},
		{"Fail with a permanent error", func(tk *task.Task) error { return tk.Fail(1, permanent, now, half) }, task.ErrLeaseLost, legal{
			task.Running: func(tk *task.Task) { finished(tk, task.Failed, "failed", now, &permanent) },
			task.Failed:  unchanged,
		}},
		{"Fail of work that was broken off", func(tk *task.Task) error { return tk.Fail(1, cancelled, now, half) }, task.ErrLeaseLost, legal{task.Running: released}},
		{"Fail under an old fence", func(tk *task.Task) error { return tk.Fail(0, invalid, now, half) }, task.ErrLeaseLost, nil},
		{"Release", func(tk *task.Task) error { return tk.Release(1, now) }, task.ErrLeaseLost, legal{task.Running: released}},
		{"Release under an old fence", func(tk *task.Task) error { return tk.Release(0, now) }, task.ErrLeaseLost, nil},
		{"Expire while the lease holds", func(tk *task.Task) error { return tk.Expire(now, lease, half) }, task.ErrNotDue, nil},
		{"Expire just before the lease runs out", func(tk *task.Task) error { return tk.Expire(late.Add(-1), lease, half) }, task.ErrNotDue, nil},
		{"Expire of a worker whose clock is behind", func(tk *task.Task) error { return tk.Expire(late.Add(time.Minute), silence-1, half) }, task.ErrNotDue, nil},
		{"Expire when the lease has run out", func(tk *task.Task) error { return tk.Expire(late, silence, half) }, task.ErrNotDue, legal{
			task.Running: func(tk *task.Task) { tk.Crashes = 1; retried(tk, "crashed", late, crash) },
		}},
		{"Expire when the attempt's time is up", func(tk *task.Task) error {
			if tk.State == task.Running { // its worker is alive
				tk.Lease.Until = closed.Add(lease)
			}
			return tk.Expire(closed, 0, half)
		}, task.ErrNotDue, legal{
			task.Running: func(tk *task.Task) {
				retried(tk, "timed_out", closed, fault.RecordOf(fault.New(fault.CodeTaskTimeout, "attempt 1 took longer than 5m0s")))
			},
		}},
		{"Cancel", func(tk *task.Task) error {
			if !tk.Cancel(now) {
				return errNoChange
			}
			return nil
		}, errNoChange, legal{
			task.Pending: func(tk *task.Task) { tk.State, tk.FinishedAt = task.Cancelled, now },
			task.Queued:  func(tk *task.Task) { tk.State, tk.FinishedAt = task.Cancelled, now },
			task.Running: func(tk *task.Task) { finished(tk, task.Cancelled, "cancelled", now, nil) },
		}},
	}
}

var errNoChange = errors.New("nothing changed")

func TestEveryTransitionFromEveryState(t *testing.T) {
	for _, c := range transitions() {
		for _, s := range task.States() {
			t.Run(fmt.Sprintf("%s/%s", c.name, s), func(t *testing.T) {
				got, want := in(t, s), in(t, s)
				shared := got // a copy by value shares what slices and pointers lead to
				err := c.do(&got)
				change, legal := c.legal[s]
				if !legal {
					if !errors.Is(err, c.refused) {
						t.Errorf("error = %v, want %v", err, c.refused)
					}
				} else if err != nil {
					t.Errorf("error = %v, want none", err)
				} else {
					change(&want)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("task is\n%+v\nwant\n%+v", got, want)
				}
				if fixture := in(t, s); !reflect.DeepEqual(shared, fixture) {
					t.Errorf("the value that the task was copied from became\n%+v\nfrom\n%+v", shared, fixture)
				}
			})
		}
	}
}

func TestTransitionsLeadOnlyWhereTheDiagramSays(t *testing.T) {
	want := map[task.State][]task.State{
		task.Pending: {task.Queued, task.Running, task.Cancelled},
		task.Queued:  {task.Pending, task.Running, task.Cancelled},
		task.Running: {task.Pending, task.Succeeded, task.Failed, task.Cancelled},
	}
	got := map[task.State]map[task.State]bool{}
	for _, c := range transitions() {
		for _, s := range task.States() {
			tk := in(t, s)
			if err := c.do(&tk); err == nil && tk.State != s {
				if got[s] == nil {
					got[s] = map[task.State]bool{}
				}
				got[s][tk.State] = true
			}
		}
	}
	for _, s := range task.States() {
		if len(got[s]) != len(want[s]) {
			t.Errorf("from %s transitions lead to %v, want %v", s, got[s], want[s])
		}
		for _, to := range want[s] {
			if !got[s][to] {
				t.Errorf("no transition leads from %s to %s", s, to)
			}
		}
		if s.Terminal() != (len(want[s]) == 0) {
			t.Errorf("%s.Terminal() = %t", s, s.Terminal())
		}
	}
}

func TestRepeatingATransitionWhoseAnswerWasLostChangesNothing(t *testing.T) {
	later := t0.Add(time.Minute)
	for name, do := range map[string]func(tk *task.Task, now time.Time) error{
		"Succeed":           func(tk *task.Task, now time.Time) error { return tk.Succeed(1, result, now) },
		"Fail for good":     func(tk *task.Task, now time.Time) error { return tk.Fail(1, invalid, now, half) },
		"Fail with a retry": func(tk *task.Task, now time.Time) error { return tk.Fail(1, transient, now, half) },
		"Fail, broken off":  func(tk *task.Task, now time.Time) error { return tk.Fail(1, cancelled, now, half) },
		"Release":           func(tk *task.Task, now time.Time) error { return tk.Release(1, now) },
	} {
		tk := in(t, task.Running)
		must(t, do(&tk, t0.Add(10*time.Second)))
		want := deepCopy(t, tk)
		if err := do(&tk, later); err != nil || !reflect.DeepEqual(tk, want) {
			t.Errorf("%s again: %v, task\n%+v\nwant\n%+v", name, err, tk, want)
		}
		// Once the next attempt is claimed, the old holder has nothing to say any more.
		if tk.State == task.Pending {
			must(t, tk.Claim("w/2", tk.Attempt, later, lease))
			want := deepCopy(t, tk)
			if err := do(&tk, later); !errors.Is(err, task.ErrLeaseLost) || !reflect.DeepEqual(tk, want) {
				t.Errorf("%s after the next claim: %v, task\n%+v\nwant\n%+v", name, err, tk, want)
			}
		}
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	for name, tc := range map[string]struct {
		end      func(tk *task.Task, now time.Time) error
		attempts int
		outcome  string
		code     fault.Code
	}{
		"failures": {func(tk *task.Task, now time.Time) error { return tk.Fail(tk.Fence, transient, now, half) }, 3, "failed", fault.CodeFFmpegFailed},
		"time-outs": {func(tk *task.Task, _ time.Time) error {
			end := tk.StartedAt.Add(limits.StartToClose + 15*time.Second)
			must(t, tk.Heartbeat(tk.Fence, end, lease, 0))
			return tk.Expire(end, 0, half)
		}, 3, "timed_out", fault.CodeTaskTimeout},
		"crashes": {func(tk *task.Task, _ time.Time) error { return tk.Expire(tk.Lease.Until, silence, half) }, 2, "crashed", fault.CodeWorkerCrashed},
	} {
		t.Run(name, func(t *testing.T) {
			tk := planned(t, limits)
			attempts := 0
			for !tk.State.Terminal() {
				now := tk.RunAt
				must(t, tk.Claim("w", tk.Attempt, now, lease))
				must(t, tc.end(&tk, now.Add(time.Second)))
				if attempts++; attempts > 10 {
					t.Fatal("no end of attempts")
				}
			}
			last := tk.Executions[len(tk.Executions)-1]
			if tk.State != task.Failed || attempts != tc.attempts || len(tk.Executions) != attempts || tk.Error == nil || tk.Error.Code != tc.code || last.Outcome != tc.outcome || tk.FinishedAt.IsZero() {
				t.Errorf("%s after %d attempts with %+v, want failed after %d with %s", tk.State, attempts, tk.Error, tc.attempts, tc.code)
			}
		})
	}
	t.Run("crashes and failures together", func(t *testing.T) {
		l := limits
		l.MaxCrashes = 3
		tk := planned(t, l)
		for range 2 {
			must(t, tk.Claim("w", tk.Attempt, tk.RunAt, lease))
			must(t, tk.Fail(tk.Fence, transient, tk.StartedAt, 0))
		}
		must(t, tk.Claim("w", 3, tk.RunAt, lease))
		must(t, tk.Expire(tk.Lease.Until, silence, 0))
		if tk.State != task.Failed || tk.Crashes != 1 || tk.Error.Code != fault.CodeWorkerCrashed {
			t.Errorf("a crash of the last attempt left %s with %+v", tk.State, tk.Error)
		}
	})
}

func TestReleasesAreNotCountedAndTheHistoryIsBounded(t *testing.T) {
	tk := planned(t, limits)
	for n := range 50 {
		must(t, tk.Claim("w", 1, t0, lease))
		if tk.Fence != int64(n+1) || tk.Attempt != 1 {
			t.Fatalf("claim %d: fence %d, attempt %d", n+1, tk.Fence, tk.Attempt)
		}
		must(t, tk.Release(tk.Fence, t0))
	}
	if n := len(tk.Executions); n != 20 || tk.Executions[n-1].Fence != 50 || tk.Executions[0].Fence != 31 {
		t.Errorf("the history has %d entries: %+v", n, tk.Executions)
	}
	if b, err := json.Marshal(tk); err != nil || len(b) > 8<<10 {
		t.Errorf("the task has %d bytes, %v", len(b), err)
	}
}
