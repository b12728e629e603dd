package transcode

import (
	"context"
	"path/filepath"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// track encodes an audio track as a whole, or converts a subtitle track.
func (j *job) track(ctx context.Context) (contract.TaskResult, error) {
	plan, err := j.planned(ctx)
	if err != nil {
		return contract.TaskResult{}, err
	}
	if j.spec.Index >= len(plan.Tracks) {
		return contract.TaskResult{}, fault.New(fault.CodeTaskSpecInvalid, "the plan has no track %d", j.spec.Index)
	}
	t := plan.Tracks[j.spec.Index]
	ref := plan.Input
	if t.Stream < 0 {
		if t.Sidecar >= len(j.spec.Sidecars) {
			return contract.TaskResult{}, fault.New(fault.CodeTaskSpecInvalid, "the task has no sidecar file %d", t.Sidecar)
		}
		ref = j.spec.Sidecars[t.Sidecar].SourceRef
	}
	in, err := j.input(ctx, plan, ref, encodeShare)
	if err != nil {
		return contract.TaskResult{}, err
	}
	if t.Kind == media.KindSubtitle {
		return j.subtitles(ctx, in, t)
	}
	return j.audio(ctx, in, t)
}

func (j *job) audio(ctx context.Context, in Input, t contract.TrackPlan) (contract.TaskResult, error) {
	track := []encoded{{name: t.Name, folder: j.path(t.Name), initPath: j.path(t.Name, "init.mp4"), kind: media.KindAudio}}
	up, err := j.encodeInto(ctx, track, func(dir string, made func(Made) error) error {
		return j.encode.Track(ctx, in, j.spec.Index, dir, made, &j.meter)
	})
	if err != nil {
		return contract.TaskResult{}, err
	}
	facts, err := j.checkAudio(ctx, track[0], t, in.Plan.Damaged)
	if err != nil {
		return contract.TaskResult{}, err
	}
	var result contract.TaskResult
	j.add(&result, true, up.done[track[0].init])
	j.add(&result, true, track[0].outputs(up, facts)...)
	j.w.Progress(1000)
	return result, nil
}

// soundSlack is how much longer or shorter sound may be than its source says: headers count packets, the
// last of which is padded (to 128 ms in AAC of 8 kHz), and encoders have a lead-in.
const soundSlack = 160 * time.Millisecond

// checkAudio reports a track with gaps, of another length than the source's, or that cannot be decoded. It
// returns what is to be told of its segments.
func (j *job) checkAudio(ctx context.Context, e encoded, t contract.TrackPlan, damaged bool) ([]contract.Segment, error) {
	m, err := j.check.Measure(e.files())
	if err != nil {
		return nil, err
	}
	if err := continuous(m.Segments); err != nil {
		return nil, err
	}
	if err := soundEnds(m.Segments, t, damaged); err != nil {
		return nil, err
	}
	facts := make([]contract.Segment, len(m.Segments))
	for i, s := range m.Segments {
		if e.parts[i].Number != i+1 {
			return nil, invalid("segment %d came where segment %d belongs", e.parts[i].Number, i+1)
		}
		facts[i] = contract.Segment{Rendition: e.name, Number: i + 1, Start: contract.Seconds(s.Start), Duration: contract.Seconds(s.Duration), Frames: s.Frames}
	}
	_, err = j.check.Decode(ctx, e.files(), j.w.Scratch(), &j.meter)
	return facts, err
}

// continuous reports segments that do not follow each other without a gap.
func continuous(segments []SegmentFacts) error {
	for i := 1; i < len(segments); i++ {
		if off := segments[i].Start - segments[i-1].Start - segments[i-1].Duration; off.Abs() > tick {
			return invalid("between segments %d and %d there is a gap of %v", i, i+1, off)
		}
	}
	return nil
}

// soundEnds reports a track that is not as long as the source's.
func soundEnds(segments []SegmentFacts, t contract.TrackPlan, damaged bool) error {
	if len(segments) == 0 {
		return invalid("track %s has no segments", t.Name)
	}
	want, got := t.End.Duration(), segments[len(segments)-1].EndPTS
	slack := soundSlack
	if damaged {
		slack = max(slack, time.Duration(float64(want)*salvageLoss))
	}
	if off := got - want; want > 0 && off.Abs() > slack {
		return invalid("track %s ends at %v, the source's at %v", t.Name, got, want)
	}
	return nil
}

func (j *job) subtitles(ctx context.Context, in Input, t contract.TrackPlan) (contract.TaskResult, error) {
	var path string
	err := j.encode.Track(ctx, in, j.spec.Index, filepath.Join(j.w.Scratch(), "encoded"), func(m Made) error { path = m.Path; return nil }, &j.meter)
	if err != nil {
		return contract.TaskResult{}, err
	}
	o, err := j.w.Store(ctx, path, contract.Output{Kind: contract.OutputSubtitles, MediaType: contract.MediaTypeWebVTT, Path: j.path(t.Name, "subtitles.vtt")})
	if err != nil {
		return contract.TaskResult{}, err
	}
	j.w.Progress(1000)
	var result contract.TaskResult
	j.add(&result, true, o)
	return result, nil
}
