// Package jobservice is the composition root of job-service, which owns the life of jobs: it answers the
// REST interface, orchestrates each job's saga, dispatches tasks to workers and takes their replies. It
// alone writes jobs.
package jobservice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/chassis/httpserver"
	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/taskstore"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/middleware"
	"github.com/reelmill/reelmill/services/job-service/internal/application/dispatch"
	"github.com/reelmill/reelmill/services/job-service/internal/application/effects"
	"github.com/reelmill/reelmill/services/job-service/internal/application/jobs"
	"github.com/reelmill/reelmill/services/job-service/internal/application/orchestrator"
	"github.com/reelmill/reelmill/services/job-service/internal/application/uploads"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/keys"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/observe"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/persistence"
	"github.com/reelmill/reelmill/services/job-service/internal/presentation/consumer"
	"github.com/reelmill/reelmill/services/job-service/internal/presentation/rest"
)

// Name names the service in logs, traces and connections.
const Name = "job-service"

// DefaultTenant is whose the jobs are where no API keys are configured.
const DefaultTenant = "default"

// Deps are the adapters that the service works with. All are required.
type Deps struct {
	Database  database.Database
	Blobs     blob.Store
	Presigner blob.Presigner
	Uploads   blob.Sweeper
	Publisher messaging.Publisher
	Consumer  messaging.Consumer
	// BrokerBeginsEmpty says that nothing that was published before New is still under way, as with a broker in memory.
	BrokerBeginsEmpty bool
	Log               *slog.Logger
	TracerProvider    trace.TracerProvider
	Registerer        prometheus.Registerer
}

// Service is the service, ready to run once.
type Service struct {
	cfg     Config
	deps    Deps
	stores  observe.Stores
	metrics *observe.Metrics
	handler http.Handler
	server  *httpserver.Server

	orchestrator *orchestrator.Orchestrator
	dispatcher   *dispatch.Dispatcher
	replies      messaging.Handler
}

// New returns the service. It reads the file of API keys and does no other I/O: stores are opened when
// they are first used. Errors of the configuration are marked for lifecycle.Main.
func New(cfg Config, deps Deps) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, lifecycle.Misconfigured(err)
	}
	s := &Service{cfg: cfg, deps: deps}
	var err error
	if s.metrics, err = observe.New(deps.Registerer); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	if s.stores, err = openStores(database.Lazy(deps.Database)); err != nil {
		return nil, err
	}
	executor := s.newSaga()
	s.handler, err = s.newAPI(jobs.New(jobs.Deps{Jobs: s.stores.Jobs, Tasks: s.stores.Tasks, Blobs: deps.Blobs, Presigner: deps.Presigner,
		Orchestrator: s.orchestrator, Eraser: executor}, jobs.Config{Timing: cfg.timing(),
		DownloadTTL: cfg.DownloadTTL, MaxSourceBytes: int64(cfg.MaxSource)}))
	if err != nil {
		return nil, err
	}
	s.server, err = httpserver.New(s.handler, cfg.HTTP, deps.Log)
	return s, err
}

// openStores returns stores over a lazy database, which does no I/O yet.
func openStores(lazy database.Database) (observe.Stores, error) {
	ctx := context.Background()
	j, err1 := persistence.OpenJobs(ctx, lazy)
	t, err2 := taskstore.OpenTasks(ctx, lazy)
	w, err3 := taskstore.OpenWorkers(ctx, lazy)
	return observe.Stores{Jobs: j, Tasks: t, Workers: w}, errors.Join(err1, err2, err3)
}

// newSaga makes everything that moves jobs.
func (s *Service) newSaga() *effects.Executor {
	publisher := middleware.Publisher(s.deps.Publisher, s.deps.TracerProvider)
	s.dispatcher = dispatch.New(s.stores.Tasks, s.stores.Workers, publisher, s.deps.Log, dispatch.Config{Source: effects.Source})
	executor := effects.New(s.stores.Tasks, s.stores.Workers, s.deps.Blobs, s.deps.Uploads, publisher, s.dispatcher.Wake)
	s.orchestrator = orchestrator.New(s.stores.Jobs, s.stores.Tasks, executor, s.dispatcher, s.metrics, s.deps.Log, orchestrator.Config{
		Timing: s.cfg.timing(), Workers: s.cfg.Workers, SweepInterval: s.cfg.SweepInterval})
	s.replies = middleware.Handler(consumer.New(s.stores.Tasks, s.orchestrator, s.dispatcher.Wake, s.metrics, s.deps.Log).Handle, s.deps.TracerProvider)
	return executor
}

// newAPI makes the handler of the REST interface.
func (s *Service) newAPI(service *jobs.Service) (http.Handler, error) {
	ring, err := keys.Load(s.cfg.APIKeysFile)
	if err != nil {
		return nil, lifecycle.Misconfigured(err)
	}
	cfg := rest.Config{Version: telemetry.BuildVersion(), CORSOrigins: s.cfg.CORSOrigins}
	if ring.Empty() {
		if err := checkAnonymous(s.cfg.HTTP.Addr); err != nil {
			return nil, err
		}
		cfg.Anonymous = &access.Principal{KeyID: "anonymous", Tenant: DefaultTenant, Role: access.Admin}
	}
	stack, err := httpserver.Stack{Log: s.deps.Log, TracerProvider: s.deps.TracerProvider, Propagator: propagation.TraceContext{},
		Registerer: s.deps.Registerer, RenderPanic: rest.RenderPanic}.Middlewares()
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return rest.New(service, ring, s.deps.Log, cfg, stack...), nil
}

// Listen binds the address of the API, so that a port in use is found at once. Run does it otherwise.
func (s *Service) Listen(ctx context.Context) error { return s.server.Listen(ctx) }

// Addr returns the bound address, nil before Listen.
func (s *Service) Addr() net.Addr { return s.server.Addr() }

// Run serves until ctx ends, then drains and returns nil. It goes on without the database and the broker,
// and takes up again when they are back.
func (s *Service) Run(ctx context.Context) error {
	return lifecycle.Run(ctx, lifecycle.Config{Log: s.deps.Log},
		lifecycle.Component{Name: "http", Run: s.server.Run},
		lifecycle.Component{Name: "work", Run: s.Work})
}

// Handler returns the handler of the REST interface, for tests without a network.
func (s *Service) Handler() http.Handler { return s.handler }

// Work does all that Run does but answering requests.
func (s *Service) Work(ctx context.Context) error {
	if s.deps.BrokerBeginsEmpty {
		if err := s.dispatcher.ForgetHints(ctx); err != nil && ctx.Err() == nil {
			// They are sent again all the same, each when it counts as lost.
			s.deps.Log.WarnContext(ctx, "hints of before could not be forgotten", slog.String("code", string(fault.CodeOf(err))), slog.Any("error", err))
		}
	}
	return lifecycle.Run(ctx, lifecycle.Config{Log: s.deps.Log},
		lifecycle.Component{Name: "orchestrator", Run: s.orchestrator.Run},
		lifecycle.Component{Name: "dispatcher", Run: s.dispatcher.Run},
		lifecycle.Component{Name: "replies", Run: func(ctx context.Context) error {
			// Handlers only read one document and wake, so many may wait in the client.
			return s.deps.Consumer.Consume(ctx, messaging.Subscription{Queue: contract.QueueReply, Concurrency: 8, Prefetch: 64,
				DrainTimeout: 5 * time.Second}, s.replies)
		}},
		lifecycle.Component{Name: "uploads", Run: uploads.New(s.deps.Uploads, s.deps.Log).Run},
		lifecycle.Component{Name: "metrics", Run: func(ctx context.Context) error {
			return s.metrics.Run(ctx, s.stores, s.cfg.SampleInterval, s.deps.Log)
		}})
}
