package orchestrator

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

// execute executes the job's due effects of the wanted kinds and returns the events that came of them. Where an
// event could not be told the later ones are not tried: each would take its time, too.
func (o *Orchestrator) execute(ctx context.Context, j job.Job, wanted func(job.Effect) bool) []saga.Event {
	var events []saga.Event
	told := true
	for _, e := range j.Outbox {
		if !wanted(e) || !e.Due(time.Now()) {
			continue
		}
		if ctx.Err() != nil {
			break
		}
		ev, err := o.executeOne(ctx, j, e, told)
		if err != nil {
			told = told && e.Kind != job.PublishEvent
			o.observer.EffectFailed(e.Kind)
			o.log.WarnContext(ctx, "effect failed", slog.String("job_id", j.ID), slog.String("effect", string(e.Kind)),
				slog.String("code", string(fault.CodeOf(err))), slog.Any("error", err))
			ev = saga.EffectFailed{ID: e.ID}
		}
		events = append(events, ev)
	}
	return events
}

// executeOne executes one effect within its time. told is whether the job's earlier events could be told.
func (o *Orchestrator) executeOne(ctx context.Context, j job.Job, e job.Effect, told bool) (saga.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, o.cfg.EffectTimeout)
	defer cancel()
	if e.Kind != job.PublishEvent {
		return o.effects.Execute(ctx, j, e)
	}
	if !told || !o.telling.begin() {
		return nil, fault.New(fault.CodeBrokerUnavailable, "the broker did not take the last event")
	}
	ev, err := o.effects.Execute(ctx, j, e)
	o.telling.end(err)
	return ev, err
}

// record lets the saga decide on what came of effects. It takes the time it needs also where they have used up
// the round's: what was done, or tried in vain, must not be forgotten and done again.
func (o *Orchestrator) record(ctx context.Context, jobID string, events []saga.Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.cfg.EffectTimeout)
	defer cancel()
	_, err := o.Apply(ctx, jobID, events...)
	return err
}

// telling says whether an event may be published. While the broker does not take events one is tried at a time, so
// that whoever else advances a job does not wait for it too. The zero value expects a broker that takes them.
type telling struct {
	mu     sync.Mutex
	deaf   bool // the last event that was tried was not taken
	trying bool // one is being tried meanwhile
}

// begin reports whether an event may be tried; then end must be called with what came of it.
func (t *telling) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.deaf && t.trying {
		return false
	}
	t.trying = true
	return true
}

func (t *telling) end(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deaf, t.trying = err != nil, false
}
