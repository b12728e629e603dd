package jobs_test

import (
	"testing"

	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/application/jobs"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
)

func TestProgress(t *testing.T) {
	p, err := pipeline.New("p", 1, []pipeline.Step{
		{Name: "a", Kind: "thumbnail", Params: []byte(`{"stills":{"count":1}}`)}, {Name: "b", Kind: "thumbnail", Params: []byte(`{"stills":{"count":1}}`)}})
	if err != nil {
		t.Fatal(err)
	}
	of := func(step string, progress int) task.Task { return task.Task{Step: step, Progress: progress} }
	for name, tc := range map[string]struct {
		state job.State
		a, b  job.Step
		tasks []task.Task
		want  int
	}{
		"nothing":              {job.Queued, job.Step{State: job.StepRunning, Tasks: 1}, job.Step{State: job.StepWaiting}, nil, 0},
		"half of one":          {job.Processing, job.Step{State: job.StepRunning, Tasks: 1}, job.Step{State: job.StepWaiting}, []task.Task{of("a", 500)}, 250},
		"half of two tasks":    {job.Processing, job.Step{State: job.StepRunning, Tasks: 2}, job.Step{State: job.StepWaiting}, []task.Task{of("a", 1000), of("a", 0)}, 250},
		"one of two":           {job.Processing, job.Step{State: job.StepSucceeded}, job.Step{State: job.StepRunning, Tasks: 1}, nil, 500},
		"all but the manifest": {job.Processing, job.Step{State: job.StepSucceeded}, job.Step{State: job.StepSucceeded}, nil, 990},
		"completed":            {job.Completed, job.Step{State: job.StepSucceeded}, job.Step{State: job.StepSkipped}, nil, 1000},
		"failed half way":      {job.Failed, job.Step{State: job.StepFailed, Tasks: 1}, job.Step{State: job.StepCancelled}, []task.Task{of("a", 400)}, 200},
	} {
		v := jobs.View{Job: job.Job{State: tc.state, Pipeline: p, Steps: map[string]job.Step{"a": tc.a, "b": tc.b}}, Tasks: tc.tasks}
		if got := v.Progress(); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
