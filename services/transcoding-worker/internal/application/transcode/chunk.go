package transcode

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// encodeShare is the part of a chunk's or track's work that is done when it is encoded; the rest is
// checking.
const encodeShare = 0.85

// salvageLoss is how much of a damaged source may be missing in what is made of it.
const salvageLoss = 0.05

// chunk encodes one chunk in all rungs, checks it, and returns its segments.
func (j *job) chunk(ctx context.Context) (contract.TaskResult, error) {
	plan, err := j.planned(ctx)
	if err != nil {
		return contract.TaskResult{}, err
	}
	if plan.Video == nil || j.spec.Index >= len(plan.Video.Chunks) {
		return contract.TaskResult{}, fault.New(fault.CodeTaskSpecInvalid, "the plan has no chunk %d", j.spec.Index)
	}
	in, err := j.input(ctx, plan, plan.Input, encodeShare)
	if err != nil {
		return contract.TaskResult{}, err
	}
	rungs := make([]encoded, len(plan.Video.Rungs))
	for i, r := range plan.Video.Rungs {
		rungs[i] = encoded{name: r.Name, folder: j.path(r.Name, fmt.Sprintf("c%03d", j.spec.Index)), kind: media.KindVideo}
		rungs[i].initPath = rungs[i].folder + "/init.mp4"
		if j.spec.Index == 0 {
			rungs[i].initPath = j.path(r.Name, "init.mp4")
		}
	}
	up, err := j.encodeInto(ctx, rungs, func(dir string, made func(Made) error) error {
		return j.encode.Chunk(ctx, in, j.spec.Index, dir, made, &j.meter)
	})
	if err != nil {
		return contract.TaskResult{}, err
	}
	var result contract.TaskResult
	for i, r := range plan.Video.Rungs {
		facts, err := j.checkChunk(ctx, rungs[i], plan, j.spec.Index)
		if err != nil {
			return contract.TaskResult{}, fmt.Errorf("check rung %s: %w", r.Name, err)
		}
		j.add(&result, j.spec.Index == 0, up.done[rungs[i].init])
		j.add(&result, true, rungs[i].outputs(up, facts)...)
	}
	j.w.Progress(1000)
	return result, nil
}

// add lists objects in a result: as outputs where they are to be published, which parts of renditions are
// only where playlists name them.
func (j *job) add(result *contract.TaskResult, publish bool, objects ...contract.Output) {
	if publish && j.streams() {
		result.Outputs = append(result.Outputs, objects...)
	} else {
		result.Working = append(result.Working, objects...)
	}
}

// streams reports whether segments are published.
func (j *job) streams() bool { return j.wants(contract.HLS) || j.wants(contract.DASH) }

func (j *job) wants(f contract.StreamFormat) bool { return slices.Contains(j.spec.Params.Formats, f) }

// encoded is a rung or track as it comes out of an encoder, with where it is stored.
type encoded struct {
	name   string
	folder string
	// initPath is that of the initialization section: the rendition's own for the first chunk and for tracks.
	// Other chunks keep theirs to be compared with it.
	initPath string
	kind     media.StreamKind
	init     Made
	parts    []Made
}

// files returns the rendition that the files make up.
func (e encoded) files() Rendition {
	r := Rendition{Kind: e.kind, Init: e.init.Path}
	for _, p := range e.parts {
		r.Segments = append(r.Segments, p.Path)
	}
	return r
}

// outputs returns the segments as stored, with their facts.
func (e encoded) outputs(up *uploads, facts []contract.Segment) []contract.Output {
	outputs := make([]contract.Output, len(e.parts))
	for i, p := range e.parts {
		outputs[i] = up.done[p]
		outputs[i].Segment = &facts[i]
	}
	return outputs
}

// encodeInto runs an encoder and stores every file as soon as it is whole. It returns when both have ended.
func (j *job) encodeInto(ctx context.Context, into []encoded, run func(dir string, made func(Made) error) error) (*uploads, error) {
	up := newUploads(ctx, j.w)
	err := run(filepath.Join(j.w.Scratch(), "encoded"), func(m Made) error {
		if m.Rung < 0 || m.Rung >= len(into) {
			return fmt.Errorf("a file of rung %d was made", m.Rung)
		}
		e := &into[m.Rung]
		o := contract.Output{Kind: contract.OutputSegment, MediaType: contract.MediaTypeSegment, Path: fmt.Sprintf("%s/%05d.m4s", e.folder, m.Number)}
		if m.Number == 0 {
			o.Kind, o.MediaType, o.Path = contract.OutputInit, contract.MediaTypeMP4, e.initPath
			e.init = m
		} else {
			e.parts = append(e.parts, m)
		}
		up.add(m, o)
		if up.ctx.Err() != nil {
			return context.Cause(up.ctx)
		}
		return nil
	})
	stored := up.wait()
	// An upload that failed ends the run: then it is the reason, unless everything was cut off.
	if stored != nil && (err == nil || errors.Is(err, stored)) {
		return nil, stored
	}
	if err != nil {
		return nil, err
	}
	for _, e := range into {
		if e.init.Path == "" || len(e.parts) == 0 {
			return nil, invalid("rendition %s has no segments", e.name)
		}
	}
	return up, nil
}

// checkChunk compares a rung of a chunk with the plan and decodes it. It returns what is to be told of its
// segments.
func (j *job) checkChunk(ctx context.Context, e encoded, plan contract.TranscodePlan, index int) ([]contract.Segment, error) {
	c := plan.Video.Chunks[index]
	m, err := j.check.Measure(e.files())
	if err != nil {
		return nil, err
	}
	frame := plan.Video.FrameRate.FrameDuration()
	if !plan.Damaged {
		if err := compareCuts(m.Segments, c.Cuts, c.End, frame); err != nil {
			return nil, err
		}
	}
	facts := make([]contract.Segment, len(m.Segments))
	var frames int64
	for i, s := range m.Segments {
		if !s.KeyFirst || s.Keyframes != 1 {
			return nil, invalid("segment %d has %d keyframes, want one, at its beginning", c.FirstSegment+i, s.Keyframes)
		}
		frames += s.Frames
		end := c.End.Duration()
		if i+1 < len(m.Segments) {
			end = m.Segments[i+1].FirstPTS
		} else if plan.Damaged {
			end = s.EndPTS
		}
		facts[i] = contract.Segment{Rendition: e.name, Number: e.parts[i].Number, Start: contract.Seconds(s.FirstPTS),
			Duration: contract.Seconds(end - s.FirstPTS), Frames: s.Frames, KeyBytes: s.KeyBytes}
		if want := c.FirstSegment + i; facts[i].Number != want {
			return nil, invalid("segment %d came where segment %d belongs", facts[i].Number, want)
		}
	}
	if err := enough("frames", frames, c.Frames, plan.Damaged); err != nil {
		return nil, err
	}
	d, err := j.check.Decode(ctx, e.files(), j.w.Scratch(), &j.meter)
	if err != nil {
		return nil, err
	}
	if d.Frames != frames {
		return nil, invalid("%d of %d frames can be decoded", d.Frames, frames)
	}
	return facts, nil
}

// tick is how far an instant may be off by the rounding of clocks: containers count at least in
// milliseconds.
const tick = time.Millisecond

// compareCuts reports segments that do not begin where they were to be cut, or do not end where the last
// frame does.
func compareCuts(got []SegmentFacts, cuts []contract.Seconds, end contract.Seconds, frame time.Duration) error {
	if len(got) != len(cuts) {
		return invalid("there are %d segments, want %d", len(got), len(cuts))
	}
	for i, s := range got {
		if off := s.FirstPTS - cuts[i].Duration(); off.Abs() > tick {
			return invalid("segment %d of %d begins %v off its place at %v", i+1, len(got), off, cuts[i].Duration())
		}
	}
	if n := len(got); n > 0 {
		// The span of the very last frame is told by nothing but its neighbours.
		if off := got[n-1].EndPTS - end.Duration(); off.Abs() > frame+tick {
			return invalid("the last segment ends %v off its place at %v", off, end.Duration())
		}
	}
	return nil
}

// enough compares a count with what the source has. Of a damaged one a part may be missing.
func enough(what string, got, want int64, damaged bool) error {
	if got == want || damaged && float64(got) >= float64(want)*(1-salvageLoss) && got > 0 {
		return nil
	}
	return invalid("there are %d %s, want %d", got, what, want)
}
