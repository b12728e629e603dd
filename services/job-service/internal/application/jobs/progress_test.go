package jobs_test

import (
	"slices"
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
	of := func(step string, progress int) task.Task { return task.Task{Step: step, Reached: progress} }
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

// A film with four chunks and no tracks, from its plan to its end.
func TestChunksAreMostOfTheProgressOfAFilm(t *testing.T) {
	p, err := pipeline.New("p", 1, []pipeline.Step{{Name: "v", Kind: "transcode"}})
	if err != nil {
		t.Fatal(err)
	}
	v := jobs.View{Job: job.Job{State: job.Processing, Pipeline: p, Steps: map[string]job.Step{}}}
	for _, s := range p.Steps {
		v.Job.Steps[s.Name] = job.Step{State: job.StepWaiting}
	}
	var got []int
	step := func(name string, state job.StepState, tasks int) {
		v.Job.Steps[name] = job.Step{State: state, Tasks: tasks}
		got = append(got, v.Progress())
	}
	work := func(name string, progress int, state task.State) {
		v.Tasks = append(v.Tasks, task.Task{Step: name, Reached: progress, State: state})
		got = append(got, v.Progress())
	}
	step("v-plan", job.StepRunning, 1)
	step("v-plan", job.StepSucceeded, 1)
	step("v-chunks", job.StepRunning, 0)   // its tasks are being made
	work("v-chunks", 1000, task.Succeeded) // its first is there, and done, before it is known how many they are
	step("v-tracks", job.StepSucceeded, 0)
	step("v-chunks", job.StepRunning, 4)
	work("v-chunks", 500, task.Running)
	if done := v.TasksDone("v-chunks"); done != 1 {
		t.Errorf("%d chunks are done, want 1", done)
	}
	if done := v.TasksDone("v-tracks"); done != 0 {
		t.Errorf("%d tracks are done of none", done)
	}
	step("v-chunks", job.StepSucceeded, 4)
	if done := v.TasksDone("v-chunks"); done != 4 {
		t.Errorf("%d chunks are done of a step that has succeeded, want 4", done)
	}
	step("v-join", job.StepSucceeded, 1)
	step("v-package", job.StepSucceeded, 1)
	step("v-verify", job.StepRunning, 1)
	work("v-verify", 900, task.Running)
	step("v-verify", job.StepSucceeded, 1)
	want := []int{0, 20, 20, 20, 120, 270, 345, 720, 780, 800, 800, 980, 990}
	if !slices.Equal(got, want) {
		t.Errorf("progress went %v, want %v", got, want)
	}
	if v.Job.State = job.Completed; v.Progress() != 1000 {
		t.Errorf("completed at %d", v.Progress())
	}
}
