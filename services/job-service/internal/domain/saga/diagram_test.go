package saga_test

import (
	"bufio"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

// diagramFile holds the one state diagram of jobs, steps and tasks.
const diagramFile = "../../../../../docs/architecture.md"

// nowhere is where states begin and end in a diagram.
const nowhere = "[*]"

// edges are the arrows of a diagram: from, to.
type edges map[[2]string]bool

func (e edges) add(from, to string) { e[[2]string{from, to}] = true }

var arrow = regexp.MustCompile(`^(\S+) --> (\S+?)(?: *:.*)?$`)

// drawn returns the arrows of the diagram by what they are about: states are called job_queued,
// step_running and so on there, since names in one diagram must differ.
func drawn(t *testing.T) map[string]edges {
	t.Helper()
	f, err := os.Open(diagramFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]edges{"job": {}, "step": {}, "task": {}}
	diagrams, inside := 0, false
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "stateDiagram-v2":
			diagrams, inside = diagrams+1, true
		case line == "```":
			inside = false
		case inside && strings.Contains(line, "-->"):
			m := arrow.FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("cannot read the arrow %q", line)
			}
			what, from := state(m[1])
			other, to := state(m[2])
			if what == "" {
				what = other
			}
			if all[what] == nil || other != "" && other != what {
				t.Fatalf("the arrow %q joins no two states of a job, a step or a task", line)
			}
			all[what].add(from, to)
		}
	}
	if err := lines.Err(); err != nil || diagrams != 1 {
		t.Fatalf("%s has %d state diagrams, want one (%v)", diagramFile, diagrams, err)
	}
	return all
}

// state takes "task_queued" apart; the beginning and the end are about nothing in particular.
func state(s string) (what, name string) {
	if s == nowhere {
		return "", nowhere
	}
	what, name, _ = strings.Cut(s, "_")
	return what, name
}

func TestTheStateDiagramShowsWhatTheCodeDoes(t *testing.T) {
	got := drawn(t)
	for what, want := range map[string]edges{"job": jobEdges(), "step": stepEdges(), "task": taskEdges(t)} {
		for _, e := range sorted(want) {
			if !got[what][e] {
				t.Errorf("%s: %s --> %s happens and is not drawn", what, e[0], e[1])
			}
		}
		for _, e := range sorted(got[what]) {
			if !want[e] {
				t.Errorf("%s: %s --> %s is drawn and does not happen", what, e[0], e[1])
			}
		}
	}
}

func sorted(e edges) [][2]string {
	return slices.SortedFunc(maps.Keys(e), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
}

// jobEdges are those that the model test holds Decide to.
func jobEdges() edges {
	e := edges{}
	e.add(nowhere, string(job.AwaitingUpload))
	for _, tr := range saga.Transitions() {
		e.add(string(tr.From), string(tr.To))
	}
	for _, s := range job.States() {
		if s.Terminal() {
			e.add(string(s), nowhere)
		}
	}
	return e
}

func stepEdges() edges {
	e := edges{}
	e.add(nowhere, string(job.StepWaiting))
	for _, tr := range saga.StepTransitions() {
		e.add(string(tr.From), string(tr.To))
	}
	for _, s := range job.StepStates() {
		if s.Terminal() {
			e.add(string(s), nowhere)
		}
	}
	return e
}

// taskEdges finds every change of a task's state by trying every transition, at every time that matters,
// on every task that can be reached.
func taskEdges(t *testing.T) edges {
	t.Helper()
	const lease = 30 * time.Second
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	first, err := task.New(task.Plan{Tenant: "t", JobID: "j", Step: "s", Kind: contract.KindThumbnail, Spec: []byte("{}"),
		Limits: task.Limits{MaxAttempts: 2, MaxCrashes: 1, StartToClose: time.Minute, HintTimeout: time.Minute, BackoffBase: time.Second, BackoffCap: time.Second}}, start)
	if err != nil {
		t.Fatal(err)
	}
	transient := fault.RecordOf(fault.New(fault.CodeFFmpegFailed, ""))
	invalid := fault.RecordOf(fault.New(fault.CodeSourceCorrupt, ""))
	calls := []func(tk *task.Task, now time.Time) error{
		func(tk *task.Task, now time.Time) error { return tk.Hinted(now) },
		func(tk *task.Task, _ time.Time) error { return tk.HintLost() },
		func(tk *task.Task, now time.Time) error { return tk.Claim("w", tk.Attempt, now, lease) },
		func(tk *task.Task, now time.Time) error { return tk.Heartbeat(tk.Fence, now, lease, 1) },
		func(tk *task.Task, now time.Time) error { return tk.Succeed(tk.Fence, []byte("{}"), now) },
		func(tk *task.Task, now time.Time) error { return tk.Fail(tk.Fence, transient, now, 0) },
		func(tk *task.Task, now time.Time) error { return tk.Fail(tk.Fence, invalid, now, 0) },
		func(tk *task.Task, now time.Time) error { return tk.Release(tk.Fence, now) },
		func(tk *task.Task, now time.Time) error { return tk.Expire(now, lease, 0) },
		func(tk *task.Task, now time.Time) error { tk.Cancel(now); return nil },
	}
	e := edges{}
	e.add(nowhere, string(first.State))
	type place struct {
		tk  task.Task
		now time.Time
	}
	seen := map[[3]any]bool{}
	for reached := []place{{first, start}}; len(reached) > 0; reached = reached[1:] {
		at := reached[0]
		// Neither the clock nor the fence decides about states, but for what the pauses below try.
		key := [3]any{at.tk.State, at.tk.Attempt, at.tk.Crashes}
		if seen[key] {
			continue
		}
		seen[key] = true
		if at.tk.State.Terminal() {
			e.add(string(at.tk.State), nowhere)
		}
		for _, call := range calls {
			// At once; when the lease has run out; when a heartbeat kept the lease but the time is up.
			for _, pause := range []time.Duration{0, lease + 1, 3 * time.Minute} {
				next, now := at.tk, at.now.Add(pause)
				if pause > time.Minute && next.State == task.Running {
					if err := next.Heartbeat(next.Fence, now, lease, 1); err != nil {
						t.Fatal(err)
					}
				}
				if call(&next, now) == nil && next.State != at.tk.State {
					e.add(string(at.tk.State), string(next.State))
				}
				reached = append(reached, place{next, now})
			}
		}
	}
	return e
}
