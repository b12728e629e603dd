// Package media reads and makes films with ffmpeg: it is the adapter behind the ports of package transcode.
//
// An Inspector is the gate (package probe). An Encoder turns a chunk into the segments of all rungs in one
// process that decodes once, a track into its segments or its subtitle file, and renditions into one MP4
// file; segments are handed on while the process is still running. A Checker looks at what was made: at the
// boxes of files in Go, at everything else with ffmpeg.
//
// Chunks of one film are made by processes that know nothing of each other, on any machine. That their
// segments can be played one after the other rests on three rules, each of which is explained where it is
// kept: times are whole ticks of one clock, counted from the origin of the plan (clock.go); decoding times
// are set so that neither the initialization section nor the end of a chunk depends on what is in it
// (decoding.go); encoders are told nothing that depends on the machine but the number of their threads
// (codecs.go).
package media

import (
	"cmp"
	"context"
	"time"

	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// Runner runs programs. *ffmpeg.Runner is one.
type Runner interface {
	Run(ctx context.Context, c ffmpeg.Command) (ffmpeg.Result, error)
}

var (
	_ Runner              = (*ffmpeg.Runner)(nil)
	_ transcode.Inspector = (*Inspector)(nil)
	_ transcode.Encoder   = (*Encoder)(nil)
	_ transcode.Checker   = (*Checker)(nil)
)

// Config adjusts the package; zero fields mean the defaults.
type Config struct {
	// Threads are those of the decoder and of the encoder of each rung that is not small; default 1. Encoders left to
	// themselves would start one for every processor of the machine, whatever the worker's quota is.
	Threads int
	// Preset is that of the video encoders; default "veryfast".
	Preset string
	// MaxPixels bounds a source's picture, MaxDuration its length, MaxBytes its size; defaults as in
	// probe.Policy.
	MaxPixels   int64
	MaxDuration time.Duration
	MaxBytes    int64
	// Limits bound each run of ffmpeg; zero fields mean those of the runner.
	Limits ffmpeg.Limits
}

func (c Config) withDefaults() Config {
	c.Threads, c.Preset = max(1, c.Threads), cmp.Or(c.Preset, "veryfast")
	return c
}

// guard bounds what a source may make ffmpeg do.
func (c Config) guard() args.Guard { return args.Guard{MaxPixels: c.MaxPixels} }

func option(name, value string) args.Option { return args.Option{Name: name, Value: value} }

// metered is a runner that adds the cost of its runs to a meter.
type metered struct {
	Runner
	meter *transcode.Meter
}

// Run implements Runner.
func (m metered) Run(ctx context.Context, c ffmpeg.Command) (ffmpeg.Result, error) {
	res, err := m.Runner.Run(ctx, c)
	m.meter.Add(res.UserCPU + res.SystemCPU)
	return res, err
}
