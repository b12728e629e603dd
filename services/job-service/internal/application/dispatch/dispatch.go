// Package dispatch sends hints for tasks that are due. It keeps the broker's queues short, about twice
// what the live workers can take, and chooses the order in the database: so an urgent task need not wait
// behind a long queue, tenants take turns, and the place of a task is known.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/messaging"
)

// Config holds the dispatcher's settings; zero values mean the defaults.
type Config struct {
	// Source names the sender in messages. Required.
	Source string
	// Interval is how often due tasks are looked for without being woken; 1 s where 0.
	Interval time.Duration
	// MinQueued is how many hints are kept in a queue even where no worker is known to be live, so that
	// one that comes finds work at once; 4 where 0.
	MinQueued int
	// PublishTimeout bounds the sending of one batch; 10 s where 0.
	PublishTimeout time.Duration
}

// Dispatcher sends hints. Make one with New.
type Dispatcher struct {
	tasks     task.Repository
	workers   task.WorkerRepository
	publisher messaging.Publisher
	log       *slog.Logger
	cfg       Config
	wake      chan struct{}
	cursor    map[contract.Kind]string
}

// New returns a dispatcher, which does nothing before Run but can be told to Wake.
func New(tasks task.Repository, workers task.WorkerRepository, publisher messaging.Publisher, log *slog.Logger, cfg Config) *Dispatcher {
	if cfg.Interval <= 0 {
		cfg.Interval = time.Second
	}
	if cfg.MinQueued <= 0 {
		cfg.MinQueued = 4
	}
	if cfg.PublishTimeout <= 0 {
		cfg.PublishTimeout = 10 * time.Second
	}
	return &Dispatcher{tasks: tasks, workers: workers, publisher: publisher, log: log, cfg: cfg,
		wake: make(chan struct{}, 1), cursor: map[contract.Kind]string{}}
}

// Wake makes Run look for due tasks soon. It does not block.
func (d *Dispatcher) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// roundTimeout bounds one look at all kinds: a store that hangs must not stop the dispatcher for good.
const roundTimeout = 30 * time.Second

// Run dispatches until ctx ends and returns nil.
func (d *Dispatcher) Run(ctx context.Context) error {
	tick := time.NewTicker(d.cfg.Interval)
	defer tick.Stop()
	for {
		round, cancel := context.WithTimeout(ctx, roundTimeout)
		err := d.Dispatch(round)
		cancel()
		if err != nil && ctx.Err() == nil {
			d.log.WarnContext(ctx, "dispatch failed", slog.String("code", string(fault.CodeOf(err))), slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-d.wake:
		}
	}
}

// Dispatch sends hints for due tasks of every kind, as many as the queues have room for. Only one call
// runs at a time.
func (d *Dispatcher) Dispatch(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("dispatch panicked: %v", p)
		}
	}()
	live, err := d.workers.Live(ctx, time.Now().Add(-task.WorkerTTL))
	if err != nil {
		return fmt.Errorf("find live workers: %w", err)
	}
	slots := map[contract.Kind]int{}
	for _, w := range live {
		if !w.Draining {
			slots[w.Kind] += w.Slots
		}
	}
	var errs []error
	for _, k := range contract.Kinds() {
		errs = append(errs, d.dispatchKind(ctx, k, max(2*slots[k], d.cfg.MinQueued)))
	}
	return errors.Join(errs...)
}

func (d *Dispatcher) dispatchKind(ctx context.Context, k contract.Kind, target int) error {
	now := time.Now()
	due, err := d.tasks.Dispatchable(ctx, k, now, d.cursor[k], target)
	if err != nil {
		return fmt.Errorf("find due tasks of kind %s: %w", k, err)
	}
	if len(due) == 0 {
		return nil
	}
	queued, err := d.tasks.Count(ctx, k, task.Queued)
	if err != nil {
		return fmt.Errorf("count queued tasks of kind %s: %w", k, err)
	}
	if room := target - queued; room < len(due) {
		due = due[:max(room, 0)]
	}
	if len(due) == 0 {
		return nil
	}
	d.cursor[k] = due[len(due)-1].Tenant
	return d.send(ctx, due)
}

// ForgetHints makes every queued task pending again: for a broker that begins empty, which knows none of the hints
// that were sent before. Otherwise each would wait for its answer, up to a quarter of an hour, and take the room of
// others. It must be called before hints are sent and before workers can have received any. It does not wait long
// for a store that hangs.
func (d *Dispatcher) ForgetHints(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("forgetting hints panicked: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	// The wait for an answer has its limit, so every queued task is due within a day. There are few: see Dispatch.
	const all = 1 << 20
	tasks, err := d.tasks.Overdue(ctx, time.Now().Add(24*time.Hour), all)
	if err != nil {
		return fmt.Errorf("find the tasks that were queued: %w", err)
	}
	for _, t := range tasks {
		if t.State != task.Queued {
			continue
		}
		_, err := d.tasks.Update(ctx, t.ID, func(t *task.Task) error { return t.HintLost() })
		if err != nil && !errors.Is(err, task.ErrNotDue) && !errors.Is(err, task.ErrNotFound) {
			return fmt.Errorf("forget the hint of task %s: %w", t.ID, err)
		}
	}
	return nil
}

// Resend sends another hint for a queued task.
func (d *Dispatcher) Resend(ctx context.Context, t task.Task) error {
	return d.send(ctx, []task.Task{t})
}

// send publishes hints and then records that they were sent. A crash in between sends them again, which
// the claim makes harmless.
func (d *Dispatcher) send(ctx context.Context, due []task.Task) error {
	batch := make([]messaging.Message, len(due))
	for i, t := range due {
		env := contract.NewCommand(t.Kind, d.cfg.Source, t.JobID, t.Tenant, contract.RunTask{TaskID: t.ID, Attempt: t.Attempt}, time.Now())
		env.TraceParent, env.TraceState = t.Trace["traceparent"], t.Trace["tracestate"]
		m, err := messaging.Encode(env, messaging.CommandRoute(t.Kind))
		if err != nil {
			return fmt.Errorf("encode the hint for task %s: %w", t.ID, err)
		}
		batch[i] = m
	}
	if err := faultinject.Point(ctx, "dispatch.before_publish"); err != nil {
		return err
	}
	publishing, cancel := context.WithTimeout(ctx, d.cfg.PublishTimeout)
	err := d.publisher.Publish(publishing, batch...)
	cancel()
	var perr *messaging.PublishError
	if err != nil && !errors.As(err, &perr) {
		return fmt.Errorf("publish %d hints: %w", len(batch), err)
	}
	if err := faultinject.Point(ctx, "dispatch.after_publish"); err != nil {
		return err
	}
	errs := []error{err}
	for i, t := range due {
		if perr != nil && perr.Errs[i] != nil {
			continue
		}
		_, err := d.tasks.Update(ctx, t.ID, func(now *task.Task) error {
			if now.Attempt != t.Attempt {
				return task.ErrNotDue
			}
			return now.Hinted(time.Now())
		})
		if err != nil && !errors.Is(err, task.ErrNotDue) && !errors.Is(err, task.ErrNotFound) {
			errs = append(errs, fmt.Errorf("record the hint for task %s: %w", t.ID, err))
		}
	}
	return errors.Join(errs...)
}
