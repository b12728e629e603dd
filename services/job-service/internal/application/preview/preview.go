// Package preview serves films that are not finished: while a job runs, everything that its workers have
// encoded and checked can be watched already, through playlists that grow. Nothing is stored for it. The
// playlists are made anew for every request from the results of the tasks, and segments are those that will
// be published.
//
// What is seen here is provisional: the whole was not verified yet, and where the job fails it is gone. Paths
// are those of the outputs of the completed job (contract.Output), so a player that began early goes on with
// the same addresses.
package preview

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

// Tasks are the tasks of jobs, as task.Repository keeps them.
type Tasks interface {
	Get(ctx context.Context, id string) (task.Task, error)
	ByJob(ctx context.Context, jobID, step string) ([]task.Task, error)
}

// Preview reads what there is of a film. It may be used concurrently.
type Preview struct{ tasks Tasks }

// New returns a preview of the films of these tasks.
func New(tasks Tasks) *Preview { return &Preview{tasks: tasks} }

// File is a playlist, or an object that is to be fetched from storage.
type File struct {
	// Output names the file. Key, SizeBytes and SHA256 are those of an object and empty for playlists.
	Output contract.Output
	// Playlist is the text of a playlist; nil for an object.
	Playlist []byte
}

// The names of files, as in the outputs of a completed job.
const (
	master    = "master.m3u8"
	index     = "index.m3u8"
	initial   = "init.mp4"
	subtitles = "subtitles.vtt"
)

// File returns the file of that path as far as it is there. Only jobs that are queued or processing have any.
// Fault: file_not_found, whose detail says where it only takes time.
func (p *Preview) File(ctx context.Context, j job.Job, path string) (File, error) {
	folder, rest, _ := strings.Cut(path, "/")
	g, err := groupOf(j, folder)
	if err != nil {
		return File{}, err
	}
	v := view{tasks: p.tasks, jobID: j.ID, folder: folder, steps: g}
	switch parts := strings.Split(rest, "/"); {
	case rest == master:
		return v.master(ctx)
	case len(parts) == 2:
		return v.ofRendition(ctx, rendition{name: parts[0], file: parts[1]})
	case len(parts) == 3:
		// The path names the chunk, so one document tells where the segment is: players ask for many.
		chunk, ok := chunkOf(parts[1])
		if !ok {
			return File{}, missing("")
		}
		return v.object(ctx, part{contract.OpChunk, chunk}, parts...)
	default:
		return File{}, missing("")
	}
}

func missing(format string, args ...any) error {
	return fault.New(fault.CodeFileNotFound, format, args...)
}

// groupOf returns the steps, by operation, that make the folder of a job which is under way.
func groupOf(j job.Job, folder string) (map[contract.TranscodeOp]string, error) {
	switch {
	case j.State == job.AwaitingUpload:
		return nil, missing("the job waits for its source")
	case j.State != job.Queued && j.State != job.Processing:
		return nil, missing("the job is %s and has published nothing", j.State)
	}
	var group map[contract.TranscodeOp]string
	for _, s := range j.Pipeline.Steps {
		if s.Op == "" || s.Folder != folder {
			continue
		}
		group = s.Group
		if state := j.Steps[s.Name].State; state.Terminal() && state != job.StepSucceeded {
			return nil, missing("step %s is %s", s.Name, state)
		}
	}
	switch {
	case group == nil:
		return nil, missing("the job is %s: before it is completed only films that are being streamed are served", j.State)
	case group[contract.OpPackage] == "":
		return nil, missing("step %s makes whole files, which are there once the job is completed", folder)
	}
	return group, nil
}

// view is one group of steps of one job.
type view struct {
	tasks  Tasks
	jobID  string
	folder string
	steps  map[contract.TranscodeOp]string
}

// part names a task by what it does.
type part struct {
	op    contract.TranscodeOp
	index int
}

// rendition names a file of a rung or track.
type rendition struct{ name, file string }

// ofRendition returns a file of a rung or a track.
func (v view) ofRendition(ctx context.Context, r rendition) (File, error) {
	plan, err := v.plan(ctx)
	if err != nil {
		return File{}, err
	}
	if video := plan.Video; video != nil && slices.ContainsFunc(video.Rungs, func(o contract.Rung) bool { return o.Name == r.name }) {
		switch r.file {
		case index:
			return v.rung(ctx, r.name, *video)
		case initial:
			return v.object(ctx, part{contract.OpChunk, 0}, r.name, r.file)
		}
		return File{}, missing("")
	}
	at := slices.IndexFunc(plan.Tracks, func(t contract.TrackPlan) bool { return t.Name == r.name })
	switch {
	case at < 0:
		return File{}, missing("the film has no rendition %.80q", r.name)
	case r.file == index:
		return v.track(ctx, at, plan)
	}
	return v.object(ctx, part{contract.OpTrack, at}, r.name, r.file)
}

// plan returns what the group will make, or a fault of code file_not_found while that is not decided.
func (v view) plan(ctx context.Context) (contract.TranscodePlan, error) {
	result, ok, err := v.result(ctx, part{contract.OpPlan, 0})
	switch {
	case err != nil:
		return contract.TranscodePlan{}, err
	case !ok || result.Plan == nil:
		return contract.TranscodePlan{}, missing("the source is still being inspected; ask again in a while")
	}
	return *result.Plan, nil
}

// object returns the stored output of that path below the folder from the result of a task.
func (v view) object(ctx context.Context, p part, elements ...string) (File, error) {
	result, ok, err := v.result(ctx, p)
	if err != nil {
		return File{}, err
	}
	if !ok {
		return File{}, missing("this part of the film is not there yet; ask again in a while")
	}
	path := v.path(elements...)
	for _, o := range result.Outputs {
		if o.Path == path {
			return File{Output: o}, nil
		}
	}
	return File{}, missing("")
}

func (v view) path(elements ...string) string { return v.folder + "/" + strings.Join(elements, "/") }

// result returns what a task recorded; ok is false where it has not succeeded.
func (v view) result(ctx context.Context, p part) (r contract.TaskResult, ok bool, err error) {
	step := v.steps[p.op]
	if step == "" {
		return r, false, nil
	}
	t, err := v.tasks.Get(ctx, task.ID(v.jobID, step, p.index))
	if errors.Is(err, task.ErrNotFound) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("find task %s: %w", task.ID(v.jobID, step, p.index), err)
	}
	return decode(t)
}

// results returns what the succeeded tasks of an operation recorded, by their index.
func (v view) results(ctx context.Context, op contract.TranscodeOp) (map[int]contract.TaskResult, error) {
	step := v.steps[op]
	if step == "" {
		return nil, nil
	}
	tasks, err := v.tasks.ByJob(ctx, v.jobID, step)
	if err != nil {
		return nil, fmt.Errorf("find the tasks of step %s of job %s: %w", step, v.jobID, err)
	}
	all := make(map[int]contract.TaskResult, len(tasks))
	for _, t := range tasks {
		r, ok, err := decode(t)
		if err != nil {
			return nil, err
		}
		if ok {
			all[t.Index] = r
		}
	}
	return all, nil
}

func decode(t task.Task) (r contract.TaskResult, ok bool, err error) {
	if t.State != task.Succeeded {
		return r, false, nil
	}
	if err := json.Unmarshal(t.Result, &r); err != nil {
		return r, false, fmt.Errorf("decode the result of task %s: %w", t.ID, err)
	}
	return r, true, nil
}

// chunkOf reads the folder of a chunk, "c007".
func chunkOf(name string) (n int, ok bool) {
	n, err := strconv.Atoi(strings.TrimPrefix(name, "c"))
	return n, err == nil && n >= 0 && n < contract.MaxChunks && name == fmt.Sprintf("c%03d", n)
}
