// Package thumbnailworker is the composition root of thumbnail-worker, which makes posters, stills and
// storyboards of the sources of jobs.
package thumbnailworker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/taskstore"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/worker"
	"github.com/reelmill/reelmill/pkg/worker/workermetrics"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/application/generate"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/infrastructure/media"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/presentation/consumer"
)

// Name names the service in logs, traces and connections.
const Name = "thumbnail-worker"

// Deps are the adapters that the service works with. All are required.
type Deps struct {
	Database  database.Database
	Blobs     blob.Store
	Publisher messaging.Publisher
	Consumer  messaging.Consumer
	// FFmpeg runs the media tools.
	FFmpeg         *ffmpeg.Runner
	Log            *slog.Logger
	TracerProvider trace.TracerProvider
	Registerer     prometheus.Registerer
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
	if deps.FFmpeg == nil || deps.Database == nil || deps.TracerProvider == nil || deps.Registerer == nil {
		return nil, errors.New("thumbnail-worker: a dependency is missing")
	}
	generator, err := generate.New(media.NewInspector(deps.FFmpeg, cfg.media()), media.NewExtractor(deps.FFmpeg, cfg.media()),
		media.NewPictures(deps.FFmpeg, cfg.media()), map[string]string{"ffmpeg": deps.FFmpeg.Tools().Version, Name: telemetry.BuildVersion()})
	if err != nil {
		return nil, err
	}
	wd, err := workerDeps(deps)
	if err != nil {
		return nil, err
	}
	wd.Processor = consumer.New(generator)
	host, err := os.Hostname()
	if err != nil {
		host = "unknown" // it only tells operators where to look
	}
	runtime, err := worker.New(worker.Config{
		Kind: contract.KindThumbnail, Name: Name, Host: host, Version: telemetry.BuildVersion(), Slots: cfg.Concurrency,
		Scratch: cfg.Scratch, CacheBytes: int64(cfg.Cache), Lease: cfg.Lease, Drain: cfg.Drain,
	}, wd)
	if err != nil {
		return nil, err
	}
	return &Service{runtime: runtime}, nil
}

func workerDeps(deps Deps) (worker.Deps, error) {
	lazy := database.Lazy(deps.Database)
	tasks, err1 := taskstore.OpenTasks(context.Background(), lazy)
	workers, err2 := taskstore.OpenWorkers(context.Background(), lazy)
	observer, err3 := workermetrics.New(deps.Registerer)
	if err := errors.Join(err1, err2, err3); err != nil {
		return worker.Deps{}, fmt.Errorf("set up %s: %w", Name, err)
	}
	return worker.Deps{
		Tasks: tasks, Workers: workers, Blobs: deps.Blobs, Publisher: deps.Publisher, Consumer: deps.Consumer,
		Observer: observer, Tracer: deps.TracerProvider.Tracer("github.com/reelmill/reelmill/services/thumbnail-worker"), Log: deps.Log,
	}, nil
}

// Run takes and carries out tasks until ctx ends, then drains and returns nil. It goes on without the
// database and the broker, and takes up again when they are back.
func (s *Service) Run(ctx context.Context) error { return s.runtime.Run(ctx) }
