package app

import (
	"runtime"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/worker/assembly"
	thumbnailworker "github.com/reelmill/reelmill/services/thumbnail-worker"
	transcodingworker "github.com/reelmill/reelmill/services/transcoding-worker"
)

// DefaultSlots is half of the processors that Go may use, at least one: a decoder uses more than one.
func DefaultSlots() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// newWorkers returns a worker of every kind, each with all slots: they rarely have work at the same time.
func (a *App) newWorkers() ([]lifecycle.Component, error) {
	media, err := ffmpeg.NewRunner(a.tools, ffmpeg.Config{})
	if err != nil {
		return nil, err
	}
	deps := assembly.Deps{Database: a.db, Blobs: a.blobs, Publisher: a.broker, Consumer: a.broker,
		Log: a.cfg.Log, TracerProvider: a.tracing.Provider, Registerer: a.registry}
	thumbnails, err := thumbnailworker.New(thumbnailworker.Config{
		Concurrency: a.cfg.Slots, Scratch: a.cfg.Data.Scratch(), Lease: lease, Drain: a.cfg.Drain,
	}, thumbnailworker.Deps{FFmpeg: media, Deps: deps})
	if err != nil {
		return nil, err
	}
	transcoding, err := transcodingworker.New(transcodingworker.Config{
		Concurrency: a.cfg.Slots, Scratch: a.cfg.Data.Scratch(), Lease: lease, Drain: a.cfg.Drain,
	}, transcodingworker.Deps{FFmpeg: media, Deps: deps})
	if err != nil {
		return nil, err
	}
	return []lifecycle.Component{
		{Name: thumbnailworker.Name, Run: thumbnails.Run},
		{Name: transcodingworker.Name, Run: transcoding.Run},
	}, nil
}
