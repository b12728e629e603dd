// Package orchestrator moves jobs on: it lets the saga decide on what is stored, saves the decision,
// executes the effects that it wants, and begins again until nothing is due. Any number of orchestrators
// may run, in any number of processes: every step is a compare-and-swap or can be repeated.
//
// Whoever knows of news about a job calls Wake; what nobody tells, the sweeper finds by the job's
// NextWakeup and the tasks' leases.
package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

// Effects executes what decisions want, and erases jobs.
type Effects interface {
	// Execute executes an effect and returns the event that says so; an error means "try again".
	Execute(ctx context.Context, j job.Job, e job.Effect) (saga.Event, error)
	// Erase deletes everything of a job but its record.
	Erase(ctx context.Context, j job.Job) ([]string, error)
}

// Dispatcher sends hints for tasks.
type Dispatcher interface {
	// Resend sends another hint for a queued task whose hint counts as lost.
	Resend(ctx context.Context, t task.Task) error
	// Wake makes the dispatcher look for due tasks soon. It does not block.
	Wake()
}

// Observer is told of what operators count. Its methods do not block.
type Observer interface {
	JobFinished(j job.Job)
	TaskExpired(t task.Task)
	EffectFailed(kind job.EffectKind)
}

// Config holds the orchestrator's settings; zero values mean the defaults.
type Config struct {
	Timing saga.Timing
	// Workers is how many jobs are advanced at a time; 8 where 0.
	Workers int
	// SweepInterval is how often due jobs and tasks are looked for; 1 s where 0.
	SweepInterval time.Duration
	// EffectTimeout bounds the execution of one effect; 30 s where 0.
	EffectTimeout time.Duration
}

// Orchestrator advances jobs. Make one with New.
type Orchestrator struct {
	jobs       job.Repository
	tasks      task.Repository
	effects    Effects
	dispatcher Dispatcher
	observer   Observer
	log        *slog.Logger
	cfg        Config
	queue      *wakeQueue
	watch      watch
	telling    telling
}

// New returns an orchestrator, which does nothing before Run but can be told to Wake.
func New(jobs job.Repository, tasks task.Repository, effects Effects, dispatcher Dispatcher, observer Observer, log *slog.Logger, cfg Config) *Orchestrator {
	if cfg.Timing == (saga.Timing{}) {
		cfg.Timing = saga.DefaultTiming()
	}
	if cfg.Workers <= 0 {
		cfg.Workers = 8
	}
	if cfg.SweepInterval <= 0 {
		cfg.SweepInterval = time.Second
	}
	if cfg.EffectTimeout <= 0 {
		cfg.EffectTimeout = 30 * time.Second
	}
	return &Orchestrator{jobs: jobs, tasks: tasks, effects: effects, dispatcher: dispatcher, observer: observer, log: log, cfg: cfg, queue: newWakeQueue()}
}

// Wake makes the job be advanced soon, once for any number of calls before that. It does not block.
func (o *Orchestrator) Wake(jobID string) { o.queue.add(jobID) }

// maxRounds bounds one Advance: a job has no more decisions in a row than this, so reaching it means
// that effects are wanted again and again.
const maxRounds = 100

// Advance lets the job go on until nothing is due: its decisions are saved and its due effects executed.
// An effect that fails is put off and is no error. A job that does not exist is none either.
func (o *Orchestrator) Advance(ctx context.Context, jobID string) error {
	for range maxRounds {
		j, err := o.jobs.Load(ctx, jobID)
		if errors.Is(err, job.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("load job %s: %w", jobID, err)
		}
		if !j.DeletingAt.IsZero() {
			return o.erase(ctx, j)
		}
		j, err = o.observe(ctx, j)
		if errors.Is(err, job.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		// Outsiders are told last, when everything else is done and saved: a broker that is down or silent must
		// not hold up what stops or undoes work.
		events := o.execute(ctx, j, func(e job.Effect) bool { return e.Kind != job.PublishEvent })
		if len(events) == 0 {
			events = o.execute(ctx, j, func(e job.Effect) bool { return e.Kind == job.PublishEvent })
		}
		if len(events) == 0 {
			return nil
		}
		if err := faultinject.Point(ctx, "relay.before_save"); err != nil {
			return err
		}
		if err := o.record(ctx, jobID, events); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("job %s did not come to rest in %d rounds", jobID, maxRounds)
}

// observe applies what is known of time and tasks to the job and saves it where that changed anything.
func (o *Orchestrator) observe(ctx context.Context, j job.Job) (job.Job, error) {
	now := time.Now()
	next, err := o.cfg.Timing.Decide(j, saga.Woken{}, now)
	if err != nil {
		return j, err
	}
	for _, p := range j.Pipeline.Steps {
		s := next.Steps[p.Name]
		if s.State != job.StepRunning || s.Tasks == 0 {
			continue
		}
		e, err := o.observeTasks(ctx, j.ID, p.Name)
		if err != nil {
			return j, err
		}
		if next, err = o.cfg.Timing.Decide(next, e, now); err != nil {
			return j, err
		}
	}
	if err := faultinject.Point(ctx, "fanin.after_count_before_cas"); err != nil {
		return j, err
	}
	return o.save(ctx, j, next, now)
}

// save stores next unless it equals j but for a wake-up that is still ahead.
func (o *Orchestrator) save(ctx context.Context, j, next job.Job, now time.Time) (job.Job, error) {
	same := next
	same.NextWakeup = j.NextWakeup
	if reflect.DeepEqual(j, same) && (j.NextWakeup.After(now) || j.NextWakeup.Equal(next.NextWakeup) || dueBoth(j, next, now)) {
		return j, nil
	}
	saved, err := o.jobs.Save(ctx, next)
	if err != nil {
		return j, fmt.Errorf("save job %s: %w", j.ID, err)
	}
	if saved.State.Terminal() && !j.State.Terminal() {
		o.observer.JobFinished(saved)
		o.log.InfoContext(ctx, "job finished", slog.String("job_id", j.ID), slog.String("state", string(saved.State)))
	}
	return saved, nil
}

// dueBoth reports whether both are to be looked at now, so that the later of the two times says nothing new.
func dueBoth(a, b job.Job, now time.Time) bool {
	return !a.NextWakeup.IsZero() && !b.NextWakeup.IsZero() && !a.NextWakeup.After(now) && !b.NextWakeup.After(now)
}

// observeTasks returns how the tasks of a step stand.
func (o *Orchestrator) observeTasks(ctx context.Context, jobID, step string) (saga.TasksObserved, error) {
	counts, err := o.tasks.CountByState(ctx, jobID, step)
	if err != nil {
		return saga.TasksObserved{}, fmt.Errorf("count the tasks of step %s: %w", step, err)
	}
	e := saga.TasksObserved{Step: step, Succeeded: counts[task.Succeeded], Failed: counts[task.Failed],
		Begun: counts[task.Running]+counts[task.Succeeded]+counts[task.Failed] > 0}
	if e.Failed == 0 {
		return e, nil
	}
	tasks, err := o.tasks.ByJob(ctx, jobID, step)
	if err != nil {
		return e, fmt.Errorf("find the failed tasks of step %s: %w", step, err)
	}
	for _, t := range tasks {
		if t.State == task.Failed {
			e.Failure = t.Error
			break
		}
	}
	return e, nil
}

// applyTries is how often Apply begins again after a concurrent change.
const applyTries = 20

// Apply lets the saga decide on the events, in order, and saves the result. It returns the job as saved.
// Errors are the saga's refusals (class Conflict), job.ErrNotFound, and those of the store; after losing
// against concurrent changes too often it is a fault of code concurrent_change.
func (o *Orchestrator) Apply(ctx context.Context, jobID string, events ...saga.Event) (job.Job, error) {
	for try := range applyTries {
		j, err := o.jobs.Load(ctx, jobID)
		if err != nil {
			return j, fmt.Errorf("load job %s: %w", jobID, err)
		}
		now := time.Now()
		next := j
		for _, e := range events {
			if next, err = o.cfg.Timing.Decide(next, e, now); err != nil {
				return j, err
			}
		}
		if err := faultinject.Point(ctx, "reply.after_decide"); err != nil {
			return j, err
		}
		saved, err := o.save(ctx, j, next, now)
		if !errors.Is(err, job.ErrConflict) {
			return saved, err
		}
		if err := pause(ctx, time.Duration(rand.Int64N(int64(5*time.Millisecond)*int64(try+1)))); err != nil {
			return j, err
		}
	}
	return job.Job{}, fault.New(fault.CodeConcurrentChange, "")
}

// erase finishes a deletion that was cut off, and deletes the record of one that is done once nothing can
// be stored for the job any more. One that fails is put off, as effects are.
func (o *Orchestrator) erase(ctx context.Context, j job.Job) error {
	if !j.ErasedAt.IsZero() && time.Now().Before(o.cfg.Timing.ForgetAt(j)) {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, o.cfg.EffectTimeout)
	_, err := o.effects.Erase(bounded, j)
	cancel()
	if err != nil {
		o.observer.EffectFailed(job.Erase)
		return errors.Join(err, o.record(ctx, j.ID, []saga.Event{saga.EraseFailed{}}))
	}
	if j.ErasedAt.IsZero() {
		_, err := o.Apply(ctx, j.ID, saga.Erased{})
		return err
	}
	if err := o.jobs.Delete(ctx, j.ID); err != nil {
		return fmt.Errorf("delete the record of job %s: %w", j.ID, err)
	}
	return nil
}

// pause waits for d, or returns ctx's cause when that ends first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
