package transcode

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// verify proves everything that the group made, as it is stored: it downloads every object and trusts no
// record but the source's. What it finds wrong is output_invalid or output_missing.
func (j *job) verify(ctx context.Context) (contract.TaskResult, error) {
	if err := faultinject.Point(ctx, "verify.before"); err != nil {
		return contract.TaskResult{}, err
	}
	plan, err := j.planned(ctx)
	if err != nil {
		return contract.TaskResult{}, err
	}
	p, err := j.parts(ctx, plan)
	if err != nil {
		return contract.TaskResult{}, err
	}
	v := &verification{job: j, plan: plan, parts: p, measured: map[string]Measured{}, described: map[string]media.Info{}}
	if err := v.renditions(ctx); err != nil {
		return contract.TaskResult{}, err
	}
	if err := v.together(); err != nil {
		return contract.TaskResult{}, err
	}
	if err := v.manifests(ctx); err != nil {
		return contract.TaskResult{}, err
	}
	if err := v.joined(ctx); err != nil {
		return contract.TaskResult{}, err
	}
	j.w.Progress(1000)
	return contract.TaskResult{Checks: v.checks}, nil
}

// verification is what was found so far.
type verification struct {
	*job
	plan  contract.TranscodePlan
	parts parts
	// measured and described hold what was found in each rung and audio track, by name.
	measured  map[string]Measured
	described map[string]media.Info
	checks    []contract.Check
}

func (v *verification) found(name, of, format string, args ...any) {
	v.checks = append(v.checks, contract.Check{Name: name, Of: of, Found: fmt.Sprintf(format, args...)})
}

// renditions checks every rung and track by itself. One is on this machine at a time: together they may be
// larger than its disk.
func (v *verification) renditions(ctx context.Context) error {
	all := slices.Concat(v.parts.rungs, v.parts.tracks)
	for i, p := range all {
		if err := v.rendition(ctx, p); err != nil {
			return fmt.Errorf("rendition %s: %w", p.name, err)
		}
		v.w.Progress(850 * (i + 1) / len(all))
	}
	return nil
}

func (v *verification) rendition(ctx context.Context, p part) error {
	if p.kind == media.KindSubtitle {
		return v.subtitles(ctx, p)
	}
	r, dir, err := v.fetch(ctx, p)
	defer os.RemoveAll(dir)
	if err != nil {
		return err
	}
	v.found("objects", p.name, "%d objects are stored with the size and SHA-256 that were recorded", len(r.Segments)+1)
	m, err := v.check.Measure(r)
	if err != nil {
		return err
	}
	if err := v.segments(p, m); err != nil {
		return err
	}
	d, err := v.check.Decode(ctx, r, v.w.Scratch(), &v.meter)
	if err != nil {
		return err
	}
	v.found("decode", p.name, "decoded from beginning to end without an error, %d %s", d.Frames, unit(p.kind))
	if p.kind == media.KindVideo {
		if err := v.frames(p, m, d); err != nil {
			return err
		}
	} else if err := soundEnds(m.Segments, p.track, v.plan.Damaged); err != nil {
		return err
	}
	info, err := v.check.Describe(ctx, r, v.w.Scratch(), &v.meter)
	if err != nil {
		return err
	}
	v.measured[p.name], v.described[p.name] = m, info
	return nil
}

func unit(k media.StreamKind) string {
	if k == media.KindVideo {
		return "frames"
	}
	return "samples"
}

// segments compares the segments with what their tasks recorded.
func (v *verification) segments(p part, m Measured) error {
	if len(m.Segments) != len(p.segments) {
		return invalid("%d segments were measured, %d are stored", len(m.Segments), len(p.segments))
	}
	for i, s := range m.Segments {
		want := p.segments[i].Segment
		at := s.FirstPTS
		if p.kind == media.KindAudio {
			at = s.Start
		}
		if off := at - want.Start.Duration(); off.Abs() > tick || s.Frames != want.Frames {
			return invalid("segment %d has %d frames from %v, %d from %v were recorded", i+1, s.Frames, at, want.Frames, want.Start.Duration())
		}
		if p.kind == media.KindVideo && (!s.KeyFirst || s.Keyframes != 1) {
			return invalid("segment %d does not begin with its only keyframe", i+1)
		}
	}
	if p.kind == media.KindAudio {
		if err := continuous(m.Segments); err != nil {
			return err
		}
	}
	last := p.segments[len(p.segments)-1].Segment
	v.found("segments", p.name, "%d segments follow each other without a gap up to %v", len(m.Segments), (last.Start + last.Duration).Duration())
	return nil
}

// frames compares the frames of a rung with those of the source.
func (v *verification) frames(p part, m Measured, d Decoded) error {
	video := v.plan.Video
	var frames int64
	for _, s := range m.Segments {
		frames += s.Frames
	}
	if d.Frames != frames {
		return invalid("%d of %d frames can be decoded", d.Frames, frames)
	}
	if err := enough("frames", frames, video.Frames, v.plan.Damaged); err != nil {
		return err
	}
	v.found("frames", p.name, "%d of the source's %d frames", frames, video.Frames)
	last := m.Segments[len(m.Segments)-1].EndPTS
	slack := video.FrameRate.FrameDuration() + tick
	if v.plan.Damaged {
		slack = max(slack, time.Duration(float64(video.End)*salvageLoss))
	}
	if off := last - video.End.Duration(); off.Abs() > slack {
		return invalid("the picture ends at %v, the source's at %v", last, video.End.Duration())
	}
	v.found("duration", p.name, "ends at %v, the source's at %v", last, video.End.Duration())
	return nil
}

func (v *verification) subtitles(ctx context.Context, p part) error {
	text, err := v.read(ctx, p.subtitles)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(text, "WEBVTT") {
		return invalid("track %s is no WebVTT file", p.name)
	}
	v.found("objects", p.name, "stored with the size and SHA-256 that were recorded, %d cues", strings.Count(text, " --> "))
	return nil
}

// maxOffset is how much sound and picture may be apart more than in the source: less than what viewers
// notice (ITU-R BT.1359 puts that at 45 ms for sound that comes early).
const maxOffset = 40 * time.Millisecond

// together compares the renditions with each other: segments of all rungs begin at the same instants, and
// sound is as far from the picture as in the source.
func (v *verification) together() error {
	rungs := v.parts.rungs
	if len(rungs) == 0 {
		return nil
	}
	first := v.measured[rungs[0].name]
	for _, r := range rungs[1:] {
		m := v.measured[r.name]
		if len(m.Segments) != len(first.Segments) {
			return invalid("rung %s has %d segments, rung %s %d", r.name, len(m.Segments), rungs[0].name, len(first.Segments))
		}
		for i := range m.Segments {
			if off := m.Segments[i].FirstPTS - first.Segments[i].FirstPTS; off.Abs() > tick {
				return invalid("segment %d of rung %s begins %v off that of rung %s", i+1, r.name, off, rungs[0].name)
			}
		}
	}
	v.found("alignment", "", "the %d segments of all %d rungs begin with keyframes at the same instants", len(first.Segments), len(rungs))
	for _, t := range v.parts.tracks {
		if t.kind != media.KindAudio {
			continue
		}
		// Sound is filled up to the origin, so that is where it begins; the picture begins at Video.Start.
		sound, picture := v.measured[t.name].Segments[0].FirstPTS, first.Segments[0].FirstPTS
		if off := (picture - sound) - v.plan.Video.Start.Duration(); off.Abs() > maxOffset {
			return invalid("sound track %s is %v off the picture", t.name, off)
		}
		v.found("av_offset", t.name, "%v off the source's", (picture-sound)-v.plan.Video.Start.Duration())
	}
	return nil
}

// read fetches a small text.
func (v *verification) read(ctx context.Context, o contract.Output) (string, error) {
	f, err := os.CreateTemp(v.w.Scratch(), "text-")
	if err != nil {
		return "", fmt.Errorf("make a file for %s: %w", o.Path, err)
	}
	defer os.Remove(f.Name())
	f.Close()
	if err := v.w.Fetch(ctx, o, f.Name()); err != nil {
		return "", err
	}
	b, err := os.ReadFile(f.Name())
	return string(b), err
}
