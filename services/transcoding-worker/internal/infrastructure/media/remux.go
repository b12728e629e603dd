package media

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
	"github.com/reelmill/reelmill/pkg/ffmpeg/probe"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// container is a form that a source can be copied into.
type container struct {
	format string
	// takes are the codecs that it is used for; nil for whatever its muxer takes.
	takes []string
}

// containers are tried in order. MP4 keeps times as they are. Matroska rounds them to milliseconds, but takes
// nearly everything, and QuickTime takes some of the rest.
var containers = []container{
	{"mp4", []string{"h264", "hevc", "av1", "vp9", "mpeg4", "aac", "mp3", "ac3", "eac3", "alac", "opus", "flac", "mov_text"}},
	{"matroska", nil},
	{"mov", nil},
}

// Remux implements transcode.Encoder.
func (e *Encoder) Remux(ctx context.Context, src transcode.Source, path string, meter *transcode.Meter) error {
	source, err := filepath.Abs(src.Path)
	if err != nil {
		return fmt.Errorf("find the source: %w", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("find the place of the copy: %w", err)
	}
	if src.Whole {
		return fault.New(fault.CodeSourceUnsupported, "the file does not tell when its frames are shown")
	}
	streams := copied(src)
	if len(streams) == 0 {
		return fault.New(fault.CodeSourceUnsupported, "the file has nothing that can be decoded")
	}
	var failure error
	for _, p := range e.copies(source, src, streams, path) {
		if _, failure = e.ffmpeg(ctx, job{plan: p, dir: filepath.Dir(path)}, meter); failure == nil {
			return e.sameFrames(ctx, src, path, meter)
		}
		if !own(failure) || ctx.Err() != nil {
			return failure
		}
	}
	_ = os.Remove(path) // what a failed run left
	reading := remuxing(source, src, streams, "null", "null", e.cfg)
	return e.blame(ctx, reading, filepath.Dir(path), failure, meter)
}

// copies returns the plans that are tried: for each container that fits, and for a damaged source then
// without the packets that are known to be damaged, which some muxers do not take.
func (e *Encoder) copies(source string, src transcode.Source, streams []media.Stream, path string) []args.Plan {
	var plans []args.Plan
	for _, drop := range []bool{false, true} {
		for _, c := range containers {
			if !c.fits(streams) || drop && !src.Damaged {
				continue
			}
			p := remuxing(source, src, streams, c.format, path, e.cfg)
			p.Inputs[0].DropCorrupt = drop
			plans = append(plans, p)
		}
	}
	return plans
}

func (c container) fits(streams []media.Stream) bool {
	return c.takes == nil || !slices.ContainsFunc(streams, func(s media.Stream) bool { return !slices.Contains(c.takes, s.Codec) })
}

// copied returns the streams that outputs can be made of.
func copied(src transcode.Source) []media.Stream {
	var streams []media.Stream
	video, ok := src.Info.PrimaryVideo()
	if ok {
		streams = append(streams, video)
	}
	for _, s := range src.Info.Streams {
		if s.Kind != media.KindVideo && src.Usable[s.Index] {
			streams = append(streams, s)
		}
	}
	return streams
}

// remuxing returns the plan of a copy. Without "-copyts" the clock of the copy begins at 0.
func remuxing(source string, src transcode.Source, streams []media.Stream, format, path string, cfg Config) args.Plan {
	out := args.Output{Path: path, Format: format, Options: []args.Option{
		option("c", "copy"), option("map_metadata", "-1"), option("map_chapters", "-1"), option("fflags", "+bitexact"),
	}}
	for i, s := range streams {
		out.From = append(out.From, args.Stream(0, s.Index))
		if s.Language != "" {
			out.Options = append(out.Options, option(fmt.Sprintf("metadata:s:%d", i), "language="+s.Language))
		}
		// Old files pack two frames into one packet, whose times then make no sense.
		if src.Info.Format == "avi" && s.Codec == "mpeg4" {
			out.Options = append(out.Options, option(fmt.Sprintf("bsf:%d", i), "mpeg4_unpack_bframes"))
		}
	}
	return args.Plan{FailFast: !src.Damaged, Outputs: []args.Output{out},
		Inputs: []args.Input{{Path: source, GeneratePTS: true, Guard: cfg.guard()}}}
}

// sameFrames reports a copy that does not have as many frames to show as the source.
func (e *Encoder) sameFrames(ctx context.Context, src transcode.Source, path string, meter *transcode.Meter) error {
	if len(src.Times) == 0 {
		return nil
	}
	rep, err := probe.New(metered{e.run, meter}).Inspect(ctx, path, probe.Policy{MaxPixels: e.cfg.MaxPixels, NeedVideo: true, Salvage: src.Damaged, FrameTimes: true})
	if err != nil {
		return fmt.Errorf("inspect the remuxed source: %w", err)
	}
	if got, want := len(rep.Packets.Times), len(src.Times); got != want && !src.Damaged {
		return fault.New(fault.CodeOutputInvalid, "the remuxed source has %d frames, the source %d", got, want)
	}
	return nil
}
