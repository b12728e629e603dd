package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/ident"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/messaging"
)

// Config holds a worker's settings. Kind, Name and Scratch are required; other zero values mean the
// defaults.
type Config struct {
	Kind contract.Kind
	// Name is the service's name, "thumbnail-worker"; Host and Version tell operators where and what.
	Name    string
	Host    string
	Version string
	// Slots is how many attempts are processed at a time; 1 where 0.
	Slots int
	// Scratch is a folder for the files of attempts and the source cache. Several workers may share it.
	Scratch string
	// CacheBytes bounds the source cache beyond what is in use; 2 GiB where 0.
	CacheBytes int64
	// Lease is how long a claim holds without a heartbeat, 30 s where 0; Heartbeat how often it is
	// renewed, a third of the lease where 0.
	Lease     time.Duration
	Heartbeat time.Duration
	// ProgressInterval is how often progress is recorded while it grows; 2 s where 0.
	ProgressInterval time.Duration
	// Drain is how long running attempts may go on after the stop was asked for; 25 s where 0.
	Drain time.Duration
}

func (c Config) withDefaults() (Config, error) {
	if !c.Kind.Known() || c.Name == "" || c.Scratch == "" {
		return c, fmt.Errorf("worker of kind %q, name %q, scratch %q: all three are required", c.Kind, c.Name, c.Scratch)
	}
	c.Slots = max(c.Slots, 1)
	orDuration(&c.Lease, 30*time.Second)
	orDuration(&c.Heartbeat, c.Lease/3)
	orDuration(&c.ProgressInterval, 2*time.Second)
	orDuration(&c.Drain, 25*time.Second)
	if c.CacheBytes <= 0 {
		c.CacheBytes = 2 << 30
	}
	if c.Heartbeat > c.Lease/2 {
		return c, fmt.Errorf("heartbeat %v is more than half of the lease %v: one lost beat would lose the task", c.Heartbeat, c.Lease)
	}
	return c, nil
}

func orDuration(d *time.Duration, def time.Duration) {
	if *d <= 0 {
		*d = def
	}
}

// Outcome is how an attempt ended, as the Observer is told.
type Outcome string

// The outcomes of attempts.
const (
	OutcomeSucceeded Outcome = "succeeded"
	OutcomeFailed    Outcome = "failed"
	// OutcomeReleased was given back by a drain; OutcomeLost was cancelled or superseded.
	OutcomeReleased Outcome = "released"
	OutcomeLost     Outcome = "lost"
	// OutcomeUnrecorded could not be recorded, or was and its answers were lost. Unless the task knows it the
	// sweeper will make another attempt; outputs stay until the job's last sweep, as the task may name them.
	OutcomeUnrecorded Outcome = "unrecorded"
)

// Observer is told of what operators count. Its methods do not block.
type Observer interface {
	AttemptStarted(kind contract.Kind)
	AttemptEnded(kind contract.Kind, outcome Outcome, code string, took time.Duration)
	// HintDropped tells of a hint that was stale or a duplicate.
	HintDropped(kind contract.Kind)
}

// Deps are what a worker works with. All are required but Tracer and Observer.
type Deps struct {
	Tasks     task.Repository
	Workers   task.WorkerRepository
	Blobs     blob.Store
	Publisher messaging.Publisher
	Consumer  messaging.Consumer
	Processor Processor
	Observer  Observer
	Tracer    trace.Tracer
	Log       *slog.Logger
}

// Runtime runs a worker. Make one with New.
type Runtime struct {
	Deps
	cfg     Config
	id      string
	source  string
	started time.Time

	mu      sync.Mutex
	running map[*attempt]struct{} // those whose claim is under way as well
}

// New returns a worker that does nothing before Run. It does no I/O.
func New(cfg Config, deps Deps) (*Runtime, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if deps.Tasks == nil || deps.Workers == nil || deps.Blobs == nil || deps.Publisher == nil || deps.Consumer == nil || deps.Processor == nil || deps.Log == nil {
		return nil, errors.New("worker: a dependency is missing")
	}
	if deps.Observer == nil {
		deps.Observer = nopObserver{}
	}
	if deps.Tracer == nil {
		deps.Tracer = noopTracer()
	}
	return &Runtime{Deps: deps, cfg: cfg, id: cfg.Name + "-" + ident.New(), source: "/reelmill/" + cfg.Name, running: map[*attempt]struct{}{}}, nil
}

// ID returns the id under which this worker claims tasks and tells that it is alive.
func (r *Runtime) ID() string { return r.id }

// Run takes and processes tasks until ctx ends; then it takes no more, lets running attempts go on for
// Config.Drain, gives back those that are left, and returns nil. It returns an error when the scratch
// folder cannot be used.
func (r *Runtime) Run(ctx context.Context) error {
	dir, err := openScratch(r.cfg.Scratch)
	if err != nil {
		return err
	}
	defer dir.close()
	r.started = time.Now()
	sources := newSourceCache(dir.path("cache"), r.cfg.CacheBytes, r.Blobs)

	// What keeps attempts alive outlives the intake: it ends when the last handler has returned.
	upkeep, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, upkeep := errgroup.WithContext(upkeep)
	g.Go(func() error { r.presence(upkeep, ctx.Done()); return nil })
	g.Go(func() error {
		return r.Consumer.Listen(upkeep, contract.ExchangeControl, contract.KeyCancel, r.onCancel)
	})
	g.Go(func() error {
		defer stop()
		sub := messaging.Subscription{Queue: r.cfg.Kind.CommandQueue(), Concurrency: r.cfg.Slots, DrainTimeout: r.cfg.Drain}
		return r.Consumer.Consume(ctx, sub, func(ctx context.Context, d messaging.Delivery) error {
			return r.handle(ctx, d, dir, sources)
		})
	})
	return g.Wait()
}

// presence tells that the worker is alive until ctx ends, and takes the record away in the end.
func (r *Runtime) presence(ctx context.Context, draining <-chan struct{}) {
	tick := time.NewTicker(task.WorkerTTL / 3)
	defer tick.Stop()
	w := task.Worker{ID: r.id, Kind: r.cfg.Kind, Host: r.cfg.Host, Version: r.cfg.Version, Slots: r.cfg.Slots, StartedAt: r.started}
	for {
		w.SeenAt, w.Tasks = time.Now(), r.tasks()
		if err := r.put(ctx, w); err != nil && ctx.Err() == nil {
			r.Log.WarnContext(ctx, "worker record not written", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			gone, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			if err := r.Workers.Remove(gone, r.id); err != nil {
				r.Log.WarnContext(ctx, "worker record not removed", slog.Any("error", err))
			}
			return
		case <-draining:
			w.Draining, draining = true, nil
		case <-tick.C:
		}
	}
}

func (r *Runtime) put(ctx context.Context, w task.Worker) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("writing the worker record panicked: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Heartbeat)
	defer cancel()
	return r.Workers.Put(ctx, w)
}

// tasks returns the ids of the tasks that are being processed.
func (r *Runtime) tasks() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]string, 0, len(r.running))
	for a := range r.running {
		if a.task.State == task.Running {
			ids = append(ids, a.task.ID)
		}
	}
	return ids
}

// onCancel makes the attempts that a cancel broadcast names look at their task at once. The broadcast is
// a hint: only the task document takes an attempt's lease away.
func (r *Runtime) onCancel(_ context.Context, m messaging.Message) {
	env, err := contract.DecodeEnvelope(m.Body)
	if err != nil {
		return
	}
	data, err := contract.DecodeCancel(env)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for a := range r.running {
		// The step of a task that is only being claimed is not known yet.
		if a.task.JobID == env.JobID && (data.Step == "" || a.task.Step == "" || data.Step == a.task.Step) {
			a.beatNow()
		}
	}
}

// add lets broadcasts find the attempt from now on, until remove.
func (r *Runtime) add(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[a] = struct{}{}
}

// claimed notes the task that an attempt has claimed.
func (r *Runtime) claimed(a *attempt, t task.Task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.task = t
}

func (r *Runtime) remove(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, a)
}
