package jobs

import (
	"context"
	"fmt"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

// View is a job with the tasks that carry it.
type View struct {
	Job job.Job
	// Tasks are ordered by step and index; empty in listings.
	Tasks []task.Task
}

// weights say roughly how much of a job's work the operations of a transcode step are: encoding pictures is most
// of it. Other steps count as much as verifying.
var weights = map[contract.TranscodeOp]int{
	contract.OpPlan: 2, contract.OpTrack: 10, contract.OpChunk: 60, contract.OpPackage: 2, contract.OpJoin: 6, contract.OpVerify: 20,
}

const otherWeight = 20

// Progress returns how much of the job is done, in thousandths: 1000 exactly when it is completed.
func (v View) Progress() int {
	if v.Job.State == job.Completed {
		return 1000
	}
	sum, whole := 0, 0
	for _, p := range v.Job.Pipeline.Steps {
		weight, ok := weights[p.Op]
		if !ok {
			weight = otherWeight
		}
		sum += weight * v.StepProgress(p.Name)
		whole += weight
	}
	return min(sum/max(whole, 1), 990)
}

// StepProgress returns how much of a step is done, in thousandths: all of one that succeeded or was
// skipped, what the tasks tell of any other. As long as it is not known how many tasks a step has, those that are
// made already say nothing.
func (v View) StepProgress(step string) int {
	s := v.Job.Steps[step]
	if s.State == job.StepSucceeded || s.State == job.StepSkipped {
		return 1000
	}
	if s.Tasks == 0 {
		return 0
	}
	sum := 0
	for _, t := range v.Tasks {
		if t.Step == step {
			sum += t.Reached
		}
	}
	return min(sum/s.Tasks, 990)
}

// TasksDone returns how many tasks of a step have succeeded: all of a step that has, what the tasks tell of any
// other.
func (v View) TasksDone(step string) int {
	s := v.Job.Steps[step]
	if s.State == job.StepSucceeded {
		return s.Tasks
	}
	done := 0
	for _, t := range v.Tasks {
		if t.Step == step && t.State == task.Succeeded {
			done++
		}
	}
	return done
}

// Get returns the tenant's job with its tasks. Fault: job_not_found.
func (s *Service) Get(ctx context.Context, tenant, id string) (View, error) {
	j, err := s.get(ctx, tenant, id)
	if err != nil {
		return View{}, err
	}
	tasks, err := s.Tasks.ByJob(ctx, id, "")
	if err != nil {
		return View{}, fmt.Errorf("find the tasks of job %s: %w", id, err)
	}
	return View{Job: j, Tasks: tasks}, nil
}

// List returns the tenant's jobs, the newest first, and where to go on: next is empty at the end. There
// may be more although fewer than the limit were returned.
func (s *Service) List(ctx context.Context, tenant string, f job.Filter) (list []job.Job, next string, err error) {
	list, next, err = s.Jobs.List(ctx, tenant, f)
	if err != nil {
		return nil, "", fmt.Errorf("list jobs: %w", err)
	}
	return list, next, nil
}
