package inmemory

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/worker"
)

// filmChunks and filmTracks are how many tasks the steps of a film have.
const (
	filmChunks = 3
	filmTracks = 2
)

// filmStep is a transcode step as a request has it. What it stands for are filmOps, in an order in which they can
// be done.
var (
	filmStep = map[string]any{"name": "film", "kind": "transcode", "params": map[string]any{"formats": []string{"hls", "mp4"}}}
	filmOps  = []contract.TranscodeOp{contract.OpPlan, contract.OpTrack, contract.OpChunk, contract.OpPackage, contract.OpJoin, contract.OpVerify}
)

// filmOf is what the film of a source publishes.
func filmOf(source string) map[string]string {
	want := map[string]string{
		"film/360p/init.mp4": "init", "film/sound/init.mp4": "init", "film/sound/00001.m4s": "sound of remuxed " + source,
		"film/subs/subtitles.vtt": "subs of remuxed " + source,
	}
	var parts, video []string
	for i := range filmChunks {
		path := fmt.Sprintf("film/360p/c%03d/%05d.m4s", i, i+1)
		want[path] = fmt.Sprintf("chunk %d of remuxed %s", i, source)
		parts, video = append(parts, path), append(video, want[path])
	}
	want["film/360p/index.m3u8"] = strings.Join(parts, "\n")
	want["film/master.m3u8"] = "360p/index.m3u8"
	want["film/video.mp4"] = strings.Join(video, "\n")
	return want
}

func segment(rendition string, number int) *contract.Segment {
	const length = contract.Seconds(4 * time.Second)
	return &contract.Segment{Rendition: rendition, Number: number, Start: length * contract.Seconds(number-1), Duration: length}
}

// filmPlan is what is decided of every source.
func filmPlan(input contract.SourceRef) *contract.TranscodePlan {
	video := contract.VideoPlan{FrameRate: media.FrameRate{Num: 25, Den: 1},
		Rungs: []contract.Rung{{Name: "360p", Width: 640, Height: 360, Codecs: "avc1.64001e", MaxBitsPerSecond: 800_000}}}
	for i := range filmChunks {
		s := segment("360p", i+1)
		video.Chunks = append(video.Chunks, contract.Chunk{First: int64(100 * i), Frames: 100, Cuts: []contract.Seconds{s.Start}, End: s.Start + s.Duration, FirstSegment: i + 1})
	}
	return &contract.TranscodePlan{Input: input, Duration: video.Chunks[filmChunks-1].End, Segment: video.Chunks[0].End, Video: &video,
		Tracks: []contract.TrackPlan{{Name: "sound", Kind: media.KindAudio, Default: true, Codecs: "mp4a.40.2", BitsPerSecond: 128_000}, {Name: "subs", Kind: media.KindSubtitle}}}
}

// filmWork is one attempt at an operation of a film.
type filmWork struct {
	worker.Attempt
	spec   contract.TranscodeSpec
	result contract.TaskResult
}

// film carries out an operation of a film: the plan makes a working copy of the source, which the tracks and chunks
// are made from, and what comes after is made from their stored outputs.
func (p *stubProcessor) film(ctx context.Context, a worker.Attempt) (contract.TaskResult, error) {
	w := filmWork{Attempt: a}
	if err := json.Unmarshal(a.Task().Spec, &w.spec); err != nil {
		return w.result, fault.Wrap(fault.CodeTaskSpecInvalid, err, "")
	}
	if p.fail != nil {
		if err := p.fail(ctx, a); err != nil {
			return w.result, err
		}
	}
	do := map[contract.TranscodeOp]func(context.Context) error{contract.OpPlan: w.plan, contract.OpTrack: w.track, contract.OpChunk: w.chunk,
		contract.OpPackage: w.pack, contract.OpJoin: w.join, contract.OpVerify: w.verify}[w.spec.Op]
	if do == nil {
		return w.result, fault.New(fault.CodeTaskSpecInvalid, "operation %q", w.spec.Op)
	}
	err := do(ctx)
	return w.result, err
}

// read returns the content of a source.
func (w *filmWork) read(ctx context.Context, ref contract.SourceRef) (string, error) {
	path, err := w.Source(ctx, ref)
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(path)
	return string(b), err
}

// put stores an output below the film's folder and adds it to a list.
func (w *filmWork) put(ctx context.Context, to *[]contract.Output, o contract.Output, content string) error {
	local := filepath.Join(w.Scratch(), strings.ReplaceAll(o.Path, "/", "-"))
	if err := os.WriteFile(local, []byte(content), 0o600); err != nil {
		return err
	}
	o.Path, o.MediaType = w.spec.Folder+"/"+o.Path, "text/plain"
	o, err := w.Store(ctx, local, o)
	*to = append(*to, o)
	return err
}

func (w *filmWork) plan(ctx context.Context) error {
	content, err := w.read(ctx, w.spec.Source)
	if err != nil {
		return err
	}
	if err := w.put(ctx, &w.result.Working, contract.Output{Path: "remux.mkv", Kind: "remux"}, "remuxed "+content); err != nil {
		return err
	}
	o := w.result.Working[0]
	w.result.Plan = filmPlan(contract.SourceRef{Key: o.Key, ETag: o.ETag, SizeBytes: o.SizeBytes})
	w.result.Media = &media.Info{Format: "text", SizeBytes: w.spec.Source.SizeBytes}
	return nil
}

// planned returns the plan of the film and the content of its input.
func (w *filmWork) planned(ctx context.Context) (*contract.TranscodePlan, string, error) {
	results, err := w.Results(ctx, w.spec.Steps[contract.OpPlan])
	if err != nil {
		return nil, "", err
	}
	content, err := w.read(ctx, results[0].Plan.Input)
	return results[0].Plan, content, err
}

func (w *filmWork) track(ctx context.Context) error {
	plan, content, err := w.planned(ctx)
	if err != nil {
		return err
	}
	name, to := plan.Tracks[w.spec.Index].Name, &w.result.Outputs
	content = name + " of " + content
	if plan.Tracks[w.spec.Index].Kind == media.KindSubtitle {
		return w.put(ctx, to, contract.Output{Path: name + "/subtitles.vtt", Kind: contract.OutputSubtitles}, content)
	}
	if err := w.put(ctx, to, contract.Output{Path: name + "/init.mp4", Kind: contract.OutputInit}, "init"); err != nil {
		return err
	}
	return w.put(ctx, to, contract.Output{Path: name + "/00001.m4s", Kind: contract.OutputSegment, Segment: segment(name, 1)}, content)
}

func (w *filmWork) chunk(ctx context.Context) error {
	_, content, err := w.planned(ctx)
	if err != nil {
		return err
	}
	i, to := w.spec.Index, &w.result.Outputs
	if i == 0 {
		if err := w.put(ctx, to, contract.Output{Path: "360p/init.mp4", Kind: contract.OutputInit}, "init"); err != nil {
			return err
		}
	}
	o := contract.Output{Path: fmt.Sprintf("360p/c%03d/%05d.m4s", i, i+1), Kind: contract.OutputSegment, Segment: segment("360p", i+1)}
	return w.put(ctx, to, o, fmt.Sprintf("chunk %d of %s", i, content))
}

// segments returns the segments of the picture.
func (w *filmWork) segments(ctx context.Context) ([]contract.Output, error) {
	results, err := w.Results(ctx, w.spec.Steps[contract.OpChunk])
	var all []contract.Output
	for _, r := range results {
		for _, o := range r.Outputs {
			if o.Kind == contract.OutputSegment {
				all = append(all, o)
			}
		}
	}
	return all, err
}

func (w *filmWork) pack(ctx context.Context) error {
	segments, err := w.segments(ctx)
	if err != nil {
		return err
	}
	var paths []string
	for _, o := range segments {
		paths = append(paths, o.Path)
	}
	if err := w.put(ctx, &w.result.Outputs, contract.Output{Path: "360p/index.m3u8", Kind: contract.OutputPlaylist}, strings.Join(paths, "\n")); err != nil {
		return err
	}
	return w.put(ctx, &w.result.Outputs, contract.Output{Path: "master.m3u8", Kind: contract.OutputMultivariant}, "360p/index.m3u8")
}

func (w *filmWork) join(ctx context.Context) error {
	segments, err := w.segments(ctx)
	if err != nil {
		return err
	}
	var parts []string
	for _, o := range segments {
		content, err := w.fetch(ctx, o)
		if err != nil {
			return err
		}
		parts = append(parts, content)
	}
	return w.put(ctx, &w.result.Outputs, contract.Output{Path: "video.mp4", Kind: contract.OutputVideo}, strings.Join(parts, "\n"))
}

// fetch returns the content of an output, which is checked on its way.
func (w *filmWork) fetch(ctx context.Context, o contract.Output) (string, error) {
	local := filepath.Join(w.Scratch(), "fetched")
	if err := w.Fetch(ctx, o, local); err != nil {
		return "", err
	}
	b, err := os.ReadFile(local)
	return string(b), err
}

func (w *filmWork) verify(ctx context.Context) error {
	for _, op := range filmOps[1:5] {
		results, err := w.Results(ctx, w.spec.Steps[op])
		if err != nil {
			return err
		}
		for _, r := range results {
			for _, o := range r.Outputs {
				if _, err := w.fetch(ctx, o); err != nil {
					return err
				}
			}
		}
	}
	w.result.Checks = []contract.Check{{Name: "objects", Of: w.spec.Folder, Found: "all of them"}}
	return nil
}
