// Package app assembles the whole system in one process on embedded adapters: SQLite, a broker in memory,
// an S3 server on a folder, and ffmpeg from PATH. It is wiring alone; what is assembled are the same
// services as anywhere else.
//
// Everything durable lies in one data folder. What the broker holds is lost with the process, which costs
// hints only: tasks are in the database, and the sweeper sends their hints again.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/reelmill/reelmill/pkg/blob/s3blob"
	"github.com/reelmill/reelmill/pkg/chassis/httpserver"
	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/chassis/metrics"
	"github.com/reelmill/reelmill/pkg/chassis/ops"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/membroker"
	"github.com/reelmill/reelmill/pkg/sqlite"
	jobservice "github.com/reelmill/reelmill/services/job-service"
	"github.com/reelmill/reelmill/services/standalone/internal/datadir"
	"github.com/reelmill/reelmill/services/standalone/internal/s3server"
)

// Name names the program in logs and traces.
const Name = "reelmill"

const bucket = "reelmill"

// Timing of one process on one machine. Database and worker live and die together, so a short lease
// costs nothing and a crash is made good within seconds of the next start.
const (
	lease         = 10 * time.Second
	checkInterval = 5 * time.Second
	sweepInterval = 500 * time.Millisecond
	sweepDelay    = 2 * lease // jobservice.Config.SweepDelay: more than a lease

	defaultDrain = 25 * time.Second
	// recordGrace is how long the outcome of work that was cut off may take to be recorded.
	recordGrace = 3 * time.Second
	// cutoff is, twice, how long supporting components may take to end: the S3 server gives connections
	// that clients hold open ten seconds.
	cutoff       = 6 * time.Second
	closeTimeout = 5 * time.Second
)

// Config says where the process listens and keeps its data. Data and Log are required; other zero values
// mean the defaults.
type Config struct {
	// Data is the folder of everything that stays. It must remain open until Close has returned.
	Data *datadir.Dir
	// Addr is where the REST interface listens, a free port of loopback where empty. Any other address
	// than one of loopback needs APIKeysFile.
	Addr        string
	APIKeysFile string
	// S3Addr is where object storage listens, a free port of loopback where empty. S3PublicURL is the
	// URL under which clients reach it, by default that of S3Addr.
	S3Addr      string
	S3PublicURL string
	// CORSOrigins are the origins whose pages may call the REST interface; none where empty. Object storage
	// lets every origin use presigned URLs.
	CORSOrigins []string
	// OpsAddr is where probes and metrics are served; nowhere where empty.
	OpsAddr string
	// Slots is how many tasks of each kind are processed at a time; half of GOMAXPROCS, at least 1, where 0.
	Slots int
	// Drain is how long running work may go on after the stop; 25 s where 0.
	Drain time.Duration
	Log   *slog.Logger
}

// App is the assembled process. Open makes it, Run runs it once, Close ends it.
type App struct {
	cfg   Config
	tools ffmpeg.Tools
	// closers end what Open began, in reverse order.
	closers []func(context.Context) error

	tracing  *telemetry.Tracing
	registry *prometheus.Registry
	db       *sqlite.DB
	s3       *s3server.Server
	blobs    *s3blob.Store
	broker   *membroker.Broker
	jobs     *jobservice.Service
	workers  []lifecycle.Component
	ops      *ops.Server
	health   *ops.Health
}

// Open assembles the process: afterwards storage answers and all addresses are bound, but nothing is
// processed before Run. The working directory of the process is another until Close (see s3server); one
// App may be open at a time. Errors are classified: ffmpeg_missing for one.
func Open(ctx context.Context, cfg Config) (*App, error) {
	cfg.Drain = cmp.Or(cfg.Drain, defaultDrain)
	if cfg.Slots <= 0 {
		cfg.Slots = DefaultSlots()
	}
	a := &App{cfg: cfg}
	for _, step := range []func(context.Context) error{
		a.findTools, a.openTelemetry, a.openDatabase, a.openStorage, a.openServices, a.openOps, a.listen,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, a.Close())
		}
	}
	return a, nil
}

func (a *App) findTools(ctx context.Context) (err error) {
	a.tools, err = ffmpeg.Find(ctx)
	return err
}

func (a *App) openTelemetry(ctx context.Context) (err error) {
	if a.tracing, err = telemetry.NewTracing(ctx, telemetry.Service{Name: Name}, a.cfg.Log); err != nil {
		return lifecycle.Misconfigured(err)
	}
	a.closers = append(a.closers, a.tracing.Shutdown)
	a.registry = metrics.NewRegistry()
	return metrics.RegisterBuild(a.registry, metrics.Build{Service: Name, Version: telemetry.BuildVersion()})
}

func (a *App) openDatabase(ctx context.Context) (err error) {
	if a.db, err = sqlite.Open(ctx, a.cfg.Data.Database()); err != nil {
		return err
	}
	a.closers = append(a.closers, func(context.Context) error { return a.db.Close() })
	return nil
}

func (a *App) openStorage(ctx context.Context) error {
	keys, err := a.cfg.Data.Credentials(s3server.NewCredentials)
	if err != nil {
		return err
	}
	a.s3, err = s3server.Start(s3server.Config{Dir: a.cfg.Data.Objects(), Addr: a.cfg.S3Addr, AccessKey: keys.AccessKey, SecretKey: keys.SecretKey})
	if err != nil {
		return err
	}
	a.closers = append(a.closers, func(context.Context) error { return a.s3.Close() })
	a.blobs, err = s3blob.New(s3blob.Config{Endpoint: a.s3.Endpoint(), PublicEndpoint: a.cfg.S3PublicURL, Region: s3server.Region,
		Bucket: bucket, PathStyle: true, AccessKeyID: keys.AccessKey, SecretAccessKey: s3blob.Secret(keys.SecretKey), TracerProvider: a.tracing.Provider})
	if err != nil {
		return lifecycle.Misconfigured(err)
	}
	a.closers = append(a.closers, func(context.Context) error { return a.blobs.Close() })
	return a.blobs.EnsureBucket(ctx)
}

func (a *App) openServices(context.Context) (err error) {
	if a.broker, err = membroker.New(messaging.System(), membroker.Config{Log: a.cfg.Log}); err != nil {
		return err
	}
	a.closers = append(a.closers, func(context.Context) error { a.broker.Close(); return nil })
	a.jobs, err = jobservice.New(jobservice.Config{
		HTTP: httpserver.Config{Addr: cmp.Or(a.cfg.Addr, "127.0.0.1:0")}, APIKeysFile: a.cfg.APIKeysFile, CORSOrigins: a.cfg.CORSOrigins,
		CheckInterval: checkInterval, SweepInterval: sweepInterval, SweepDelay: sweepDelay,
	}, jobservice.Deps{Database: a.db, Blobs: a.blobs, Presigner: a.blobs, Uploads: a.blobs, Publisher: a.broker, Consumer: a.broker, BrokerBeginsEmpty: true,
		Log: a.cfg.Log, TracerProvider: a.tracing.Provider, Registerer: a.registry})
	if err != nil {
		return err
	}
	a.workers, err = a.newWorkers()
	return err
}

func (a *App) openOps(ctx context.Context) (err error) {
	a.health, err = ops.NewHealth(
		ops.Check{Name: "database", Probe: a.db.Ping, Timeout: closeTimeout},
		ops.Check{Name: "storage", Probe: a.blobs.Ping, Timeout: closeTimeout})
	if err != nil || a.cfg.OpsAddr == "" {
		return err
	}
	if a.ops, err = ops.New(ops.Config{Addr: a.cfg.OpsAddr}, ops.Deps{Health: a.health, Gatherer: a.registry, Log: a.cfg.Log}); err != nil {
		return lifecycle.Misconfigured(err)
	}
	a.closers = append(a.closers, func(context.Context) error { return a.ops.Close() })
	return a.ops.Listen(ctx)
}

// listen comes last: nothing but Run releases the address again.
func (a *App) listen(ctx context.Context) error { return a.jobs.Listen(ctx) }

// URL returns the base URL of the REST interface, as this machine reaches it.
func (a *App) URL() string { return "http://" + reachable(a.jobs.Addr()) }

// StorageURL returns the URL of object storage, as this machine reaches it.
func (a *App) StorageURL() string { return a.s3.Endpoint() }

// OpsURL returns the base URL of probes and metrics, empty where they are not served.
func (a *App) OpsURL() string {
	if a.ops == nil {
		return ""
	}
	return "http://" + reachable(a.ops.Addr())
}

// Tools returns the media tools that are used.
func (a *App) Tools() ffmpeg.Tools { return a.tools }

// reachable returns an address to call a listener on addr at.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return addr.String()
	}
	return net.JoinHostPort("127.0.0.1", fmt.Sprint(tcp.Port))
}

// Run processes jobs until ctx ends, then drains: running work may go on for Config.Drain and is given
// back after that. Storage and the broker go on until the services have ended. It returns nil after a
// clean drain. Call it once, and Close after it.
func (a *App) Run(ctx context.Context) error {
	components := []lifecycle.Component{
		{Name: "storage", Support: true, Run: func(ctx context.Context) error {
			select {
			case <-ctx.Done():
			case <-a.s3.Ended():
			}
			// The server waits for connections, those that were opened ahead and never used among them.
			return errors.Join(a.blobs.Close(), a.s3.Close())
		}},
		{Name: "job-service", Run: a.jobs.Run},
	}
	components = append(components, a.workers...)
	if a.ops != nil {
		components = append(components, lifecycle.Component{Name: "ops", Run: a.ops.Run, Support: true})
	}
	a.health.Start()
	return lifecycle.Run(ctx, lifecycle.Config{Drain: a.cfg.Drain + recordGrace, Cutoff: cutoff, Log: a.cfg.Log, OnStop: a.health.Drain}, components...)
}

// Close ends what Open began. It must be called once, after Run has returned or instead of Run.
func (a *App) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i](ctx))
	}
	a.closers = nil
	return errors.Join(errs...)
}
