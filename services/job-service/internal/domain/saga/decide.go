package saga

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

// Decide returns the job after the event. The given job is not changed. Errors are for events that a user
// caused and that the job's state refuses (class Conflict); reports that come too late or twice change
// nothing and are no errors. The result equals the given job where nothing changed, but for NextWakeup.
func (t Timing) Decide(j job.Job, e Event, now time.Time) (job.Job, error) {
	d := decision{Job: clone(j), now: now, timing: t}
	var err error
	switch e := e.(type) {
	case SourceStored:
		err = d.sourceStored(e)
	case TasksPlanned:
		d.tasksPlanned(e)
	case TasksObserved:
		d.tasksObserved(e)
	case CancelRequested:
		err = d.cancelRequested()
	case Erased:
		if !d.DeletingAt.IsZero() && d.ErasedAt.IsZero() {
			d.ErasedAt, d.EraseAfter, d.EraseTries = now, time.Time{}, 0
		}
	case EraseFailed:
		if !d.DeletingAt.IsZero() {
			d.EraseAfter = job.Retry(now, d.EraseTries)
			d.EraseTries++
		}
	case DeleteRequested:
		err = d.deleteRequested(e)
	case SourceLent:
		err = d.sourceLent(e)
	case EffectDone:
		d.Outbox = slices.DeleteFunc(d.Outbox, func(f job.Effect) bool { return f.ID == e.ID })
	case EffectFailed:
		d.effectFailed(e)
	case ManifestWritten:
		d.manifestWritten(e)
	case ManifestRefused:
		if d.State == job.Processing && d.Publishing {
			d.abandon(job.Failed, &e.Error)
		}
	case StepUnplannable:
		d.stepUnplannable(e)
	case Woken:
		d.timeouts()
	default:
		return j, fmt.Errorf("saga event of unknown type %T", e)
	}
	if err != nil {
		return j, err
	}
	d.settleCompensation()
	d.NextWakeup = d.wakeup()
	return d.Job, nil
}

// decision is a job that is being changed. Its methods are the rules; each leaves a legal job.
type decision struct {
	job.Job
	now    time.Time
	timing Timing
}

func clone(j job.Job) job.Job {
	j.Steps = maps.Clone(j.Steps)
	j.Outbox = slices.Clone(j.Outbox)
	j.Warnings = slices.Clone(j.Warnings)
	j.Readers = slices.Clone(j.Readers)
	return j
}

// enter changes the job's state, numbers the change and tells outsiders.
func (d *decision) enter(s job.State) {
	d.State = s
	d.Sequence++
	d.want(job.Effect{Kind: job.PublishEvent, State: s, Sequence: d.Sequence})
	if s.Terminal() {
		d.FinishedAt = d.now
	}
}

// want puts an effect into the outbox.
func (d *decision) want(e job.Effect) {
	d.LastEffect++
	e.ID = d.LastEffect
	d.Outbox = append(d.Outbox, e)
}

func (d *decision) sourceStored(e SourceStored) error {
	if d.State != job.AwaitingUpload {
		if d.Source.ETag == e.ETag && d.Source.SizeBytes == e.SizeBytes {
			return nil // said again
		}
		return d.RefuseUpload()
	}
	d.Source.ETag, d.Source.SizeBytes = e.ETag, e.SizeBytes
	if e.Subtitles != nil {
		d.Source.Subtitles = e.Subtitles
	}
	d.begin()
	return nil
}

// begin starts the job: its source is there.
func (d *decision) begin() {
	d.QueuedAt = d.now
	d.enter(job.Queued)
	d.startSteps()
}

// startSteps starts every step whose needs are met, skips those whose needs cannot be met any more, and
// begins to publish when no step is left.
func (d *decision) startSteps() {
	for _, p := range d.Pipeline.Steps { // in order of need, so one pass sees all consequences
		s := d.Steps[p.Name]
		if s.State != job.StepWaiting {
			continue
		}
		met, lost := true, false
		for _, n := range p.Needs {
			need := d.Steps[n].State
			met = met && need == job.StepSucceeded
			lost = lost || need.Terminal() && need != job.StepSucceeded
		}
		switch {
		case lost:
			s.State, s.FinishedAt = job.StepSkipped, d.now
			d.Warnings = append(d.Warnings, contract.Note{Code: "step_skipped", Detail: p.Name})
		case met:
			s.State, s.StartedAt = job.StepRunning, d.now
			d.want(job.Effect{Kind: job.EnsureTasks, Step: p.Name})
		}
		d.Steps[p.Name] = s
	}
	for _, s := range d.Steps {
		if !s.State.Terminal() {
			return
		}
	}
	d.Publishing, d.PublishAt = true, d.now
	d.want(job.Effect{Kind: job.PublishManifest})
}

// active reports whether the job's steps may still move.
func (d *decision) active() bool {
	return (d.State == job.Queued || d.State == job.Processing) && !d.Publishing
}

// running returns a step that may move: its job is active and it has begun and not ended.
func (d *decision) running(name string) (s job.Step, ok bool) {
	s, ok = d.Steps[name]
	return s, ok && s.State == job.StepRunning && d.active()
}

func (d *decision) tasksPlanned(e TasksPlanned) {
	d.planned(e.Step)
	s, ok := d.running(e.Step)
	if !ok || s.Tasks > 0 { // a plan does not change
		return
	}
	s.Tasks = e.Tasks
	d.Steps[e.Step] = s
	if e.Tasks == 0 { // there is nothing to be done, so it is done
		d.begun()
		d.stepSucceeded(e.Step)
	}
}

// planned takes the wish for a step's tasks out of the outbox, also when the step has ended meanwhile: its
// tasks may have been made and failed before anybody said that they were made.
func (d *decision) planned(step string) {
	d.Outbox = slices.DeleteFunc(d.Outbox, func(f job.Effect) bool { return f.Kind == job.EnsureTasks && f.Step == step })
}

// begun notes that work on the job has begun.
func (d *decision) begun() {
	if d.State == job.Queued {
		d.StartedAt = d.now
		d.enter(job.Processing)
	}
}

func (d *decision) tasksObserved(e TasksObserved) {
	s, ok := d.running(e.Step)
	if !ok {
		return
	}
	if e.Begun || e.Succeeded > 0 || e.Failed > 0 {
		d.begun()
	}
	switch {
	case e.Failed > 0:
		d.stepFailed(e.Step, e.Failure)
	case s.Tasks > 0 && e.Succeeded >= s.Tasks:
		d.stepSucceeded(e.Step)
	}
}

// stepSucceeded ends a running step and starts what waited for it.
func (d *decision) stepSucceeded(name string) {
	s := d.Steps[name]
	s.State, s.FinishedAt = job.StepSucceeded, d.now
	d.Steps[name] = s
	d.startSteps()
}

func (d *decision) stepUnplannable(e StepUnplannable) {
	d.planned(e.Step)
	if _, ok := d.running(e.Step); ok {
		d.begun()
		d.stepFailed(e.Step, &e.Error)
	}
}

// stepFailed fails a running step, and the job with it unless the step is optional.
func (d *decision) stepFailed(name string, rec *fault.Record) {
	if rec == nil {
		r := fault.RecordOf(fault.New(fault.CodeInternal, "a task of step %s failed without a reason", name))
		rec = &r
	}
	d.planned(name)
	s := d.Steps[name]
	s.State, s.FinishedAt, s.Error = job.StepFailed, d.now, rec
	d.Steps[name] = s
	if p, _ := d.Pipeline.Step(name); p.Optional {
		d.Warnings = append(d.Warnings, contract.Note{Code: "optional_step_failed", Detail: name + ": " + rec.Detail})
		d.giveUp(p)
		d.startSteps()
		return
	}
	d.abandon(job.Failed, rec)
}

// effectFailed puts an effect off.
func (d *decision) effectFailed(e EffectFailed) {
	for i := range d.Outbox {
		if f := &d.Outbox[i]; f.ID == e.ID {
			f.After = job.Retry(d.now, f.Tries)
			f.Tries++
		}
	}
}

func (d *decision) manifestWritten(e ManifestWritten) {
	if d.State != job.Processing || !d.Publishing {
		return
	}
	d.ManifestKey, d.Publishing = e.Key, false
	d.Outbox = slices.DeleteFunc(d.Outbox, func(f job.Effect) bool { return f.Kind == job.PublishManifest })
	d.enter(job.Completed)
	d.sweepLater()
}

func (d *decision) timeouts() {
	switch {
	case d.State == job.AwaitingUpload && !d.now.Before(d.UploadBy):
		rec := fault.RecordOf(fault.New(fault.CodeUploadExpired, "no source came within %v", d.timing.UploadWindow))
		d.abandon(job.Failed, &rec)
	case (d.active() || d.State == job.AwaitingUpload) && !d.Deadline.IsZero() && !d.now.Before(d.Deadline):
		rec := fault.RecordOf(fault.New(fault.CodeDeadlineExceeded, ""))
		d.abandon(job.Failed, &rec)
	}
}

// wakeup returns when the job must be looked at again: every job that is not terminal has such a time,
// and so has every job with something in its outbox.
func (d *decision) wakeup() time.Time {
	if !d.DeletingAt.IsZero() {
		return d.eraseAt()
	}
	var at time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, f := range d.Outbox {
		if f.Due(d.now) {
			return d.now
		}
		earlier(f.After)
	}
	switch d.State {
	case job.AwaitingUpload:
		earlier(d.UploadBy)
		earlier(d.Deadline)
	case job.Queued, job.Processing:
		if !d.Publishing { // the manifest may be written already, so the deadline has no say any more
			earlier(d.Deadline)
		}
		earlier(d.now.Add(d.timing.CheckInterval))
	case job.Compensating:
		earlier(d.now.Add(d.timing.CheckInterval))
	}
	return at
}
