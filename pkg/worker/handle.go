package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/messaging"
)

// handle takes a hint: it claims the task, acks, processes the attempt and records what came of it. ctx
// ends when the drain period is over.
func (r *Runtime) handle(ctx context.Context, d messaging.Delivery, dir *scratch, sources *sourceCache) error {
	env, err := contract.DecodeEnvelope(d.Body)
	if err != nil {
		return err
	}
	cmd, err := contract.DecodeCommand(r.cfg.Kind, env)
	if err != nil {
		return err
	}
	// Cancels are heard from before the claim: one that comes while its answer is under way, or during the ack,
	// concerns this attempt.
	a := r.newAttempt(env.JobID, cmd.TaskID)
	r.add(a)
	defer r.remove(a)
	t, err := r.claim(ctx, cmd)
	if dropped(err) {
		r.Observer.HintDropped(r.cfg.Kind)
		return nil
	}
	if err != nil {
		return err
	}
	r.claimed(a, t)
	if err := faultinject.Point(ctx, "claim.after_before_ack"); err != nil {
		return err
	}
	// From here on the lease holds the task, not the message. An ack that fails brings the hint again,
	// which then finds the task claimed.
	if err := d.Ack(ctx); err != nil {
		r.Log.InfoContext(ctx, "hint could not be acked", slog.String("task_id", t.ID), slog.Any("error", err))
	}
	r.process(ctx, a, dir, sources)
	return nil
}

// process runs one claimed attempt to its end. Nothing that happens here goes back to the broker: what
// is not recorded, the sweeper finds.
func (r *Runtime) process(ctx context.Context, a *attempt, dir *scratch, sources *sourceCache) {
	start, t := time.Now(), a.task
	r.Observer.AttemptStarted(t.Kind)
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier(t.Trace))
	ctx, span := r.Tracer.Start(ctx, string(t.Kind)+" process", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("reelmill.job_id", t.JobID), attribute.String("reelmill.task_id", t.ID), attribute.Int("reelmill.attempt", t.Attempt)))
	defer span.End()
	log := r.Log.With(slog.String("job_id", t.JobID), slog.String("task_id", t.ID), slog.String("step", t.Step),
		slog.Int("attempt", t.Attempt), slog.Int64("fence", t.Fence))
	log.InfoContext(ctx, "attempt started")

	result, err := r.attempt(ctx, a, dir, sources)
	// The outcome must be recorded although the work was cut off.
	ctx = context.WithoutCancel(ctx)
	outcome, rec := r.record(ctx, t, result, err)
	if outcome == OutcomeFailed || outcome == OutcomeReleased || outcome == OutcomeLost {
		// Not what is unrecorded: the record may have been stored and only its answer lost, and then the task
		// names these outputs. The job's last sweep takes what it does not.
		r.discard(ctx, t)
	}
	if outcome == OutcomeSucceeded || outcome == OutcomeFailed {
		r.reply(ctx, t, rec)
	}
	code := ""
	if rec != nil {
		code = string(rec.Code)
		span.SetStatus(codes.Error, code)
	}
	r.Observer.AttemptEnded(t.Kind, outcome, code, time.Since(start))
	log.InfoContext(ctx, "attempt ended", slog.String("outcome", string(outcome)), slog.String("code", code),
		slog.Duration("took", time.Since(start)), slog.Any("error", err))
}

// attempt lets the Processor work while the heartbeat holds the lease. A panic becomes an error.
func (r *Runtime) attempt(ctx context.Context, a *attempt, dir *scratch, sources *sourceCache) (result contract.TaskResult, err error) {
	if err := a.prepare(dir, sources); err != nil {
		return result, err
	}
	defer a.close()
	// ctx ends at the end of the drain; the work is told so by its cause.
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(task.ErrDrain) })()
	defer time.AfterFunc(a.task.Limits.StartToClose, func() { cancel(task.ErrTimeUp) }).Stop()

	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { defer close(done); a.heartbeat(beating, cancel) }()
	defer func() { stop(); <-done }()
	defer func() {
		if p := recover(); p != nil {
			r.Log.ErrorContext(ctx, "processor panicked", slog.String("task_id", a.task.ID), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			err = fault.New(fault.CodeInternal, "the worker met an unexpected condition")
		}
	}()
	if err := faultinject.Point(work, "ack.after_before_work"); err != nil {
		return result, err
	}
	started := time.Now()
	result, err = r.Processor.Process(work, a)
	if cause := context.Cause(work); err != nil && cause != nil {
		// What the Processor made of being cut off says less than why it was.
		err = fmt.Errorf("%w: %w", cause, err)
	}
	result.Usage.Wall = time.Since(started)
	a.account(&result)
	return result, err
}

// recordTries and recordPause bound how long an outcome is tried to be recorded: about as long as the
// lease holds the task for this worker.
const (
	recordTries = 8
	recordPause = 250 * time.Millisecond
)

// record stores the outcome of the attempt under its fence. rec is the error as stored, nil for success
// and for what is not an outcome of the task.
func (r *Runtime) record(ctx context.Context, t task.Task, result contract.TaskResult, cause error) (Outcome, *fault.Record) {
	outcome, rec, change := r.outcome(t, result, cause)
	if outcome == OutcomeLost {
		return outcome, nil
	}
	if err := faultinject.Point(ctx, "upload.after_complete_before_record"); err != nil {
		return OutcomeUnrecorded, rec
	}
	wait := recordPause
	for try := range recordTries {
		_, err := r.update(ctx, t.ID, change)
		switch {
		case err == nil:
			if err := faultinject.Point(ctx, "report.after_cas_before_publish"); err != nil {
				r.Log.WarnContext(ctx, "failpoint", slog.Any("error", err))
			}
			return outcome, rec
		case errors.Is(err, task.ErrLeaseLost) || errors.Is(err, task.ErrNotFound):
			return OutcomeLost, nil
		}
		r.Log.WarnContext(ctx, "outcome not recorded yet", slog.String("task_id", t.ID), slog.Int("try", try+1), slog.Any("error", err))
		timer := time.NewTimer(wait)
		<-timer.C
		wait = min(2*wait, r.cfg.Heartbeat)
	}
	return OutcomeUnrecorded, rec
}

// outcome says what an attempt's end means for the task, and how the task is told.
func (r *Runtime) outcome(t task.Task, result contract.TaskResult, cause error) (Outcome, *fault.Record, func(*task.Task) error) {
	switch {
	case cause == nil:
		b, err := json.Marshal(result)
		if err == nil {
			return OutcomeSucceeded, nil, func(t2 *task.Task) error { return t2.Succeed(t.Fence, b, time.Now()) }
		}
		cause = fault.Wrap(fault.CodeOutputInvalid, err, "the result cannot be encoded")
	case errors.Is(cause, task.ErrLeaseLost):
		return OutcomeLost, nil, nil
	case errors.Is(cause, task.ErrDrain):
		return OutcomeReleased, nil, func(t2 *task.Task) error { return t2.Release(t.Fence, time.Now()) }
	case errors.Is(cause, task.ErrTimeUp):
		cause = fault.Wrap(fault.CodeTaskTimeout, cause, "attempt %d took longer than %v", t.Attempt, t.Limits.StartToClose)
	}
	rec := fault.RecordOf(cause)
	if fault.ParseClass(rec.Class) == fault.Cancelled {
		// Nobody asked for it: the Processor gave up by itself, which another try may mend.
		rec = fault.RecordOf(fault.New(fault.CodeInternal, "the work was broken off"))
	}
	jitter := jitter()
	return OutcomeFailed, &rec, func(t2 *task.Task) error { return t2.Fail(t.Fence, rec, time.Now(), jitter) }
}

// update changes a task within the time of a heartbeat. A panic of the store becomes an error: the goroutine
// that holds a lease must not take the process with it.
func (r *Runtime) update(ctx context.Context, id string, change func(*task.Task) error) (t task.Task, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("updating task %s panicked: %v", id, p)
		}
	}()
	bounded, cancel := context.WithTimeout(ctx, r.cfg.Heartbeat)
	defer cancel()
	return r.Tasks.Update(bounded, id, change)
}

// discard deletes what an attempt stored that did not succeed. What it cannot delete now, the job's
// sweep does.
func (r *Runtime) discard(ctx context.Context, t task.Task) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Lease)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			r.Log.ErrorContext(ctx, "deleting outputs panicked", slog.String("task_id", t.ID), slog.Any("panic", p))
		}
	}()
	if _, err := blob.DeletePrefix(ctx, r.Blobs, outputPrefix(t)); err != nil {
		r.Log.WarnContext(ctx, "outputs of an unsuccessful attempt not deleted", slog.String("task_id", t.ID), slog.Any("error", err))
	}
}

// reply tells job-service that the attempt ended: a hint, without which it would find out later.
func (r *Runtime) reply(ctx context.Context, t task.Task, rec *fault.Record) {
	data := contract.TaskReply{TaskID: t.ID, Step: t.Step, Attempt: t.Attempt, Fence: t.Fence, Error: rec}
	r.publish(ctx, contract.NewReply(t.Kind, r.source, t.JobID, t.Tenant, data, time.Now()))
}

// publish sends a reply with the trace of ctx, within the time of a heartbeat.
func (r *Runtime) publish(ctx context.Context, env contract.Envelope) {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	env.TraceParent, env.TraceState = carrier["traceparent"], carrier["tracestate"]
	m, err := messaging.Encode(env, messaging.ReplyRoute)
	if err == nil {
		err = r.send(ctx, m)
	}
	if err != nil {
		r.Log.WarnContext(ctx, "reply not published", slog.String("task_id", env.Subject), slog.Any("error", err))
	}
}

func (r *Runtime) send(ctx context.Context, m messaging.Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("publishing panicked: %v", p)
		}
	}()
	bounded, cancel := context.WithTimeout(ctx, r.cfg.Heartbeat)
	defer cancel()
	return r.Publisher.Publish(bounded, m)
}

func noopTracer() trace.Tracer { return noop.NewTracerProvider().Tracer("") }

type nopObserver struct{}

func (nopObserver) AttemptStarted(contract.Kind)                               {}
func (nopObserver) AttemptEnded(contract.Kind, Outcome, string, time.Duration) {}
func (nopObserver) HintDropped(contract.Kind)                                  {}
