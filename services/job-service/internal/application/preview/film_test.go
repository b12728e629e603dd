package preview_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/hls"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/application/preview"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
)

// store is the tasks of one job. read counts the documents that were read.
type store struct {
	tasks map[string]task.Task
	err   error
	read  int
}

func (s *store) Get(_ context.Context, id string) (task.Task, error) {
	s.read++
	t, ok := s.tasks[id]
	if s.err == nil && !ok {
		return t, task.ErrNotFound
	}
	return t, s.err
}

func (s *store) ByJob(_ context.Context, jobID, step string) ([]task.Task, error) {
	var all []task.Task
	for _, t := range s.tasks {
		if t.JobID == jobID && t.Step == step {
			all = append(all, t)
		}
	}
	s.read += len(all)
	return all, s.err
}

// film is a job whose step "video" is being encoded, in two rungs and three chunks of two segments.
type film struct {
	*store
	t       *testing.T
	job     job.Job
	plan    contract.TranscodePlan
	preview *preview.Preview
}

// change alters what a film is made of, before it is.
type change func(plan *contract.TranscodePlan, params *contract.TranscodeParams)

func newFilm(t *testing.T, changes ...change) *film {
	t.Helper()
	plan := contract.TranscodePlan{Duration: seconds(23.5), Segment: seconds(4), Video: &contract.VideoPlan{
		FrameRate: media.FrameRate{Num: 25, Den: 1},
		Rungs: []contract.Rung{
			{Name: "720p", Width: 1280, Height: 720, MaxBitsPerSecond: 3_000_000, Codecs: "avc1.64001f"},
			{Name: "360p", Width: 640, Height: 360, MaxBitsPerSecond: 800_000, Codecs: "avc1.64001e"}},
		Chunks: []contract.Chunk{
			{Cuts: []contract.Seconds{0, seconds(4)}, End: seconds(8), FirstSegment: 1},
			{Cuts: []contract.Seconds{seconds(8), seconds(12)}, End: seconds(16.2), FirstSegment: 3},
			{Cuts: []contract.Seconds{seconds(16.2), seconds(20)}, End: seconds(23.5), FirstSegment: 5}},
	}, Tracks: []contract.TrackPlan{
		{Name: "audio-de", Kind: media.KindAudio, Language: "de", Label: "Deutsch", Codecs: "mp4a.40.2", BitsPerSecond: 96_000, Channels: 2},
		{Name: "audio-en", Kind: media.KindAudio, Language: "en", Label: "English", Default: true, Codecs: "mp4a.40.2", BitsPerSecond: 128_000, Channels: 2},
		{Name: "subs-en", Kind: media.KindSubtitle, Stream: -1, Language: "en", Label: "English"},
	}}
	var params contract.TranscodeParams
	for _, c := range changes {
		c(&plan, &params)
	}
	encoded, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pipeline.New("p", 1, []pipeline.Step{{Name: "video", Kind: contract.KindTranscode, Params: encoded}})
	if err != nil {
		t.Fatal(err)
	}
	f := &film{t: t, store: &store{tasks: map[string]task.Task{}}, plan: plan,
		job: job.Job{ID: "job", State: job.Processing, Pipeline: p, Steps: map[string]job.Step{}}}
	for _, s := range p.Steps {
		f.job.Steps[s.Name] = job.Step{State: job.StepRunning}
	}
	f.preview = preview.New(f.store)
	return f
}

func seconds(s float64) contract.Seconds { return contract.Seconds(s * float64(time.Second)) }

// done records the result of a task of the group.
func (f *film) done(step string, index int, r contract.TaskResult) {
	f.t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		f.t.Fatal(err)
	}
	id := task.ID("job", "video-"+step, index)
	f.tasks[id] = task.Task{ID: id, JobID: "job", Step: "video-" + step, Index: index, State: task.Succeeded, Result: b}
}

func (f *film) planned() *film {
	f.done("plan", 0, contract.TaskResult{Plan: &f.plan})
	return f
}

func object(kind, path string, s *contract.Segment) contract.Output {
	return contract.Output{Path: path, Kind: kind, Key: "t/acme/j/job/a/1-1/" + path, Segment: s}
}

// chunk records that a chunk was encoded.
func (f *film) chunk(i int) {
	var r contract.TaskResult
	c := f.plan.Video.Chunks[i]
	for _, rung := range f.plan.Video.Rungs {
		if i == 0 {
			r.Outputs = append(r.Outputs, object(contract.OutputInit, "video/"+rung.Name+"/init.mp4", nil))
		}
		for n, cut := range c.Cuts {
			end := c.End
			if n+1 < len(c.Cuts) {
				end = c.Cuts[n+1]
			}
			s := contract.Segment{Rendition: rung.Name, Number: c.FirstSegment + n, Start: cut, Duration: end - cut}
			r.Outputs = append(r.Outputs, object(contract.OutputSegment, fmt.Sprintf("video/%s/c%03d/%05d.m4s", rung.Name, i, s.Number), &s))
		}
	}
	f.done("chunks", i, r)
}

// track records that a track was encoded.
func (f *film) track(i int) {
	var r contract.TaskResult
	t := f.plan.Tracks[i]
	if t.Kind == media.KindSubtitle {
		r.Outputs = []contract.Output{object(contract.OutputSubtitles, "video/"+t.Name+"/subtitles.vtt", nil)}
	} else {
		r.Outputs = []contract.Output{object(contract.OutputInit, "video/"+t.Name+"/init.mp4", nil)}
		for n := 1; n <= 3; n++ {
			s := contract.Segment{Rendition: t.Name, Number: n, Start: seconds(8 * float64(n-1)), Duration: seconds(7.9)}
			r.Outputs = append(r.Outputs, object(contract.OutputSegment, fmt.Sprintf("video/%s/%05d.m4s", t.Name, n), &s))
		}
	}
	f.done("tracks", i, r)
}

// text returns a playlist.
func (f *film) text(path string) string {
	f.t.Helper()
	got, err := f.preview.File(f.t.Context(), f.job, path)
	if err != nil {
		f.t.Fatalf("%s: %v", path, err)
	}
	if got.Playlist == nil || got.Output.MediaType != contract.MediaTypeHLS || got.Output.Path != path {
		f.t.Fatalf("%s is no playlist: %+v", path, got)
	}
	return string(got.Playlist)
}

func (f *film) master() hls.Multivariant {
	f.t.Helper()
	m, err := hls.ParseMultivariant(f.text("video/master.m3u8"))
	if err != nil {
		f.t.Fatal(err)
	}
	return m
}

func (f *film) media(path string) hls.Media {
	f.t.Helper()
	m, err := hls.ParseMedia(f.text(path))
	if err != nil {
		f.t.Fatal(err)
	}
	return m
}

// absent fails the test unless there is no such file, and returns why.
func (f *film) absent(path string) string {
	f.t.Helper()
	got, err := f.preview.File(f.t.Context(), f.job, path)
	if fault.CodeOf(err) != fault.CodeFileNotFound {
		f.t.Errorf("%s = %+v, %v; want file_not_found", path, got, err)
		return ""
	}
	return fault.RecordOf(err).Detail
}
