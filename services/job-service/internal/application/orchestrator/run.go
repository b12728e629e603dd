package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/task"
)

// sweepBatch is how many due jobs, and how many overdue tasks, one sweep looks at.
const sweepBatch = 200

// Run advances woken jobs and sweeps for due ones until ctx ends, then finishes what it is doing and
// returns nil.
func (o *Orchestrator) Run(ctx context.Context) error {
	var g errgroup.Group
	for range o.cfg.Workers {
		g.Go(func() error { o.work(ctx); return nil })
	}
	g.Go(func() error { o.sweepLoop(ctx); return nil })
	<-ctx.Done()
	o.queue.close()
	return g.Wait()
}

// work advances jobs from the queue, one after the other. A round that was begun is finished after ctx
// ended, within the time of an effect, so that a shutdown does not leave half of it to others.
func (o *Orchestrator) work(ctx context.Context) {
	for {
		id, ok := o.queue.next(ctx)
		if !ok {
			return
		}
		round, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*o.cfg.EffectTimeout)
		err := o.advanceSafely(round, id)
		cancel()
		o.queue.done(id)
		if err != nil {
			// The job's NextWakeup is unchanged or due, so the sweeper brings it again.
			o.log.WarnContext(ctx, "job could not be advanced", slog.String("job_id", id),
				slog.String("code", string(fault.CodeOf(err))), slog.Any("error", err))
		}
	}
}

// advanceSafely turns a panic of one job into an error, so that it does not stop the others.
func (o *Orchestrator) advanceSafely(ctx context.Context, id string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("advancing job %s panicked: %v", id, p)
		}
	}()
	return o.Advance(ctx, id)
}

func (o *Orchestrator) sweepLoop(ctx context.Context) {
	for {
		sweep, cancel := context.WithTimeout(ctx, o.cfg.EffectTimeout)
		err := o.Sweep(sweep)
		cancel()
		if err != nil && ctx.Err() == nil {
			o.log.WarnContext(ctx, "sweep failed", slog.String("code", string(fault.CodeOf(err))), slog.Any("error", err))
		}
		// Jittered, so that several replicas do not sweep in step.
		if pause(ctx, o.cfg.SweepInterval/2+rand.N(o.cfg.SweepInterval)) != nil {
			return
		}
	}
}

// Sweep wakes every job that is due, takes tasks away from workers whose lease or time has run out, and
// sends hints again that were not answered.
func (o *Orchestrator) Sweep(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("sweep panicked: %v", p)
		}
	}()
	now := time.Now()
	ids, err := o.jobs.Waking(ctx, now, sweepBatch)
	if err != nil {
		return fmt.Errorf("find due jobs: %w", err)
	}
	for _, id := range ids {
		o.Wake(id)
	}
	if err := faultinject.Point(ctx, "sweeper.after_claim"); err != nil {
		return err
	}
	overdue, err := o.tasks.Overdue(ctx, now, sweepBatch)
	if err != nil {
		return fmt.Errorf("find overdue tasks: %w", err)
	}
	silent := o.watch.look(overdue, now)
	var errs []error
	for _, t := range overdue {
		if t.State == task.Queued {
			errs = append(errs, o.dispatcher.Resend(ctx, t))
		} else {
			errs = append(errs, o.expire(ctx, t, silent[t.ID]))
		}
	}
	return errors.Join(errs...)
}
