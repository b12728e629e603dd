package effects_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/memblob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/database/memory"
	"github.com/reelmill/reelmill/pkg/database/taskstore"
	"github.com/reelmill/reelmill/services/job-service/internal/application/effects"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
)

// bench is an executor with a job whose only step, "film", has three chunks and two tracks.
type bench struct {
	*effects.Executor
	t       *testing.T
	tasks   *taskstore.Tasks
	workers *taskstore.Workers
	blobs   *memblob.Store
	job     job.Job
}

// newBench returns a bench whose executor sees object storage through around, where that is not nil.
func newBench(t *testing.T, around func(blob.Store) blob.Store) *bench {
	t.Helper()
	b := &bench{t: t, blobs: memblob.New(memblob.Config{PublicURL: "http://blobs.test"})}
	db := memory.New()
	var err error
	if b.tasks, err = taskstore.OpenTasks(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if b.workers, err = taskstore.OpenWorkers(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	var store blob.Store = b.blobs
	if around != nil {
		store = around(store)
	}
	b.Executor = effects.New(b.tasks, b.workers, store, b.blobs, &jobstest.Publisher{}, func() {})
	p, err := pipeline.New("p", 1, []pipeline.Step{{Name: "film", Kind: contract.KindTranscode}})
	if err != nil {
		t.Fatal(err)
	}
	b.job = job.Job{ID: "j", Tenant: "acme", Pipeline: p, State: job.Processing, Steps: map[string]job.Step{}, PublishAt: time.Unix(1, 0).UTC(),
		Source: job.Source{Key: "t/acme/j/j/source", ETag: "e", SizeBytes: 6, Subtitles: []job.Sidecar{{Key: "t/acme/j/j/subtitles/0", ETag: "f", SizeBytes: 3, Language: "de"}}}}
	for _, s := range p.Steps {
		b.job.Steps[s.Name] = job.Step{State: job.StepSucceeded}
	}
	return b
}

// makeTasks executes the effect that makes a step's tasks.
func (b *bench) makeTasks(step string) saga.Event {
	b.t.Helper()
	e, err := b.Execute(b.t.Context(), b.job, job.Effect{ID: 1, Kind: job.EnsureTasks, Step: step})
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

func (b *bench) execute(kind job.EffectKind) (saga.Event, error) {
	return b.Execute(b.t.Context(), b.job, job.Effect{ID: 1, Kind: kind})
}

// of returns the tasks of a step.
func (b *bench) of(step string) []task.Task {
	b.t.Helper()
	all, err := b.tasks.ByJob(b.t.Context(), "j", step)
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// succeed records the result of a task, whose outputs are stored.
func (b *bench) succeed(step string, index int, r contract.TaskResult) {
	b.t.Helper()
	for _, outputs := range [][]contract.Output{r.Outputs, r.Working} {
		for i := range outputs {
			o := &outputs[i]
			o.Key, o.SizeBytes, o.MediaType = b.job.OutputPrefix()+"1-1/"+o.Path, int64(len(o.Path)), "text/plain"
			if _, err := b.blobs.Put(b.t.Context(), o.Key, bytes.NewReader([]byte(o.Path)), blob.PutOptions{ContentType: o.MediaType}); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	result, err := json.Marshal(r)
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = b.tasks.Update(b.t.Context(), task.ID("j", step, index), func(t *task.Task) error {
		if err := t.Claim("worker/1", t.Attempt, time.Now(), time.Minute); err != nil {
			return err
		}
		return t.Succeed(t.Fence, result, time.Now())
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// plan is that of a film of three chunks and two tracks.
func plan() *contract.TranscodePlan {
	return &contract.TranscodePlan{Video: &contract.VideoPlan{Chunks: make([]contract.Chunk, 3)}, Tracks: make([]contract.TrackPlan, 2)}
}

// planned makes the film's plan.
func (b *bench) planned(p *contract.TranscodePlan) {
	b.t.Helper()
	b.makeTasks("film-plan")
	b.succeed("film-plan", 0, contract.TaskResult{Plan: p, Media: &media.Info{Format: "matroska,webm"}, SourceSHA256: "5ha",
		Working: []contract.Output{{Path: "film/remux.mkv", Kind: "remux"}}})
}

// made makes everything of the film. Each chunk has one segment.
func (b *bench) made() {
	b.t.Helper()
	b.planned(plan())
	for _, s := range b.job.Pipeline.Steps[1:] {
		b.makeTasks(s.Name)
	}
	segment := func(path string) contract.Output {
		return contract.Output{Path: path, Kind: contract.OutputSegment, Segment: &contract.Segment{Number: 1}}
	}
	b.succeed("film-tracks", 0, contract.TaskResult{SourceSHA256: "that of the remux", Outputs: []contract.Output{segment("film/sound/00001.m4s")}})
	b.succeed("film-tracks", 1, contract.TaskResult{Outputs: []contract.Output{{Path: "film/subs/subtitles.vtt", Kind: contract.OutputSubtitles}}})
	b.succeed("film-chunks", 0, contract.TaskResult{Outputs: []contract.Output{{Path: "film/360p/init.mp4", Kind: contract.OutputInit}, segment("film/360p/c000/00001.m4s")}})
	b.succeed("film-chunks", 1, contract.TaskResult{Outputs: []contract.Output{segment("film/360p/c001/00002.m4s")}})
	b.succeed("film-chunks", 2, contract.TaskResult{Outputs: []contract.Output{segment("film/360p/c002/00003.m4s")}})
	b.succeed("film-package", 0, contract.TaskResult{Outputs: []contract.Output{{Path: "film/master.m3u8", Kind: contract.OutputMultivariant}}})
	b.succeed("film-join", 0, contract.TaskResult{Outputs: []contract.Output{{Path: "film/video.mp4", Kind: contract.OutputVideo}}})
	b.succeed("film-verify", 0, contract.TaskResult{Checks: []contract.Check{{Name: "frames", Of: "360p", Found: "75 of 75"}}})
}
