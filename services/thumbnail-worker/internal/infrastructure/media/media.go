// Package media makes pictures with ffmpeg: it is the adapter behind the ports of package generate.
//
// An Inspector is the gate (package probe). An Extractor turns wanted frames into as few runs of ffmpeg
// as it can. From a plain MP4 file it cuts what they need (package mp4cut), and one run decodes that alone.
// Of other files keyframes come from one pass that decodes nothing else, frames that no keyframe stands in
// for come from seeks, and from one decode of everything where seeks would decode as much. Pictures
// writes sheets and checks files in Go, so that what one codec wrote another one reads.
package media

import (
	"context"
	"time"

	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/application/generate"
)

// Runner runs programs. *ffmpeg.Runner is one.
type Runner interface {
	Run(ctx context.Context, c ffmpeg.Command) (ffmpeg.Result, error)
}

var (
	_ Runner                  = (*ffmpeg.Runner)(nil)
	_ generate.Inspector      = (*Inspector)(nil)
	_ generate.FrameExtractor = (*Extractor)(nil)
	_ generate.Pictures       = (*Pictures)(nil)
)

// Config adjusts the package; zero fields mean the defaults.
type Config struct {
	// Threads are those of a decoder that decodes every frame; default 1. Keyframes are always decoded
	// by one thread, which costs the least processor time.
	Threads int
	// MaxPixels bounds a source's picture, MaxDuration its length, MaxBytes its size; defaults as in
	// probe.Policy.
	MaxPixels   int64
	MaxDuration time.Duration
	MaxBytes    int64
	// Limits bound each run of ffmpeg; zero fields mean those of the runner.
	Limits ffmpeg.Limits
}
