package effects

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

// inserts is how many tasks are stored at a time. The same number of the first ones is stored one after the other
// before: the dispatcher may look at any moment, and the beginning of a film has to be there before its end.
const inserts = 8

// ensureTasks makes the tasks of a step: one, or as many as the plan of its group says. Ids follow from the plan, and
// a task that is there already is left as it is, so a crash between two of them does no harm.
func (x *Executor) ensureTasks(ctx context.Context, j job.Job, step string) (saga.Event, error) {
	p, ok := j.Pipeline.Step(step)
	if !ok {
		return nil, fmt.Errorf("job %s has no step %q", j.ID, step)
	}
	in, err := x.input(ctx, j, p)
	var tasks []task.Task
	if err == nil {
		tasks, err = planned(j, p, in)
	}
	if fault.ClassOf(err) == fault.Permanent {
		return saga.StepUnplannable{Step: step, Error: fault.RecordOf(err)}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("plan step %s: %w", step, err)
	}
	if err := x.insertAll(ctx, tasks); err != nil {
		return nil, fmt.Errorf("make the tasks of step %s: %w", step, err)
	}
	x.dispatch()
	return saga.TasksPlanned{Step: step, Tasks: len(tasks)}, nil
}

func (x *Executor) insertAll(ctx context.Context, tasks []task.Task) error {
	first := min(inserts, len(tasks))
	for _, t := range tasks[:first] {
		if err := x.insert(ctx, t); err != nil {
			return err
		}
	}
	g, inserting := errgroup.WithContext(ctx)
	g.SetLimit(inserts)
	for _, t := range tasks[first:] {
		g.Go(func() error { return x.insert(inserting, t) })
	}
	return g.Wait()
}

// caught makes a panic the error of a goroutine of this package. The orchestrator catches those of its own.
func caught(err *error, doing string) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s panicked: %v", doing, p)
	}
}

func (x *Executor) insert(ctx context.Context, t task.Task) (err error) {
	defer caught(&err, "storing a task")
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := faultinject.Point(ctx, "fanout.mid_insert"); err != nil {
		return err
	}
	return x.tasks.Insert(ctx, t)
}

// input returns what the tasks of a step are made from.
func (x *Executor) input(ctx context.Context, j job.Job, p pipeline.Step) (pipeline.Input, error) {
	in := pipeline.Input{Source: j.Source.Ref(), Sidecars: j.Source.Sidecars()}
	name, ok := p.PlanStep()
	if !ok {
		workers, err := x.slots(ctx, p.Kind)
		in.Workers = workers
		return in, err
	}
	t, err := x.tasks.Get(ctx, task.ID(j.ID, name, 0))
	if errors.Is(err, task.ErrNotFound) || err == nil && t.State != task.Succeeded {
		return in, fault.New(fault.CodeTaskSpecInvalid, "step %s has no plan yet", p.Name)
	}
	if err != nil {
		return in, fmt.Errorf("read the plan of step %s: %w", p.Name, err)
	}
	var result contract.TaskResult
	if err := json.Unmarshal(t.Result, &result); err != nil {
		return in, fault.Wrap(fault.CodeTaskSpecInvalid, err, "the plan of step %s cannot be read", p.Name)
	}
	in.Plan = result.Plan
	return in, nil
}

// slots returns how many tasks of a kind can be worked on at a time now.
func (x *Executor) slots(ctx context.Context, kind contract.Kind) (int, error) {
	live, err := x.workers.Live(ctx, time.Now().Add(-task.WorkerTTL))
	if err != nil {
		return 0, fmt.Errorf("find live workers: %w", err)
	}
	sum := 0
	for _, w := range live {
		if w.Kind == kind && !w.Draining {
			sum += w.Slots
		}
	}
	return sum, nil
}

// planned returns the tasks of a step. Errors have the code task_spec_invalid.
func planned(j job.Job, p pipeline.Step, in pipeline.Input) ([]task.Task, error) {
	specs, err := p.Tasks(in)
	if err != nil {
		return nil, err
	}
	made, limits := madeAt(j, p.Name), p.Limits(in)
	tasks := make([]task.Task, len(specs))
	for i, spec := range specs {
		tasks[i], err = task.New(task.Plan{Tenant: j.Tenant, JobID: j.ID, Step: p.Name, Index: i, Kind: p.Kind, Folder: p.Folder,
			Priority: j.Priority, Limits: limits, Spec: spec, Trace: j.Trace}, made)
		if err != nil {
			return nil, err
		}
	}
	return tasks, nil
}

// madeAt returns when the tasks of a step count as made. That is what they are sent by (task.Task.Rank), to the
// millisecond, and steps that start together shall be sent in their order: sound before pictures. So the
// earlier a step stands in the pipeline, the longer ago it is.
func madeAt(j job.Job, step string) time.Time {
	now := time.Now()
	for i, p := range j.Pipeline.Steps {
		if p.Name == step {
			return now.Add(time.Duration(i-len(j.Pipeline.Steps)) * time.Millisecond)
		}
	}
	return now
}
