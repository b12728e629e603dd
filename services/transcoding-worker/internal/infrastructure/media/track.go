package media

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// Track implements transcode.Encoder.
func (e *Encoder) Track(ctx context.Context, in transcode.Input, track int, dir string, made func(transcode.Made) error, meter *transcode.Meter) error {
	if track < 0 || track >= len(in.Plan.Tracks) {
		return fault.New(fault.CodeTaskSpecInvalid, "the plan has no track %d", track)
	}
	t := in.Plan.Tracks[track]
	source, err := filepath.Abs(in.Path)
	if err != nil {
		return fmt.Errorf("find the input: %w", err)
	}
	s := sound{cfg: e.cfg, plan: in.Plan, track: t, source: source, dir: dir}
	folder := filepath.Join(dir, soundFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fault.Wrap(fault.CodeScratchFull, err, "no folder for the track could be made")
	}
	if t.Kind == media.KindSubtitle {
		return e.subtitles(ctx, in, t, source, dir, made, meter)
	}
	encoding := in.Progress
	if in.LoudnessLUFS != nil {
		// Measuring costs about as much as encoding.
		measured := 0.5
		if s.gain, err = e.gain(ctx, s, *in.LoudnessLUFS, func(done float64) { share(in.Progress, done*measured, 1) }, meter); err != nil {
			return err
		}
		encoding = func(done float64) { share(in.Progress, measured+done*(1-measured), 1) }
	}
	whole := in.Plan.Duration.Duration().Seconds()
	j := job{plan: s.encoding(), dir: dir, progress: func(p ffmpeg.Progress) { share(encoding, p.OutTime.Seconds(), whole) }}
	if err := e.watched(ctx, j, newWatcher([]string{folder}, 1, made), meter); err != nil {
		return e.blame(ctx, s.reading(), dir, err, meter)
	}
	return nil
}

// soundFolder is where the segments of a track are made.
const soundFolder = "track"

// sound builds the plans of one audio track.
type sound struct {
	cfg    Config
	plan   contract.TranscodePlan
	track  contract.TrackPlan
	source string
	dir    string
	gain   []args.Filter
}

// microseconds is the clock of sound before it is resampled.
const microseconds = 1_000_000

// tail is how much longer than planned a track may be: what lasts longer by its timestamps is damage, which
// would be filled with silence for hours.
const tail = 5 * time.Second

// longSilence is how much silence before a track the resampler may hold in memory.
const longSilence = 2 * time.Second

// filters brings the track to the clock, rate and channels of the outputs. Outputs begin at the origin. Of a
// long silence before the track the resampler sees only the end.
func (s sound) filters() []args.Filter {
	origin, rate, silence := s.plan.Origin.Duration(), s.track.SampleRate, time.Duration(0)
	if start := s.track.Start.Duration(); start > longSilence {
		silence = (start - longSilence/2).Truncate(time.Second)
	}
	fs := []args.Filter{
		args.AudioTimebase(microseconds), args.AudioShift(-(origin + silence).Microseconds()),
		args.Resample(rate), args.Samples(rate, s.track.Channels),
	}
	if silence > 0 {
		fs = append(fs, args.Silence(int64(silence/time.Second)*int64(rate)))
	}
	if s.plan.Duration > 0 {
		fs = append(fs, args.AudioTrim(0, s.plan.Duration.Duration()+tail))
	}
	return fs
}

func (s sound) plans(filters []args.Filter, out func(args.Pad) args.Output) args.Plan {
	return args.Plan{
		CopyTimestamps: true, FailFast: !s.plan.Damaged, FilterThreads: 1,
		Inputs:  []args.Input{{Path: s.source, DiscardSubtitles: true, Threads: s.cfg.Threads, Guard: s.cfg.guard()}},
		Graph:   []args.Chain{args.Through(args.Stream(0, s.track.Stream), filters, "a")},
		Outputs: []args.Output{out(args.Label("a"))},
	}
}

func discard(from args.Pad) args.Output {
	return args.Output{Path: "null", Format: "null", From: []args.Pad{from}}
}

// encoding returns the plan that makes the segments.
func (s sound) encoding() args.Plan {
	filters := append(s.filters(), s.gain...)
	return s.plans(filters, func(from args.Pad) args.Output {
		hls := segmented{folder: soundFolder, first: 1, seconds: args.Seconds(s.segment())}
		return hls.output(from, audioOptions(s.track)...)
	})
}

// leadOut is more than encoders add to a track: what comes before its first sample, and what fills its last frame.
// sliver is what is too short for a segment of its own.
const leadOut, sliver = 60 * time.Millisecond, 500 * time.Millisecond

// segment is how long a segment lasts: as planned, or a little more where the last one would be a sliver. One of a
// single frame lies, shifted by the encoder's lead-in (the edit list), before the time that its playlist gives it:
// hls.js never finds it buffered, and stops short of the end of the film.
func (s sound) segment() time.Duration {
	want, whole := s.plan.Segment.Duration(), cmp.Or(s.track.End, s.plan.Duration).Duration()+leadOut
	if n := whole / want; n > 0 && whole%want < sliver {
		return whole / n
	}
	return want
}

// reading returns a plan that decodes the track and does nothing with it.
func (s sound) reading() args.Plan {
	return s.plans([]args.Filter{args.New("anull")}, discard)
}
