package saga

import (
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
)

// abandon begins to undo the job on its way to target.
func (d *decision) abandon(target job.State, rec *fault.Record) {
	d.Error = rec
	for name, s := range d.Steps {
		if !s.State.Terminal() {
			s.State, s.FinishedAt = job.StepCancelled, d.now
			d.Steps[name] = s
		}
	}
	if d.State == job.AwaitingUpload {
		d.enter(target)
		return
	}
	d.Target, d.Publishing = target, false
	// What was wanted for the way forward is superseded, but outsiders are still told what happened.
	d.Outbox = slices.DeleteFunc(d.Outbox, func(f job.Effect) bool { return f.Kind != job.PublishEvent })
	d.enter(job.Compensating)
	d.want(job.Effect{Kind: job.CancelTasks})
	d.want(job.Effect{Kind: job.DeleteOutputs})
}

// giveUp stops what is made for an optional step that has failed: its own tasks, and the steps that make other
// parts of the same thing, which nobody can use any more.
func (d *decision) giveUp(failed pipeline.Step) {
	d.want(job.Effect{Kind: job.CancelTasks, Step: failed.Name})
	for _, p := range d.Pipeline.Steps {
		s := d.Steps[p.Name]
		if s.State != job.StepRunning || p.Folder == "" || p.Folder != failed.Folder {
			continue
		}
		d.planned(p.Name)
		d.want(job.Effect{Kind: job.CancelTasks, Step: p.Name})
		s.State, s.FinishedAt = job.StepCancelled, d.now
		d.Steps[p.Name] = s
	}
}

// settleCompensation ends a job that has been undone, and plans the last sweep.
func (d *decision) settleCompensation() {
	undoing := func(f job.Effect) bool { return f.Kind == job.CancelTasks || f.Kind == job.DeleteOutputs }
	if d.State != job.Compensating || slices.ContainsFunc(d.Outbox, undoing) {
		return
	}
	d.enter(d.Target)
	d.sweepLater()
}

// sweepLater plans to cancel and delete once more what came late.
func (d *decision) sweepLater() {
	after := d.now.Add(d.timing.SweepDelay)
	d.want(job.Effect{Kind: job.CancelTasks, After: after})
	d.want(job.Effect{Kind: job.DeleteOutputs, After: after})
}

func (d *decision) cancelRequested() error {
	switch {
	case d.State == job.Completed || d.Publishing:
		return fault.New(fault.CodeAlreadyCompleted, "")
	case d.State == job.Failed:
		return fault.New(fault.CodeAlreadyTerminal, "the job has failed")
	case d.State == job.Cancelled || d.State == job.Compensating:
		return nil // it is being undone, or is undone, already
	}
	rec := fault.RecordOf(fault.New(fault.CodeCancelled, "the job was cancelled on request"))
	d.abandon(job.Cancelled, &rec)
	return nil
}

// deleteRequested begins a deletion. It is refused while a retry reads the source, or may be about to: only readers
// that the event names are known to have ended.
func (d *decision) deleteRequested(e DeleteRequested) error {
	if !d.State.Terminal() {
		return fault.New(fault.CodeNotTerminal, "the job is %s", d.State)
	}
	if !d.DeletingAt.IsZero() {
		return nil
	}
	d.release(e.Ended)
	if len(d.Readers) > 0 {
		return fault.New(fault.CodeSourceInUse, "job %s, a retry of this one, still reads its source", d.Readers[0].JobID)
	}
	d.DeletingAt = d.now
	return nil
}

// sourceLent notes a retry before it is stored, so that a deletion either sees it or is seen by it.
func (d *decision) sourceLent(e SourceLent) error {
	if !d.DeletingAt.IsZero() {
		return fault.New(fault.CodeSourceGone, "job %s, which the source was uploaded for, is being deleted", d.ID)
	}
	d.release(e.Ended)
	d.Readers = slices.DeleteFunc(d.Readers, func(r job.Reader) bool { return r.JobID == e.JobID }) // announced again
	if len(d.Readers) >= job.MaxReaders {
		return fault.New(fault.CodeSourceInUse, "%d retries read the source already, job %s among them", len(d.Readers), d.Readers[0].JobID)
	}
	d.Readers = append(d.Readers, job.Reader{JobID: e.JobID, Since: d.now})
	return nil
}

// release forgets readers that have ended.
func (d *decision) release(ended []job.Reader) {
	d.Readers = slices.DeleteFunc(d.Readers, func(r job.Reader) bool { return slices.ContainsFunc(ended, r.Is) })
}

// eraseAt returns when a job that is being deleted must be looked at again.
func (d *decision) eraseAt() time.Time {
	at := d.now.Add(d.timing.CheckInterval)
	if !d.ErasedAt.IsZero() {
		at = d.timing.ForgetAt(d.Job)
	}
	if d.EraseAfter.After(at) || d.ErasedAt.IsZero() && !d.EraseAfter.IsZero() {
		return d.EraseAfter
	}
	return at
}
