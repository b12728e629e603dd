package media

import (
	"context"
	"errors"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// Encoder makes media files by ffmpeg. It is safe for concurrent use.
type Encoder struct {
	run Runner
	cfg Config
}

// NewEncoder returns an encoder that runs ffmpeg by run.
func NewEncoder(run Runner, cfg Config) *Encoder {
	return &Encoder{run: run, cfg: cfg.withDefaults()}
}

// job is one run of ffmpeg.
type job struct {
	plan args.Plan
	// dir is the working directory, which relative paths of outputs count from.
	dir      string
	progress func(ffmpeg.Progress)
	command  func(*ffmpeg.Command)
}

// ffmpeg carries out a job. Inputs are named by absolute paths.
func (e *Encoder) ffmpeg(ctx context.Context, j job, meter *transcode.Meter) (ffmpeg.Result, error) {
	argv, err := args.Build(j.plan)
	if err != nil {
		return ffmpeg.Result{}, fault.Wrap(fault.CodeInternal, err, "the run of ffmpeg could not be planned")
	}
	c := ffmpeg.Command{Program: ffmpeg.FFmpeg, Args: argv, Dir: j.dir, Limits: e.cfg.Limits, Watch: ffmpeg.WatchCPU, OnProgress: j.progress}
	if j.command != nil {
		j.command(&c)
	}
	res, err := e.run.Run(ctx, c)
	meter.Add(res.UserCPU + res.SystemCPU)
	if exit, ok := errors.AsType[*ffmpeg.ExitError](err); ok && strings.Contains(exit.Stderr, "No space left on device") {
		err = fault.Wrap(fault.CodeScratchFull, err, "the worker's scratch space is full")
	}
	return res, err
}

// own reports whether ffmpeg itself gave up, and was not stopped by a limit, a signal or a full disk: only
// then may the source be at fault.
func own(err error) bool {
	exit, ok := errors.AsType[*ffmpeg.ExitError](err)
	return ok && exit.Signal == 0 && exit.Limit == "" && fault.CodeOf(err) == fault.CodeFFmpegFailed
}

// blame returns the error of a run that failed: source_corrupt if what it read cannot even be decoded, which
// is tried with the same inputs and nothing but what reads them, and the failure itself otherwise.
func (e *Encoder) blame(ctx context.Context, reading args.Plan, dir string, failure error, meter *transcode.Meter) error {
	if !own(failure) || ctx.Err() != nil {
		return failure
	}
	reading.FailFast = true
	_, err := e.ffmpeg(ctx, job{plan: reading, dir: dir}, meter)
	switch {
	case own(err):
		return fault.Wrap(fault.CodeSourceCorrupt, err, "the source cannot be decoded without errors")
	case ctx.Err() != nil:
		return err
	}
	return failure
}

// share reports progress as a share of the whole, if anybody wants to know.
func share(to func(float64), done, whole float64) {
	if to != nil && whole > 0 {
		to(min(1, max(0, done/whole)))
	}
}
