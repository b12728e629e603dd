// Package taskstoretest is the suite of the task store on a database: the contracts of task.Repository
// and task.WorkerRepository, tried on every adapter.
package taskstoretest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/taskstore"
)

// patience bounds every test against a server that hangs.
const patience = 2 * time.Minute

// Run runs the suite. open returns an empty database each time it is called, and sees to its closing by
// t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) database.Database) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, fixture)
	}{
		{"of concurrent claims exactly one wins", testClaimRace},
		{"concurrent updates are all kept", testUpdateRace},
		{"a task survives the store unchanged", testRoundTrip},
		{"inserting again changes nothing", testInsertAgain},
		{"what is not there is not found", testNotFound},
		{"an error of the change saves nothing", testChangeFails},
		{"an update that loses again and again gives up", testContended},
		{"by job", testByJob},
		{"counts", testCounts},
		{"overdue", testOverdue},
		{"dispatchable: class, turn, rank", testDispatchable},
		{"dispatchable: what is not due or not pending", testNotDispatchable},
		{"dispatchable: a lone tenant fills the limit", testDispatchLoneTenant},
		{"dispatchable: parallel steps of one job", testDispatchParallelSteps},
		{"oldest waiting", testOldestWaiting},
		{"delete by job", testDeleteByJob},
		{"workers", testWorkers},
		{"workers that stopped reporting are removed", testStaleWorkers},
		{"concurrent reports of one worker", testWorkerRace},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			db := open(t)
			tasks, err := taskstore.OpenTasks(ctx, db)
			if err != nil {
				t.Fatal(err)
			}
			workers, err := taskstore.OpenWorkers(ctx, db)
			if err != nil {
				t.Fatal(err)
			}
			test.run(t, fixture{ctx: ctx, db: db, tasks: tasks, workers: workers})
		})
	}
}

type fixture struct {
	ctx     context.Context
	db      database.Database
	tasks   task.Repository
	workers task.WorkerRepository
}

// begin is the time at which the tests play; it has nanoseconds, as clocks have.
var begin = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// plan returns the plan of a task; tests change what matters to them.
func plan(job, step string, index int) task.Plan {
	return task.Plan{
		Tenant: "acme", JobID: job, Step: step, Index: index, Kind: contract.KindThumbnail, Priority: 1,
		Limits: task.Limits{MaxAttempts: 3, MaxCrashes: 2, StartToClose: time.Minute, HintTimeout: 10 * time.Second, BackoffBase: time.Second, BackoffCap: time.Minute},
		Spec:   json.RawMessage(`{"a.b":{"$c":9007199254740993}}`),
		Trace:  map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
	}
}

// put stores the task of a plan as it is after the steps.
func put(t *testing.T, f fixture, p task.Plan, at time.Time, steps ...func(*task.Task) error) task.Task {
	t.Helper()
	v, err := task.New(p, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if err := step(&v); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.tasks.Insert(f.ctx, v); err != nil {
		t.Fatal(err)
	}
	v.Version = 1
	return v
}

func hinted(at time.Time) func(*task.Task) error {
	return func(v *task.Task) error { return v.Hinted(at) }
}

func claimed(at time.Time, lease time.Duration) func(*task.Task) error {
	return func(v *task.Task) error { return v.Claim("worker", v.Attempt, at, lease) }
}

func beaten(at time.Time, lease time.Duration) func(*task.Task) error {
	return func(v *task.Task) error { return v.Heartbeat(v.Fence, at, lease, 1) }
}

func failed(at time.Time, jitter float64) func(*task.Task) error {
	return func(v *task.Task) error {
		return v.Fail(v.Fence, fault.RecordOf(fault.New(fault.CodeFFmpegFailed, "it failed")), at, jitter)
	}
}

func succeeded(at time.Time) func(*task.Task) error {
	return func(v *task.Task) error { return v.Succeed(v.Fence, json.RawMessage(`{"ok":true}`), at) }
}

func cancelled(at time.Time) func(*task.Task) error {
	return func(v *task.Task) error { v.Cancel(at); return nil }
}

// same compares all of two tasks, by their JSON and their versions.
func same(t *testing.T, got, want task.Task) {
	t.Helper()
	a, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) || got.Version != want.Version {
		t.Errorf("task at version %d = %s\nwant version %d = %s", got.Version, a, want.Version, b)
	}
}

func wantIDs(t *testing.T, what string, got []task.Task, err error, want string) {
	t.Helper()
	ids := make([]string, len(got))
	for i, v := range got {
		ids[i] = v.ID
	}
	if err != nil || !slices.Equal(ids, strings.Fields(want)) {
		t.Errorf("%s = %v, %v, want %v", what, ids, err, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
