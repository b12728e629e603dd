// Package assembly puts the runtime of a worker service together from the adapters that a program picked:
// the part of a composition root that is the same for every kind of work.
package assembly

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/taskstore"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/worker"
	"github.com/reelmill/reelmill/pkg/worker/workermetrics"
)

// Deps are the adapters that a worker service works with, besides those of its own trade. All are required.
type Deps struct {
	Database       database.Database
	Blobs          blob.Store
	Publisher      messaging.Publisher
	Consumer       messaging.Consumer
	Log            *slog.Logger
	TracerProvider trace.TracerProvider
	Registerer     prometheus.Registerer
}

// Runtime returns a worker that processes tasks by p, without any I/O: stores are opened when they are
// first used. cfg needs its Kind, Name, Version and Scratch; Host is filled in.
func Runtime(cfg worker.Config, p worker.Processor, deps Deps) (*worker.Runtime, error) {
	if deps.Database == nil || deps.TracerProvider == nil || deps.Registerer == nil {
		return nil, fmt.Errorf("%s: a dependency is missing", cfg.Name)
	}
	lazy := database.Lazy(deps.Database)
	tasks, err1 := taskstore.OpenTasks(context.Background(), lazy)
	workers, err2 := taskstore.OpenWorkers(context.Background(), lazy)
	observer, err3 := workermetrics.New(deps.Registerer)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("set up %s: %w", cfg.Name, err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown" // it only tells operators where to look
	}
	cfg.Host = host
	return worker.New(cfg, worker.Deps{
		Tasks: tasks, Workers: workers, Blobs: deps.Blobs, Publisher: deps.Publisher, Consumer: deps.Consumer, Processor: p,
		Observer: observer, Tracer: deps.TracerProvider.Tracer("github.com/reelmill/reelmill/services/" + cfg.Name), Log: deps.Log,
	})
}
