package app

import (
	"runtime"

	"github.com/reelmill/reelmill/pkg/ffmpeg"
	thumbnailworker "github.com/reelmill/reelmill/services/thumbnail-worker"
)

// DefaultSlots is half of the processors that Go may use, at least one: a decoder uses more than one.
func DefaultSlots() int { return max(1, runtime.GOMAXPROCS(0)/2) }

func (a *App) newWorker() (runner, error) {
	media, err := ffmpeg.NewRunner(a.tools, ffmpeg.Config{})
	if err != nil {
		return nil, err
	}
	return thumbnailworker.New(thumbnailworker.Config{
		Concurrency: a.cfg.Slots, Scratch: a.cfg.Data.Scratch(), Lease: lease, Drain: a.cfg.Drain,
	}, thumbnailworker.Deps{Database: a.db, Blobs: a.blobs, Publisher: a.broker, Consumer: a.broker, FFmpeg: media,
		Log: a.cfg.Log, TracerProvider: a.tracing.Provider, Registerer: a.registry})
}
