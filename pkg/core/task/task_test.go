package task_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
)

func TestNewMakesTheFirstAttempt(t *testing.T) {
	p := task.Plan{Tenant: "acme", JobID: "j", Step: "s", Index: 7, Kind: contract.KindTranscode, Priority: 2, Limits: limits,
		Spec: json.RawMessage(`{"a":1}`), Trace: map[string]string{"traceparent": "x"}}
	got, err := task.New(p, t0)
	want := task.Task{ID: "j/s/7", Tenant: "acme", JobID: "j", Step: "s", Index: 7, Kind: contract.KindTranscode, Priority: 2, Limits: limits,
		State: task.Pending, Attempt: 1, CreatedAt: t0, RunAt: t0, Spec: p.Spec, Trace: p.Trace}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("New = %+v, %v; want %+v", got, err, want)
	}
}

func TestNewRefusesPlansThatAreNotWhole(t *testing.T) {
	for name, change := range map[string]func(p *task.Plan){
		"no tenant":                func(p *task.Plan) { p.Tenant = "" },
		"no job":                   func(p *task.Plan) { p.JobID = "" },
		"no step":                  func(p *task.Plan) { p.Step = "" },
		"a negative index":         func(p *task.Plan) { p.Index = -1 },
		"an unknown kind":          func(p *task.Plan) { p.Kind = "narrate" },
		"no specification":         func(p *task.Plan) { p.Spec = nil },
		"no attempts":              func(p *task.Plan) { p.Limits.MaxAttempts = 0 },
		"no crashes":               func(p *task.Plan) { p.Limits.MaxCrashes = 0 },
		"more crashes than tries":  func(p *task.Plan) { p.Limits.MaxCrashes = 4 },
		"no time":                  func(p *task.Plan) { p.Limits.StartToClose = 0 },
		"no time for hints":        func(p *task.Plan) { p.Limits.HintTimeout = 0 },
		"no backoff":               func(p *task.Plan) { p.Limits.BackoffBase = 0 },
		"a cap below the base":     func(p *task.Plan) { p.Limits.BackoffCap = p.Limits.BackoffBase - 1 },
		"a negative time-to-close": func(p *task.Plan) { p.Limits.StartToClose = -1 },
	} {
		p := task.Plan{Tenant: "acme", JobID: "j", Step: "s", Kind: contract.KindThumbnail, Limits: limits, Spec: json.RawMessage(`{}`)}
		change(&p)
		got, err := task.New(p, t0)
		if fault.CodeOf(err) != fault.CodeTaskSpecInvalid || fault.ClassOf(err) != fault.Permanent || !reflect.DeepEqual(got, task.Task{}) {
			t.Errorf("%s: New = %+v, %v; want a permanent error", name, got, err)
		}
	}
}

func TestDue(t *testing.T) {
	if tk := in(t, task.Pending); !tk.Due().Equal(tk.RunAt) {
		t.Errorf("a pending task is due at %v, want %v", tk.Due(), tk.RunAt)
	}
	for _, s := range []task.State{task.Succeeded, task.Failed, task.Cancelled} {
		if tk := in(t, s); !tk.Due().IsZero() {
			t.Errorf("a task that is %s is due at %v", s, tk.Due())
		}
	}
	tk := planned(t, limits)
	for n, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 16 * time.Minute, 16 * time.Minute} {
		now := t0.Add(time.Duration(n) * time.Hour)
		must(t, tk.Hinted(now))
		if got := tk.Due().Sub(now); got != want {
			t.Errorf("after hint %d the next is due in %v, want %v", n+1, got, want)
		}
	}
	run := in(t, task.Running)
	if want := run.Lease.Until.Add(-lease / 3 * 2); !run.Due().Equal(want) {
		t.Errorf("a running task is due at %v, want when a third of its lease is over, %v", run.Due(), want)
	}
	end := run.StartedAt.Add(5*time.Minute + 15*time.Second)
	must(t, run.Heartbeat(1, end.Add(-1), lease, 0))
	if want := end.Add(-1 + lease/3); !run.Due().Equal(want) {
		t.Errorf("a task whose time is not yet up is due at %v, want when a third of its lease is over, %v", run.Due(), want)
	}
	must(t, run.Heartbeat(1, end, lease, 0))
	if !run.Due().Equal(end) {
		t.Errorf("a task whose worker lives and takes too long is due at %v, want %v", run.Due(), end)
	}
}

func TestHintsBeginAnewWithEveryAttempt(t *testing.T) {
	tk := planned(t, limits)
	for range 4 {
		must(t, tk.Hinted(t0))
	}
	must(t, tk.Claim("w", 1, t0, lease))
	must(t, tk.Fail(1, transient, t0, 0))
	must(t, tk.Hinted(t0))
	if got := tk.Due().Sub(t0); got != limits.HintTimeout {
		t.Errorf("the first hint of the second attempt is due in %v, want %v", got, limits.HintTimeout)
	}
}

func TestBackoffDoublesUpToItsCap(t *testing.T) {
	l := task.Limits{MaxAttempts: 100, MaxCrashes: 100, StartToClose: time.Minute, HintTimeout: time.Second, BackoffBase: 2 * time.Second, BackoffCap: time.Minute}
	for _, tc := range []struct {
		jitter float64
		want   []time.Duration // waits after attempts 1, 2, ...
	}{
		{0, []time.Duration{0, 0, 0, 0, 0, 0, 0}},
		{0.5, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second}},
	} {
		tk := planned(t, l)
		for n, want := range tc.want {
			now := tk.RunAt
			must(t, tk.Claim("w", tk.Attempt, now, lease))
			must(t, tk.Fail(tk.Fence, transient, now, tc.jitter))
			if got := tk.RunAt.Sub(now); got != want {
				t.Errorf("jitter %v, attempt %d: wait %v, want %v", tc.jitter, n+1, got, want)
			}
		}
	}
}

func TestBackoffStaysWithinItsBoundsForAllLimits(t *testing.T) {
	for _, base := range []time.Duration{1, time.Millisecond, 7 * time.Second, time.Hour, 1000 * time.Hour} {
		for _, limit := range []time.Duration{base, base + 1, 3 * base, 1000 * base, math.MaxInt64} {
			l := task.Limits{MaxAttempts: 80, MaxCrashes: 80, StartToClose: time.Minute, HintTimeout: time.Second, BackoffBase: base, BackoffCap: limit}
			tk := planned(t, l)
			for tk.Attempt < 80 {
				tk.RunAt = t0 // so that times stay near
				must(t, tk.Claim("w", tk.Attempt, t0, lease))
				must(t, tk.Fail(tk.Fence, transient, t0, 0.999))
				if wait := tk.RunAt.Sub(t0); wait < 0 || wait > limit || tk.Attempt > 70 && wait < limit/2 {
					t.Fatalf("base %v, cap %v, attempt %d: wait %v", base, limit, tk.Attempt, wait)
				}
			}
		}
	}
}

func TestRankPutsBeginningsFirstThenOldJobsThenIndex(t *testing.T) {
	make := func(job string, age time.Duration, index int) task.Task {
		return task.Task{JobID: job, CreatedAt: t0.Add(-age), Index: index}
	}
	want := []task.Task{
		make("old", time.Hour, 0), make("old", time.Hour, 1), make("new", 0, 0), make("new", 0, 1), make("newer", 0, 0),
		make("old", time.Hour, 2), make("old", time.Hour, 9), make("old", time.Hour, 10), make("old", time.Hour, 499),
		make("new", 0, 2), make("new", 0, 100), make("newer", 0, 3),
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, func(a, b task.Task) int {
		if a.Rank() < b.Rank() {
			return -1
		}
		return 1
	})
	if !reflect.DeepEqual(got, want) {
		for i := range got {
			t.Errorf("place %d: %s/%d, want %s/%d", i, got[i].JobID, got[i].Index, want[i].JobID, want[i].Index)
		}
	}
}

func TestRankDoesNotDependOnTheTimeZone(t *testing.T) {
	a := task.Task{JobID: "j", CreatedAt: t0}
	b := task.Task{JobID: "j", CreatedAt: t0.In(time.FixedZone("x", 3600))}
	if a.Rank() != b.Rank() {
		t.Errorf("ranks %q and %q of one instant", a.Rank(), b.Rank())
	}
}

func TestATaskComesBackFromJSON(t *testing.T) {
	for _, s := range task.States() {
		tk := in(t, s)
		if got := deepCopy(t, tk); !reflect.DeepEqual(got, tk) {
			t.Errorf("%s: read back as\n%+v\nwant\n%+v", s, got, tk)
		}
	}
}

func TestSentinelsAreKept(t *testing.T) {
	tk := in(t, task.Succeeded)
	err := tk.Claim("w", 1, t0, lease)
	if !errors.Is(err, task.ErrNotClaimable) || errors.Is(err, task.ErrLeaseLost) || err.Error() == task.ErrNotClaimable.Error() {
		t.Errorf("Claim = %v, want ErrNotClaimable with what was attempted", err)
	}
}

func TestWhatWasReachedIsKeptWhenAnAttemptIsUndone(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tk, err := task.New(task.Plan{Tenant: "t", JobID: "j", Step: "s", Kind: contract.KindTranscode, Spec: []byte(`{}`), Limits: task.Limits{
		MaxAttempts: 3, MaxCrashes: 3, StartToClose: time.Hour, HintTimeout: time.Minute, BackoffBase: time.Second, BackoffCap: time.Second}}, now)
	if err == nil {
		err = errors.Join(tk.Claim("a", 1, now, time.Minute), tk.Heartbeat(1, now, time.Minute, 700), tk.Release(1, now), tk.Claim("b", 1, now, time.Minute), tk.Heartbeat(2, now, time.Minute, 100))
	}
	if err != nil || tk.Progress != 100 || tk.Reached != 700 {
		t.Errorf("progress %d, reached %d, %v; want 100 and 700", tk.Progress, tk.Reached, err)
	}
}
