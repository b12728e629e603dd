package media

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/application/generate"
)

// Extractor makes pictures of frames by ffmpeg. It is safe for concurrent use.
type Extractor struct {
	run Runner
	cfg Config
}

// NewExtractor returns an extractor that runs ffmpeg by run.
func NewExtractor(run Runner, cfg Config) *Extractor { return &Extractor{run: run, cfg: cfg} }

// extraction is one call of Extract.
type extraction struct {
	*Extractor
	src      generate.Source
	dir      string
	sets     []generate.Set
	progress func(float64)
	meter    *generate.Meter

	toneMap bool
	runs    int
	frames  [][]generate.Frame
	notes   []contract.Note
}

// Extract implements generate.FrameExtractor.
func (e *Extractor) Extract(ctx context.Context, src generate.Source, dir string, sets []generate.Set, progress func(float64), meter *generate.Meter) (generate.Extraction, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return generate.Extraction{}, fault.Wrap(fault.CodeScratchFull, err, "no folder for pictures could be made")
	}
	x := &extraction{Extractor: e, src: src, dir: dir, sets: sets, progress: progress, meter: meter, toneMap: true}
	for _, s := range sets {
		x.frames = append(x.frames, make([]generate.Frame, len(s.Picks)))
	}
	shots, err := x.shots(ctx)
	if err != nil {
		return generate.Extraction{}, err
	}
	if err := x.take(ctx, shots); err != nil {
		return generate.Extraction{}, err
	}
	progress(1)
	return generate.Extraction{Frames: x.frames, Notes: x.notes}, nil
}

// keySlack is how much later than its index says a keyframe may begin. Times of files without times of
// presentation are off by a few frames.
const keySlack = 500 * time.Millisecond

// shots returns what is to be looked for.
func (x *extraction) shots(ctx context.Context) ([]shot, error) {
	var shots, unknown []shot
	for s, set := range x.sets {
		for p, pick := range set.Picks {
			sh := shot{set: s, pick: p, key: pick.Keyframe, want: pick.At, from: pick.At, slack: max(pick.Slack, rounding+tick)}
			switch {
			case sh.key:
				sh.slack = keySlack
			case x.src.Single, pick.Slack > 0 && !x.src.Even:
			default:
				unknown = append(unknown, sh)
				continue
			}
			shots = append(shots, sh)
		}
	}
	unknown, err := x.resolve(ctx, unknown)
	return append(shots, unknown...), err
}

// resolve returns the shots with the exact begins of the frames that are shown at their instants.
func (x *extraction) resolve(ctx context.Context, shots []shot) ([]shot, error) {
	if len(shots) == 0 {
		return nil, nil
	}
	var instants []time.Duration
	for _, s := range shots {
		instants = append(instants, s.want)
	}
	begins, err := x.begins(ctx, x.src, instants, x.meter)
	if err != nil {
		return nil, err
	}
	for i := range shots {
		shots[i].key = false // where it was one, the index is wrong
		// The time may be off by what the container rounds; no other frame is that near.
		shots[i].want, shots[i].from, shots[i].slack = begins[i], max(0, begins[i]-rounding), rounding+tick
	}
	return shots, nil
}

// take takes the shots from a part of the source, carries out the schedule of those that are left, and looks
// once more, thoroughly, for those that it misses.
func (x *extraction) take(ctx context.Context, shots []shot) error {
	if x.src.Single {
		missed, err := x.carryOut(ctx, x.src, []reading{{whole: true, shots: shots}}, 0, 1)
		if err == nil && len(missed) > 0 {
			err = fault.New(fault.CodeSourceCorrupt, "the source has no picture that can be decoded")
		}
		return err
	}
	left, err := x.fromCut(ctx, shots)
	if err != nil {
		return err
	}
	missed, err := x.scheduled(ctx, left)
	if err != nil || len(missed) == 0 {
		return err
	}
	// Most often a film stands still for longer than a shot's slack: the frame shown began before.
	if missed, err = x.resolve(ctx, missed); err != nil {
		return err
	}
	if missed, err = x.scheduled(ctx, missed); err != nil || len(missed) == 0 {
		return err
	}
	return x.search(ctx, missed)
}

// scheduled carries out all runs of a schedule and returns the shots that found no frame.
func (x *extraction) scheduled(ctx context.Context, shots []shot) (missed []shot, err error) {
	runs := schedule(shots, x.src.Timeline, seekable(x.src))
	for i, readings := range runs {
		m, err := x.carryOut(ctx, x.src, readings, float64(i)/float64(len(runs)), 1/float64(len(runs)))
		if err != nil {
			return nil, err
		}
		missed = append(missed, m...)
	}
	return missed, nil
}

// seekable reports whether a seek lands on the keyframe that it names: in these containers there is an
// index. In transport streams and the like it lands behind it.
func seekable(src generate.Source) bool {
	return strings.HasPrefix(src.Info.Format, "mov,") || strings.HasPrefix(src.Info.Format, "matroska")
}

// carryOut does one run on src, which is the source or a part of it, and returns the shots that found no
// frame, or one too late.
func (x *extraction) carryOut(ctx context.Context, src generate.Source, readings []reading, done, share float64) (missed []shot, err error) {
	c, err := x.runOnce(ctx, src, readings, done, share)
	if err != nil {
		return nil, err
	}
	for i, r := range readings {
		yields := map[int]yield{}
		for _, s := range r.sets() {
			if yields[s], err = collect(x.dir, c.prefix(i, s), x.sets[s].Formats); err != nil {
				return nil, err
			}
		}
		for _, s := range r.shots {
			y := yields[s.set]
			at, ok := y.first(s.from)
			switch {
			case r.whole && len(y.times) > 0:
				f := y.frame(y.times[0])
				f.At = 0
				x.frames[s.set][s.pick] = f
			case !ok || at > s.want+s.slack:
				missed = append(missed, s)
			default:
				x.set(s, y.frame(at))
			}
		}
	}
	return missed, nil
}

// set records the frame of a shot. Names of files hold rounded times; where the exact one is known it
// stands in.
func (x *extraction) set(s shot, f generate.Frame) {
	if (f.At - s.want).Abs() <= tick+rounding {
		f.At = s.want
	}
	x.frames[s.set][s.pick] = f
}

// runOnce runs ffmpeg for the readings of src, without tone mapping where this build of ffmpeg has none.
func (x *extraction) runOnce(ctx context.Context, src generate.Source, readings []reading, done, share float64) (*composer, error) {
	for {
		x.runs++
		c := &composer{src: src, cfg: x.cfg, sets: x.sets, dir: x.dir, run: x.runs, toneMap: x.toneMap}
		plan := c.build(readings)
		err := x.ffmpeg(ctx, plan, readings, done, share)
		if err == nil {
			return c, nil
		}
		exit, ok := errors.AsType[*ffmpeg.ExitError](err)
		if !ok || exit.Signal != 0 || exit.Limit != "" {
			return nil, err
		}
		if x.toneMap && x.src.Picture.Video.HDR() && strings.Contains(exit.Stderr, "No such filter") {
			x.toneMap = false
			x.notes = append(x.notes, contract.Note{Code: "hdr_not_tonemapped", Detail: "colours are paler than meant: ffmpeg lacks the filter zscale"})
			continue
		}
		return nil, x.blame(ctx, plan, src.Picture.Index, err)
	}
}

func (x *extraction) ffmpeg(ctx context.Context, plan args.Plan, readings []reading, done, share float64) error {
	argv, err := args.Build(plan)
	if err != nil {
		return fault.Wrap(fault.CodeInternal, err, "the pictures could not be planned")
	}
	var until time.Duration
	for _, r := range readings {
		until = max(until, r.until())
	}
	res, err := x.run.Run(ctx, ffmpeg.Command{
		Program: ffmpeg.FFmpeg, Args: argv, Dir: x.dir, Limits: x.cfg.Limits, Watch: ffmpeg.WatchCPU,
		// A run that ended early shows all the same: frames that carryOut looks for are missing.
		EndUnseen: len(plan.Outputs) > ffmpeg.MaxReportedOutputs,
		OnProgress: func(p ffmpeg.Progress) {
			if until > 0 {
				x.progress(done + share*min(1, float64(p.OutTime)/float64(until)))
			}
		},
	})
	x.meter.Add(res.UserCPU + res.SystemCPU)
	return err
}

// blame tells whether a run failed because of the source: it decodes the same frames, of the stream of that
// index, and does nothing with them. If that fails too the source is damaged.
func (x *extraction) blame(ctx context.Context, plan args.Plan, index int, failure error) error {
	var last error
	for _, in := range plan.Inputs {
		argv, err := args.Build(args.Plan{FailFast: true, Inputs: []args.Input{in}, Outputs: []args.Output{{
			Path: "null", Format: "null", From: []args.Pad{args.Stream(0, index)}, PassthroughTiming: true}}})
		if err != nil {
			return fault.Wrap(fault.CodeInternal, err, "the check of the source could not be planned")
		}
		res, err := x.run.Run(ctx, ffmpeg.Command{Program: ffmpeg.FFmpeg, Args: argv, Dir: x.dir, Limits: x.cfg.Limits, Watch: ffmpeg.WatchCPU})
		x.meter.Add(res.UserCPU + res.SystemCPU)
		if ctx.Err() != nil {
			return err
		}
		if exit, ok := errors.AsType[*ffmpeg.ExitError](err); ok && exit.Signal == 0 && exit.Limit == "" {
			return fault.Wrap(fault.CodeSourceCorrupt, err, "the source cannot be decoded without errors")
		}
		last = err
	}
	if last != nil {
		return last
	}
	return fmt.Errorf("make pictures: %w", failure)
}
