package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/reelmill/reelmill/pkg/blob/s3blob"
	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/chassis/metrics"
	"github.com/reelmill/reelmill/pkg/chassis/ops"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/database/mongodb"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/rabbit"
)

// brokerGrace is how long the broker may be away before a service is unready: a restart of RabbitMQ takes
// up to half a minute, and requests are answered meanwhile.
const brokerGrace = time.Minute

// Platform holds the adapters of one process. The caller runs it once.
type Platform struct {
	Broker   *rabbit.Client
	Database *mongodb.DB
	Blobs    *s3blob.Store
	Log      *slog.Logger
	Tracing  *telemetry.Tracing
	Registry *prometheus.Registry

	cfg    Config
	health *ops.Health
}

// Open makes the adapters for the service. It contacts nobody but, where the configuration asks for it,
// the store to make the bucket; connections are made when they are needed, and lost ones again and again.
func Open(ctx context.Context, service telemetry.Service, cfg Config) (*Platform, error) {
	if err := faultinject.ArmFromEnv(); err != nil {
		return nil, lifecycle.Misconfigured(err)
	}
	log := telemetry.NewLogger(os.Stderr, service, cfg.Log)
	tracing, err := telemetry.NewTracing(ctx, service, log)
	if err != nil {
		return nil, lifecycle.Misconfigured(err)
	}
	p := &Platform{cfg: cfg, Log: log, Tracing: tracing, Registry: metrics.NewRegistry()}
	if err := metrics.RegisterBuild(p.Registry, metrics.Build{Service: service.Name, Version: telemetry.BuildVersion()}); err != nil {
		return nil, err
	}
	if err := p.openAdapters(service, cfg); err != nil {
		return nil, err
	}
	if cfg.S3.CreateBucket {
		if err := p.Blobs.EnsureBucket(ctx); err != nil {
			return nil, fmt.Errorf("make bucket %s: %w", cfg.S3.Bucket, err)
		}
	}
	p.health, err = ops.NewHealth(
		ops.Check{Name: "broker", Probe: p.Broker.Ready, Grace: brokerGrace},
		ops.Check{Name: "database", Probe: p.Database.Ping, Timeout: 5 * time.Second, Grace: 15 * time.Second},
		ops.Check{Name: "storage", Probe: p.Blobs.Ping, Timeout: 5 * time.Second, Grace: 15 * time.Second})
	return p, err
}

func (p *Platform) openAdapters(service telemetry.Service, cfg Config) (err error) {
	amqp := cfg.AMQP
	amqp.Topology, amqp.Service, amqp.Instance, amqp.Log = messaging.System(), service.Name, instance(), p.Log
	if amqp.Observer, err = brokerObserver(p.Registry); err != nil {
		return err
	}
	if p.Broker, err = rabbit.New(amqp); err != nil {
		return lifecycle.Misconfigured(err)
	}
	mongo := cfg.mongo()
	mongo.AppName, mongo.TracerProvider = service.Name, p.TracerProvider()
	if p.Database, err = mongodb.New(mongo); err != nil {
		return lifecycle.Misconfigured(err)
	}
	s3 := cfg.s3()
	s3.TracerProvider = p.TracerProvider()
	if p.Blobs, err = s3blob.New(s3); err != nil {
		return lifecycle.Misconfigured(err)
	}
	return nil
}

// TracerProvider makes spans.
func (p *Platform) TracerProvider() trace.TracerProvider { return p.Tracing.Provider }

// Run runs the components on the platform until ctx ends: probes and the broker's connections outlive
// them, and everything is closed in the end. It returns nil after a clean drain.
func (p *Platform) Run(ctx context.Context, components ...lifecycle.Component) error {
	server, err := ops.New(p.cfg.Ops, ops.Deps{Health: p.health, Gatherer: p.Registry, Log: p.Log})
	if err != nil {
		return err
	}
	all := append([]lifecycle.Component{
		{Name: "ops", Run: server.Run, Support: true},
		{Name: "broker", Run: p.Broker.Run, Support: true},
	}, components...)
	p.health.Start()
	// The work itself ends after Drain; recording what became of it takes a moment more.
	err = lifecycle.Run(ctx, lifecycle.Config{Drain: p.cfg.Drain + 3*time.Second, Log: p.Log, OnStop: p.health.Drain}, all...)
	return errors.Join(err, p.Close(context.WithoutCancel(ctx)))
}

// Close gives back what Open took, within five seconds. Run does it by itself.
func (p *Platform) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return errors.Join(p.Database.Close(ctx), p.Blobs.Close(), p.Tracing.Shutdown(ctx))
}

func instance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}

// Drain is how long running work may go on after the stop was asked for.
func (p *Platform) Drain() time.Duration { return p.cfg.Drain }
