package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
)

// Decoded is what a full decode found.
type Decoded struct {
	// Frames is the number of pictures decoded, 0 for a file without a picture.
	Frames int64
	// OutTime is the media time up to the end of the last frame.
	OutTime time.Duration
}

// Decode decodes the picture and the primary audio of a file that Inspect accepted, from beginning to
// end, and returns source_corrupt at the first damaged packet. It is the only check that sees damage
// inside media data, and costs what decoding costs: limits bound it.
//
// It decodes with one thread: where several decode frames at once, ffmpeg (5.1) may lose the mark that a frame was
// concealed, and whether damage is found is a matter of luck.
func (pr *Prober) Decode(ctx context.Context, path string, rep Report, p Policy, limits ffmpeg.Limits) (Decoded, error) {
	out := args.Output{Path: "null", Format: "null", PassthroughTiming: true}
	if v, ok := rep.Picture(); ok {
		out.From = append(out.From, args.Stream(0, v.Index))
	}
	if a, ok := rep.Info.PrimaryAudio(); ok && args.Decodable(a.Codec) {
		out.From = append(out.From, args.Stream(0, a.Index))
	}
	if len(out.From) == 0 {
		return Decoded{}, fault.New(fault.CodeSourceUnsupported, "the file has nothing that can be decoded")
	}
	argv, err := args.Build(args.Plan{
		Inputs:   []args.Input{{Path: path, Threads: 1, Guard: p.withDefaults().guard()}},
		Outputs:  []args.Output{out},
		FailFast: true,
	})
	if err != nil {
		return Decoded{}, fmt.Errorf("plan the decoding of the source: %w", err)
	}
	res, err := pr.run.Run(ctx, ffmpeg.Command{Program: ffmpeg.FFmpeg, Args: argv, Limits: limits, Watch: ffmpeg.WatchCPU})
	d := Decoded{Frames: res.Progress.Frame, OutTime: res.Progress.OutTime}
	if err != nil {
		return d, verdict(err, kindKnown)
	}
	return d, damageIn(res.Stderr)
}

// triedSpan is how much of a damaged file is decoded to see whether anything can be.
const triedSpan = time.Minute

// decodesAtAll refuses a damaged file of which no picture, and where it has none no sound, comes out of the
// decoder.
func (pr *Prober) decodesAtAll(ctx context.Context, path string, rep Report, p Policy) error {
	out := args.Output{Path: "null", Format: "null", PassthroughTiming: true}
	if v, ok := rep.Picture(); ok {
		out.From, out.Frames = []args.Pad{args.Stream(0, v.Index)}, 1
	} else if a, ok := rep.Info.PrimaryAudio(); ok {
		out.From = []args.Pad{args.Stream(0, a.Index)}
	}
	argv, err := args.Build(args.Plan{
		Inputs:  []args.Input{{Path: path, Duration: triedSpan, Guard: p.guard()}},
		Outputs: []args.Output{out},
	})
	if err != nil {
		return fmt.Errorf("plan the decoding of the source: %w", err)
	}
	res, err := pr.run.Run(ctx, ffmpeg.Command{Program: ffmpeg.FFmpeg, Args: argv, Limits: limits, Watch: ffmpeg.WatchCPU})
	if err != nil {
		return verdict(err, kindKnown)
	}
	if res.Progress.Frame == 0 && res.Progress.OutTime == 0 {
		return fault.New(fault.CodeSourceCorrupt, "nothing in the file can be decoded")
	}
	return nil
}
