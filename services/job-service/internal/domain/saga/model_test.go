package saga_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

// modelStepsVar says how many steps the model test makes in all; `make model` sets a million.
const modelStepsVar = "REELMILL_MODEL_STEPS"

// TestModel lets a job live in a world where everything may happen at any time: replies come late,
// twice or never, effects are executed several times or fail after they took effect, workers crash,
// leases run out, users cancel. After every step the invariants hold, and from every state the world
// comes to rest with the job ended.
func TestModel(t *testing.T) {
	want := 20_000
	if s := os.Getenv(modelStepsVar); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("%s: %v", modelStepsVar, err)
		}
		want = n
	}
	steps := 0
	for steps < want {
		rapid.Check(t, func(rt *rapid.T) {
			w := newWorld(rt)
			actions := w.actions()
			check := w.check
			actions[""] = func(rt *rapid.T) { steps++; check(rt) }
			rt.Repeat(actions)
			steps += w.settle(rt)
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d steps", steps)
}

// world is a job with everything outside of it that effects touch.
type world struct {
	timing saga.Timing
	now    time.Time
	job    job.Job
	before job.Job
	// fan is how many tasks each step has, which may be none.
	fan     map[string]int
	tasks   map[string]*task.Task
	fences  map[string]int64
	outputs map[string]bool      // attempts whose outputs are stored
	written bool                 // the manifest is stored
	leases  map[string]time.Time // until when the worker of an attempt goes on, not knowing better
	// late holds events that were made and not yet applied: they may come at any time, or never.
	late []saga.Event
	// cancelled is set when a cancel was accepted.
	cancelled bool
}

func newWorld(rt *rapid.T) *world {
	steps := []pipeline.Step{}
	names := []string{"a", "b", "c"}
	for i, n := range names[:rapid.IntRange(1, 3).Draw(rt, "steps")] {
		s := pipeline.Step{Name: n, Kind: contract.KindThumbnail, Optional: rapid.Bool().Draw(rt, "optional"),
			Params: []byte(`{"stills":{"count":1}}`)}
		for _, before := range names[:i] {
			if rapid.Bool().Draw(rt, "needs") {
				s.Needs = append(s.Needs, before)
			}
		}
		steps = append(steps, s)
	}
	p, err := pipeline.New("model", 1, steps)
	if err != nil {
		rt.Fatalf("pipeline: %v", err)
	}
	w := &world{timing: saga.DefaultTiming(), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		fan: map[string]int{}, tasks: map[string]*task.Task{}, fences: map[string]int64{}, outputs: map[string]bool{}, leases: map[string]time.Time{}}
	for _, s := range p.Steps {
		w.fan[s.Name] = rapid.SampledFrom([]int{1, 1, 1, 0, 2, 3}).Draw(rt, "tasks")
	}
	r := saga.Request{ID: "j", Tenant: "t", Pipeline: p, Source: job.Source{Key: "k"}}
	if rapid.Bool().Draw(rt, "deadline") {
		r.Timeout = time.Duration(rapid.IntRange(1, 100).Draw(rt, "timeout")) * time.Minute
	}
	w.job = w.timing.Create(r, w.now)
	w.before = w.job
	return w
}

// apply lets the saga decide, as a save that wins would.
func (w *world) apply(rt *rapid.T, e saga.Event) error {
	next, err := w.timing.Decide(w.job, e, w.now)
	if err != nil {
		return err
	}
	w.before, w.job = w.job, next
	w.transition(rt)
	return nil
}

func (w *world) transition(rt *rapid.T) {
	from, to := w.before.State, w.job.State
	legal := from == to
	for _, tr := range saga.Transitions() {
		legal = legal || tr == saga.Transition{From: from, To: to}
	}
	// One event may lead through several states (compensation with nothing to undo), each announced.
	if !legal && w.job.Sequence == w.before.Sequence+1 {
		rt.Fatalf("%s -> %s is no transition", from, to)
	}
	if w.written && to == job.Compensating {
		rt.Fatalf("a published job is being undone")
	}
	if from == job.Compensating && to.Terminal() {
		for name, late := range w.outputs {
			if !late {
				rt.Fatalf("the job is %s and outputs of %s are left", to, name)
			}
		}
	}
	if from.Terminal() && to != from {
		rt.Fatalf("terminal %s became %s", from, to)
	}
	if w.job.Sequence < w.before.Sequence {
		rt.Fatalf("sequence fell from %d to %d", w.before.Sequence, w.job.Sequence)
	}
	for name, s := range w.before.Steps {
		if s.State.Terminal() && w.job.Steps[name].State != s.State {
			rt.Fatalf("step %s: terminal %s became %s", name, s.State, w.job.Steps[name].State)
		}
	}
}

func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"tick": func(rt *rapid.T) {
			w.now = w.now.Add(time.Duration(rapid.IntRange(1, 40).Draw(rt, "seconds")) * time.Second)
		},
		"wake":    func(rt *rapid.T) { w.must(rt, saga.Woken{}) },
		"upload":  func(rt *rapid.T) { _ = w.apply(rt, saga.SourceStored{ETag: "e", SizeBytes: 1}) },
		"cancel":  w.cancel,
		"effect":  w.effect,
		"observe": w.observe,
		"late":    w.lateEvent,
		"worker":  w.worker,
	}
}

func (w *world) must(rt *rapid.T, e saga.Event) {
	if err := w.apply(rt, e); err != nil {
		rt.Fatalf("%T refused: %v", e, err)
	}
}

func (w *world) cancel(rt *rapid.T) {
	if rapid.IntRange(0, 9).Draw(rt, "rare") > 0 {
		return
	}
	err := w.apply(rt, saga.CancelRequested{})
	if err == nil && w.job.State == job.Completed {
		rt.Fatal("a cancel of a completed job was accepted")
	}
	if err != nil && (fault.ClassOf(err) != fault.Conflict || w.job.State == job.Compensating || w.job.State == job.Cancelled) {
		rt.Fatalf("a cancel in state %s: %v", w.job.State, err)
	}
	w.cancelled = w.cancelled || err == nil
}

// effect executes one of the outbox's due effects, and then its event is applied, comes late, or is lost.
func (w *world) effect(rt *rapid.T) {
	var due []job.Effect
	for _, e := range w.job.Outbox {
		if e.Due(w.now) {
			due = append(due, e)
		}
	}
	if len(due) == 0 {
		return
	}
	e := rapid.SampledFrom(due).Draw(rt, "effect")
	if rapid.IntRange(0, 9).Draw(rt, "fails") == 0 {
		w.must(rt, saga.EffectFailed{ID: e.ID})
		return
	}
	ev := w.execute(rt, w.job, e)
	switch rapid.IntRange(0, 3).Draw(rt, "fate") {
	case 0:
		w.late = append(w.late, ev)
	case 1: // the process died before it could save
	default:
		w.must(rt, ev)
	}
}

func (w *world) execute(rt *rapid.T, j job.Job, e job.Effect) saga.Event {
	switch e.Kind {
	case job.EnsureTasks:
		p, _ := j.Pipeline.Step(e.Step)
		for i := range w.fan[e.Step] {
			if w.tasks[task.ID("j", e.Step, i)] != nil {
				continue
			}
			// The process may die between two of them.
			if i > 0 && rapid.IntRange(0, 9).Draw(rt, "dies") == 0 {
				return saga.EffectFailed{ID: e.ID}
			}
			tk, err := task.New(task.Plan{Tenant: "t", JobID: "j", Step: e.Step, Index: i, Kind: contract.KindThumbnail,
				Limits: p.Limits(pipeline.Input{}), Spec: []byte(`{}`)}, w.now)
			if err != nil {
				rt.Fatalf("task: %v", err)
			}
			w.tasks[tk.ID] = &tk
		}
		return saga.TasksPlanned{Step: e.Step, Tasks: w.fan[e.Step]}
	case job.CancelTasks:
		for _, tk := range w.tasks {
			if e.Step == "" || tk.Step == e.Step {
				tk.Cancel(w.now)
			}
		}
	case job.DeleteOutputs:
		if j.ManifestKey == "" {
			clear(w.outputs)
			w.written = false
		}
		for name := range w.outputs {
			if !w.published(name) {
				delete(w.outputs, name)
			}
		}
	case job.PublishManifest:
		for name, s := range j.Steps {
			for _, attempt := range w.winners(name) {
				if s.State == job.StepSucceeded && !w.stored(attempt) {
					return saga.ManifestRefused{Error: fault.RecordOf(fault.New(fault.CodeOutputMissing, ""))}
				}
			}
		}
		w.written = true
		return saga.ManifestWritten{Key: "m"}
	}
	return saga.EffectDone{ID: e.ID}
}

// abandoned reports whether nothing will be published any more.
func (w *world) abandoned() bool {
	return w.job.State == job.Compensating || w.job.State == job.Failed || w.job.State == job.Cancelled
}

// published reports whether the outputs of an attempt are in the manifest.
func (w *world) published(attempt string) bool {
	for name, s := range w.job.Steps {
		if s.State == job.StepSucceeded && slices.Contains(w.winners(name), attempt) {
			return true
		}
	}
	return false
}

// stored reports whether the attempt has outputs.
func (w *world) stored(attempt string) bool {
	_, ok := w.outputs[attempt]
	return ok
}

// of returns the tasks of a step that were made, in order of their index.
func (w *world) of(step string) []*task.Task {
	var all []*task.Task
	for i := range w.fan[step] {
		if tk := w.tasks[task.ID("j", step, i)]; tk != nil {
			all = append(all, tk)
		}
	}
	return all
}

// winners names the attempts that made a step's tasks succeed.
func (w *world) winners(step string) []string {
	var all []string
	for _, tk := range w.of(step) {
		all = append(all, attemptName(tk, tk.Fence))
	}
	return all
}

// snapshot tells how the tasks of a step stand.
func (w *world) snapshot(step string) saga.TasksObserved {
	e := saga.TasksObserved{Step: step}
	for _, tk := range w.of(step) {
		e.Begun = e.Begun || tk.State == task.Running || tk.State.Terminal() && tk.Fence > 0
		switch tk.State {
		case task.Succeeded:
			e.Succeeded++
		case task.Failed:
			e.Failed++
			e.Failure = tk.Error
		}
	}
	return e
}

// lease is how long a worker goes on without a heartbeat.
const lease = 30 * time.Second

func attemptName(tk *task.Task, fence int64) string { return fmt.Sprintf("%s/%d", tk.ID, fence) }

// observe makes the snapshot of a step's tasks that the orchestrator would; it may come late.
func (w *world) observe(rt *rapid.T) {
	name := rapid.SampledFrom(w.job.Pipeline.Steps).Draw(rt, "step").Name
	if len(w.of(name)) == 0 {
		return
	}
	e := w.snapshot(name)
	if rapid.Bool().Draw(rt, "delayed") {
		w.late = append(w.late, e)
		return
	}
	w.must(rt, e)
}

// lateEvent applies an event that was made before, and perhaps keeps it to come again.
func (w *world) lateEvent(rt *rapid.T) {
	if len(w.late) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.late)-1).Draw(rt, "which")
	e := w.late[i]
	if rapid.Bool().Draw(rt, "once") {
		w.late = append(w.late[:i:i], w.late[i+1:]...)
	}
	// The manifest of a decision that was abandoned meanwhile is deleted with the outputs.
	w.must(rt, e)
}

// worker lets something happen to a task: each is a compare-and-swap that won.
func (w *world) worker(rt *rapid.T) {
	name := rapid.SampledFrom(w.job.Pipeline.Steps).Draw(rt, "step").Name
	tasks := w.of(name)
	if len(tasks) == 0 {
		return
	}
	tk := rapid.SampledFrom(tasks).Draw(rt, "task")
	fence := tk.Fence - int64(rapid.IntRange(0, 1).Draw(rt, "zombie"))
	var err error
	switch rapid.IntRange(0, 7).Draw(rt, "what") {
	case 0:
		err = tk.Hinted(w.now)
	case 1, 2:
		if err = tk.Claim("w", tk.Attempt, w.now, lease); err == nil {
			w.leases[attemptName(tk, tk.Fence)] = w.now.Add(lease)
		}
	case 3:
		if err = tk.Heartbeat(fence, w.now, lease, 500); err == nil {
			w.leases[attemptName(tk, fence)] = w.now.Add(lease)
		}
	case 4:
		// Outputs are stored before the outcome is recorded, also by a worker that was superseded: it goes
		// on until the lease that it knows of runs out.
		if w.now.After(w.leases[attemptName(tk, fence)]) {
			return
		}
		w.outputs[attemptName(tk, fence)] = w.abandoned()
		if err = tk.Succeed(fence, []byte(`{}`), w.now); err == nil && fence != tk.Fence {
			rt.Fatal("a stale success was accepted")
		}
	case 5:
		code := rapid.SampledFrom([]fault.Code{fault.CodeFFmpegFailed, fault.CodeSourceCorrupt}).Draw(rt, "code")
		if err = tk.Fail(fence, fault.RecordOf(fault.New(code, "")), w.now, 0.5); err == nil && fence < w.fences[tk.ID]-1 {
			rt.Fatal("a stale failure was accepted")
		}
	case 6:
		err = tk.Release(fence, w.now)
	case 7:
		err = tk.Expire(w.now, lease, 0.5)
	}
	_ = err // what is refused changes nothing, which check sees
}

// check holds the invariants of the system's design.
func (w *world) check(rt *rapid.T) {
	j := w.job
	if j.State == job.Completed && (!w.written || j.ManifestKey == "") {
		rt.Fatal("completed without a manifest")
	}
	if j.State != job.Completed && j.ManifestKey != "" {
		rt.Fatalf("a manifest is known in state %s", j.State)
	}
	if !j.State.Terminal() && j.NextWakeup.IsZero() {
		rt.Fatalf("job in state %s sleeps for ever", j.State)
	}
	if len(j.Outbox) > 0 && j.NextWakeup.IsZero() {
		rt.Fatal("effects are never executed")
	}
	if w.cancelled && j.State == job.Completed {
		rt.Fatal("published after an accepted cancel")
	}
	for id, tk := range w.tasks {
		if tk.Attempt > tk.Limits.MaxAttempts {
			rt.Fatalf("task %s has attempt %d of %d", id, tk.Attempt, tk.Limits.MaxAttempts)
		}
		if tk.Fence < w.fences[id] {
			rt.Fatalf("fence of %s fell from %d to %d", id, w.fences[id], tk.Fence)
		}
		w.fences[id] = tk.Fence
		if !tk.State.Terminal() && tk.Due().IsZero() {
			rt.Fatalf("task %s in state %s is never due", id, tk.State)
		}
		if tk.State == task.Failed && tk.Error == nil {
			rt.Fatalf("task %s failed without a reason", id)
		}
	}
}

// settle lets the world run without further trouble and checks where it comes to rest.
func (w *world) settle(rt *rapid.T) (steps int) {
	if w.job.State == job.AwaitingUpload {
		_ = w.apply(rt, saga.SourceStored{ETag: "e", SizeBytes: 1})
	}
	for ; !w.job.State.Terminal() || len(w.job.Outbox) > 0; steps++ {
		if steps > 1000 {
			rt.Fatalf("the job does not come to rest: %s, outbox %v", w.job.State, w.job.Outbox)
		}
		w.now = w.now.Add(20 * time.Second)
		w.must(rt, saga.Woken{})
		for _, e := range w.job.Outbox {
			if e.Due(w.now) {
				w.must(rt, w.execute(rt, w.job, e))
			}
		}
		for _, p := range w.job.Pipeline.Steps {
			w.finish(rt, p.Name)
		}
		w.check(rt)
		w.zombies()
	}
	for name := range w.outputs {
		if !w.published(name) {
			rt.Fatalf("outputs of %s are left that are not published", name)
		}
	}
	if w.job.State != job.Completed && (len(w.outputs) > 0 || w.written) {
		rt.Fatalf("a %s job left outputs %v, manifest %v", w.job.State, w.outputs, w.written)
	}
	if w.job.State == job.Failed && w.job.Error == nil {
		rt.Fatal("the job failed without a reason")
	}
	for id, tk := range w.tasks {
		if !tk.State.Terminal() {
			rt.Fatalf("task %s is %s after its job's end", id, tk.State)
		}
	}
	return steps
}

// zombies lets every worker that does not know better store outputs once more.
func (w *world) zombies() {
	for name, until := range w.leases {
		if !w.now.After(until) && !w.published(name) {
			w.outputs[name] = w.abandoned()
		}
	}
}

// finish lets the tasks of a running step succeed and be observed.
func (w *world) finish(rt *rapid.T, name string) {
	if len(w.of(name)) == 0 || w.job.Steps[name].State != job.StepRunning {
		return
	}
	for _, tk := range w.of(name) {
		_ = tk.Expire(w.now, lease, 0)
		if err := tk.Claim("w", tk.Attempt, w.now, lease); err == nil {
			w.leases[attemptName(tk, tk.Fence)] = w.now.Add(lease)
			w.outputs[attemptName(tk, tk.Fence)] = w.abandoned()
			_ = tk.Succeed(tk.Fence, []byte(`{}`), w.now)
		}
	}
	w.must(rt, w.snapshot(name))
}
