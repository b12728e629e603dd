package media

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// Chunk implements transcode.Encoder.
func (e *Encoder) Chunk(ctx context.Context, in transcode.Input, chunk int, dir string, made func(transcode.Made) error, meter *transcode.Meter) error {
	v := in.Plan.Video
	if v == nil || chunk < 0 || chunk >= len(v.Chunks) || len(v.Chunks[chunk].Cuts) == 0 || len(v.Rungs) == 0 {
		return fault.New(fault.CodeTaskSpecInvalid, "the plan has no chunk %d", chunk)
	}
	source, err := filepath.Abs(in.Path)
	if err != nil {
		return fmt.Errorf("find the input: %w", err)
	}
	c := chunkComposer{cfg: e.cfg, plan: in.Plan, video: *v, index: chunk, chunk: v.Chunks[chunk], source: source, clock: clockOf(v.FrameRate)}
	folders := make([]string, len(v.Rungs))
	for i := range folders {
		folders[i] = filepath.Join(dir, strconv.Itoa(i))
		if err := os.MkdirAll(folders[i], 0o700); err != nil {
			return fault.Wrap(fault.CodeScratchFull, err, "no folder for segments could be made")
		}
	}
	frames := float64(c.chunk.Frames)
	j := job{plan: c.build(), dir: dir, progress: func(p ffmpeg.Progress) { share(in.Progress, float64(p.Frame), frames) }}
	err = e.watched(ctx, j, newWatcher(folders, c.chunk.FirstSegment, made), meter)
	if err != nil {
		return e.blame(ctx, c.reading(), dir, err, meter)
	}
	return nil
}

// chunkComposer builds the plan of a chunk.
type chunkComposer struct {
	cfg    Config
	plan   contract.TranscodePlan
	video  contract.VideoPlan
	index  int
	chunk  contract.Chunk
	source string
	clock  clock
}

const (
	// lookahead is how much earlier than its first frame a chunk is decoded where frames are made to stand at a
	// grid: what stands at its beginning may have begun before.
	lookahead = time.Second
	// seekMargin is how much earlier than told ffmpeg seeks where frames are reordered.
	seekMargin = 130 * time.Millisecond
	// reordered is by how many frames a picture may be shown later than it is decoded, in practice. A keyframe
	// that is decoded before an instant may be shown after it, and what is shown before it, but refers to what
	// comes before it in the file, then cannot be decoded.
	reordered = 4
	// neighbours is how many frames before the first are needed to join the fields of the first.
	neighbours = 2
)

// build returns the plan: one input, one decode, an output for each rung.
func (c chunkComposer) build() args.Plan {
	p := args.Plan{CopyTimestamps: true, FailFast: !c.plan.Damaged, FilterThreads: c.cfg.Threads, Inputs: []args.Input{c.input()}}
	const upright = "in"
	p.Graph = append(p.Graph, args.Through(args.Stream(0, c.video.Stream), c.timed(), upright))
	chains, labels := ladder(upright, c.video)
	p.Graph = append(p.Graph, chains...)
	threads := encoderThreads(c.video.Rungs, c.cfg.Threads)
	for i, r := range c.video.Rungs {
		p.Outputs = append(p.Outputs, c.output(i, r, labels[i], threads[i]))
	}
	return p
}

// reading returns a plan that decodes what build does, and does nothing with it.
func (c chunkComposer) reading() args.Plan {
	return args.Plan{
		CopyTimestamps: true, Inputs: []args.Input{c.input()},
		Graph:   []args.Chain{args.Through(args.Stream(0, c.video.Stream), []args.Filter{c.fine(), c.span()}, "in")},
		Outputs: []args.Output{{Path: "null", Format: "null", From: []args.Pad{args.Label("in")}, PassthroughTiming: true}},
	}
}

// first is the instant in the input from which frames belong to the chunk: half a frame before its first.
// For the first chunk it is 0, which means from the beginning.
func (c chunkComposer) first() time.Duration {
	if c.index == 0 {
		return 0
	}
	lead := c.chunk.Lead.Duration()
	if c.video.Resample {
		lead = c.video.FrameRate.FrameDuration()
	}
	return (c.plan.Origin + c.chunk.Cuts[0]).Duration() - lead/2
}

// from is the instant in the input from which frames are needed.
func (c chunkComposer) from() time.Duration {
	at := c.first()
	switch {
	case at == 0:
		return 0
	case c.video.Resample:
		return max(0, at-lookahead)
	case c.video.Deinterlace:
		return max(0, at-neighbours*max(c.chunk.Lead.Duration(), c.video.FrameRate.FrameDuration()))
	}
	return at
}

// until is the instant in the input from which frames belong to the next chunk, 0 for the last chunk. With
// neighbours to spare it is what has to be decoded.
func (c chunkComposer) until() time.Duration {
	if c.index+1 >= len(c.video.Chunks) {
		return 0
	}
	next := c
	next.index, next.chunk = c.index+1, c.video.Chunks[c.index+1]
	return next.first()
}

// input opens the source at a keyframe before the frames that are needed. Frames are dropped by a filter and
// not by the seek, since that counts from where the file begins, which is not known here.
func (c chunkComposer) input() args.Input {
	in := args.Input{Path: c.source, DiscardAudio: true, DiscardSubtitles: true, Threads: c.cfg.Threads, Guard: c.cfg.guard()}
	if from := c.from(); from > 0 {
		frame := max(c.video.Source.FrameRate.FrameDuration(), c.chunk.Lead.Duration())
		if in.Seek = from - max(0, reordered*frame-seekMargin); in.Seek > 0 {
			in.NearestKeyframe, in.ByTimestamp = true, true
		}
		in.Seek = max(0, in.Seek)
	}
	return in
}

// span passes the frames that are needed.
func (c chunkComposer) span() args.Filter {
	until := c.until()
	if until > 0 && (c.video.Resample || c.video.Deinterlace) {
		until += lookahead
	}
	return args.Trim(c.from(), until)
}

// fine brings frames to the film's clock. It comes before everything that compares times: the clocks of some
// files, and those of some filters, tick once a frame, and half a frame is nothing on them.
func (c chunkComposer) fine() args.Filter { return args.Timebase(c.clock.perSecond) }

// timed returns the filters from the decoded stream to the frames of the chunk, at their times from the
// origin on the film's clock.
func (c chunkComposer) timed() []args.Filter {
	fs := []args.Filter{c.fine(), c.span()}
	if c.video.Deinterlace {
		fs = append(fs, args.Deinterlace())
		if !c.video.Resample {
			fs = append(fs, args.Trim(c.first(), c.until()))
		}
		fs = append(fs, c.fine())
	}
	fs = append(fs, c.shift())
	if c.video.Resample {
		// The grid begins at 0 whatever the first frame is. What lacks at the end of the film is the last frame,
		// standing still.
		origin := c.plan.Origin.Duration()
		from, until := max(0, c.first()-origin), max(0, c.until()-origin)
		if c.index == 0 {
			from = 0
		}
		fs = append(fs, args.FrameRate(c.video.FrameRate))
		if until == 0 {
			fs = append(fs, args.PadFrames(reordered))
		}
		fs = append(fs, c.fine(), args.Trim(from, until))
	}
	return fs
}

// shift makes times count from the origin. AVI files have times of decoding only, and decoders then tell
// times that are later than that by their own delay: there the first frame is shown when the plan says, also
// where frames are made of it that stand at a grid, unless the film is damaged and that frame may be missing.
func (c chunkComposer) shift() args.Filter {
	if c.plan.Format == "avi" && c.index == 0 && !c.plan.Damaged {
		return args.StartAt(c.clock.ticks(c.chunk.Cuts[0].Duration()))
	}
	return args.Shift(-c.clock.ticks(c.plan.Origin.Duration()))
}

// output returns the output of the i-th rung, whose encoder has so many threads.
func (c chunkComposer) output(i int, r contract.Rung, label string, threads int) args.Output {
	// The shortest length makes a segment of every keyframe.
	s := segmented{folder: strconv.Itoa(i), first: c.chunk.FirstSegment, seconds: "0.001", continued: true}
	frames := c.chunk.Frames
	if c.plan.Damaged {
		frames = 0
	}
	times := decodingTimes(delay(c.clock, c.video, r), c.clock.ticks(c.chunk.End.Duration()), frames)
	out := s.output(args.Label(label), append(videoOptions(r, c.cfg.Preset, threads), option("enc_time_base", c.clock.rational()),
		option("force_key_frames", c.clock.keyframes(c.chunk.Cuts)), option("bsf:v", times))...)
	out.Frames = frames
	return out
}
