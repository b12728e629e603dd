package transcode

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/chunk"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/ladder"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/track"
)

// plan inspects the source and decides what is made of it. A source that cannot be cut exactly is remuxed
// first, if it is to be cut.
func (j *job) plan(ctx context.Context) (contract.TaskResult, error) {
	path, err := j.w.Source(ctx, j.spec.Source)
	if err != nil {
		return contract.TaskResult{}, fmt.Errorf("fetch the source: %w", err)
	}
	policy := Policy{AudioOnly: j.spec.Params.AudioOnly, Salvage: j.spec.Params.OnDamage == contract.DamageSalvage}
	src, err := j.inspect.Inspect(ctx, path, policy)
	if err != nil {
		return contract.TaskResult{}, fmt.Errorf("inspect the source: %w", err)
	}
	j.w.Progress(400)
	p, err := j.decide(src)
	if err != nil {
		return contract.TaskResult{}, err
	}
	p.Input = j.spec.Source
	result := contract.TaskResult{Media: &src.Info, Notes: src.Notes}
	if src.needsRemux(p) {
		remuxed, o, err := j.remux(ctx, src, policy)
		if err != nil {
			return contract.TaskResult{}, err
		}
		if p, err = j.decide(remuxed); err != nil {
			return contract.TaskResult{}, err
		}
		p.Input = contract.SourceRef{Key: o.Key, ETag: o.ETag, SizeBytes: o.SizeBytes}
		result.Working = append(result.Working, o)
	}
	result.Plan = &p
	j.w.Progress(1000)
	return result, nil
}

// needsRemux reports whether a copy of the source with a better index has to be made before the plan can be
// followed.
func (s Source) needsRemux(p contract.TranscodePlan) bool {
	switch {
	case p.Video == nil || s.Exact || s.Whole:
		return false
	case s.Jumps:
		return true
	}
	return len(p.Video.Chunks) > 1
}

// remux makes a copy of the source whose index is exact, and stores it for the other tasks.
func (j *job) remux(ctx context.Context, src Source, policy Policy) (Source, contract.Output, error) {
	path := filepath.Join(j.w.Scratch(), "remuxed")
	if err := j.encode.Remux(ctx, src, path, &j.meter); err != nil {
		return Source{}, contract.Output{}, fmt.Errorf("remux the source: %w", err)
	}
	j.w.Progress(600)
	remuxed, err := j.inspect.Inspect(ctx, path, policy)
	if err != nil {
		return Source{}, contract.Output{}, fmt.Errorf("inspect the remuxed source: %w", err)
	}
	if !remuxed.Exact {
		return Source{}, contract.Output{}, fault.New(fault.CodeInternal, "the remuxed source has no exact index")
	}
	remuxed.Damaged = remuxed.Damaged || src.Damaged
	o, err := j.w.Store(ctx, path, contract.Output{Path: j.path("remuxed"), Kind: "remux", MediaType: "application/octet-stream"})
	return remuxed, o, err
}

// decide returns the plan for a source, but for its Input.
func (j *job) decide(src Source) (contract.TranscodePlan, error) {
	params := j.spec.Params
	p := contract.TranscodePlan{Format: src.Info.Format, Segment: params.Segment, Damaged: src.Damaged,
		Tracks: track.Plan(track.Source{Info: src.Info, Usable: src.Usable, Sidecars: j.spec.Sidecars}, params)}
	streams := byIndex(src.Info)
	origin := origin(src, p.Tracks, streams, params.AudioOnly)
	p.Origin = contract.Seconds(origin)
	if !params.AudioOnly {
		v, err := j.decideVideo(src, origin)
		if err != nil {
			return p, err
		}
		p.Video, p.Duration = &v, v.End
	}
	sound := false
	for i := range p.Tracks {
		t := &p.Tracks[i]
		s, ok := streams[t.Stream]
		if !ok || t.Kind != media.KindAudio {
			continue
		}
		sound = true
		t.Start = contract.Seconds(max(0, s.Start-origin))
		if s.Duration > 0 {
			t.End = contract.Seconds(s.Start + s.Duration - origin)
		}
		p.Duration = max(p.Duration, t.End)
	}
	if params.AudioOnly && !sound {
		return p, fault.New(fault.CodeSourceNoAudio, "the file has no audio track that can be decoded")
	}
	return p, nil
}

func byIndex(info media.Info) map[int]media.Stream {
	m := make(map[int]media.Stream, len(info.Streams))
	for _, s := range info.Streams {
		m[s.Index] = s
	}
	return m
}

// leadIn is how much earlier than the picture sound may begin without moving the origin: encoders of sound
// have a lead-in of a few hundredths of a second, which nobody is meant to hear.
const leadIn = 100 * time.Millisecond

// origin returns the timestamp that outputs call 0: where the picture begins, or sound that begins clearly
// before it.
func origin(src Source, tracks []contract.TrackPlan, streams map[int]media.Stream, audioOnly bool) time.Duration {
	var at time.Duration
	known := false
	if !audioOnly && len(src.Times) > 0 {
		at, known = src.Times[0], true
	}
	slack := leadIn
	for _, t := range tracks {
		s, ok := streams[t.Stream]
		if !ok || t.Kind != media.KindAudio {
			continue
		}
		if !known || s.Start < at-slack {
			at, known = s.Start, true
		}
	}
	return at
}

// decideVideo says how the picture is encoded.
func (j *job) decideVideo(src Source, origin time.Duration) (contract.VideoPlan, error) {
	s, ok := src.Info.PrimaryVideo()
	if !ok || len(src.Times) == 0 {
		return contract.VideoPlan{}, fault.New(fault.CodeSourceNoVideo, "the file has no video")
	}
	want := j.spec.Params.Video
	times := make([]time.Duration, len(src.Times))
	for i, t := range src.Times {
		times[i] = t - origin
	}
	end := src.End - origin
	frames, err := chunk.At(times, end)
	if err != nil {
		return contract.VideoPlan{}, fault.Wrap(fault.CodeSourceCorrupt, err, "the times of the pictures make no sense")
	}
	rate := known(s.Video.FrameRate, times, end)
	capped := ladder.CapRate(rate, want.MaxFrameRate)
	v := contract.VideoPlan{Stream: s.Index, Source: *s.Video, FrameRate: capped, Variable: capped == rate && !even(times, rate), Resample: capped != rate,
		ToneMap: s.Video.HDR(), Deinterlace: want.Deinterlace == contract.On || want.Deinterlace == contract.Auto && s.Video.Interlaced()}
	if v.Resample {
		// The first frame is the first multiple of the rate that is not before the source's.
		first := nearest(capped, times[0])
		frames = chunk.Every(capped, first, max(1, nearest(capped, end)-first))
	}
	v.Start, v.End, v.Frames = contract.Seconds(frames.Start()), contract.Seconds(frames.End()), frames.Count()
	rungs := ladder.Plan(s.Video.Display(), capped, ladder.Request{Codec: want.Codec, Heights: want.Heights})
	v.Rungs, v.Dropped = rungs.Rungs, rungs.Dropped
	workers := max(1, j.spec.Workers)
	keyframes := make([]time.Duration, len(src.Keyframes))
	for i, t := range src.Keyframes {
		keyframes[i] = t - origin
	}
	v.Chunks = chunk.Plan(frames, j.spec.Params.Segment.Duration(), workers, keyframes)
	if src.Damaged || src.Whole {
		// What is missing shows only in decoding, so frames cannot be counted beforehand: the film stays whole.
		v.Chunks = chunk.Join(v.Chunks)
	}
	return v, nil
}

// nearest returns the number of the frame of a constant rate that begins nearest to an instant.
func nearest(rate media.FrameRate, at time.Duration) int64 {
	return rate.FrameAt(at + rate.FrameDuration()/2)
}

// even reports whether frames stand at the multiples of a rate, as well as containers tell.
func even(times []time.Duration, rate media.FrameRate) bool {
	for i, t := range times {
		if off := t - times[0] - rate.Instant(int64(i)); off.Abs() > rate.FrameDuration()/4 {
			return false
		}
	}
	return true
}

// known returns the declared frame rate, or where there is none the average of the frames' times.
func known(declared media.FrameRate, times []time.Duration, end time.Duration) media.FrameRate {
	span := (end - times[0]).Milliseconds()
	if declared.Known() || span <= 0 {
		return declared
	}
	return media.FrameRate{Num: len(times) * 1000, Den: int(span)}
}
