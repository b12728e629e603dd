// Package transcodingworker is the composition root of transcoding-worker, which makes renditions, playlists
// and MP4 files of the sources of jobs, and proves them before they are published.
package transcodingworker

import (
	"context"
	"errors"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/worker"
	"github.com/reelmill/reelmill/pkg/worker/assembly"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/infrastructure/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/presentation/consumer"
)

// Name names the service in logs, traces and connections.
const Name = "transcoding-worker"

// Deps are the adapters that the service works with. All are required.
type Deps struct {
	assembly.Deps
	// FFmpeg runs the media tools.
	FFmpeg *ffmpeg.Runner
}

// Service is the service, ready to run once.
type Service struct{ runtime *worker.Runtime }

// New returns the service without any I/O: stores are opened when they are first used. Errors of the
// configuration are marked for lifecycle.Main.
func New(cfg Config, deps Deps) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, lifecycle.Misconfigured(err)
	}
	if deps.FFmpeg == nil {
		return nil, errors.New("transcoding-worker: a dependency is missing")
	}
	transcoder, err := transcode.New(media.NewInspector(deps.FFmpeg, cfg.media()), media.NewEncoder(deps.FFmpeg, cfg.media()),
		media.NewChecker(deps.FFmpeg, cfg.media()), map[string]string{"ffmpeg": deps.FFmpeg.Tools().Version, Name: telemetry.BuildVersion()})
	if err != nil {
		return nil, err
	}
	runtime, err := assembly.Runtime(worker.Config{
		Kind: contract.KindTranscode, Name: Name, Version: telemetry.BuildVersion(), Slots: cfg.Concurrency, Scratch: cfg.Scratch, CacheBytes: int64(cfg.Cache),
		Lease: cfg.Lease, Drain: cfg.Drain,
	}, consumer.New(transcoder), deps.Deps)
	if err != nil {
		return nil, err
	}
	return &Service{runtime: runtime}, nil
}

// Run takes and carries out tasks until ctx ends, then drains and returns nil. It goes on without the
// database and the broker, and takes up again when they are back.
func (s *Service) Run(ctx context.Context) error { return s.runtime.Run(ctx) }
