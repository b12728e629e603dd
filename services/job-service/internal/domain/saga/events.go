// Package saga decides how a job goes on: one pure reducer, Timing.Decide, takes a job, an event and the time,
// and returns the job as it shall be stored, with the effects that the decision wants in its outbox.
// Requests of users, replies of workers, timers and effects that are done are all events.
//
// Events that report on the world (TasksObserved, EffectDone) are snapshots of what is already stored
// elsewhere, so applying one twice, late or out of order does no harm. Decide does no I/O and reads no
// clock; docs/architecture.md holds its state diagram, which a test compares with Transitions.
package saga

import (
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

// Event is something that happened to a job: one of the types of this package.
type Event interface{ isEvent() }

// SourceStored says that the source is in the bucket, as this object.
type SourceStored struct {
	ETag      string
	SizeBytes int64
	// Subtitles are the subtitle files beside it, as they are stored; nil where there are none.
	Subtitles []job.Sidecar
}

// TasksPlanned says that the tasks of a step are made, and how many they are. A step without any has succeeded.
type TasksPlanned struct {
	Step  string
	Tasks int
}

// TasksObserved tells how the tasks of a running step stand.
type TasksObserved struct {
	Step string
	// Begun says that a worker has claimed at least one of them, at any time.
	Begun bool
	// Succeeded and Failed count tasks that ended; the step has as many as its plan.
	Succeeded int
	Failed    int
	// Failure is the error of a failed task, where Failed is above 0.
	Failure *fault.Record
}

// CancelRequested says that the user wants the job stopped.
type CancelRequested struct{}

// SourceLent announces a retry that reads the source of this job, before it is stored.
type SourceLent struct {
	JobID string
	// Ended are those of the job's readers that were found to read the source no more.
	Ended []job.Reader
}

// DeleteRequested says that the user wants the job and all its objects removed.
type DeleteRequested struct {
	// Ended are those of the job's readers that were found to read its source no more.
	Ended []job.Reader
}

// Erased says that everything of a job that is being deleted is gone but its record.
type Erased struct{}

// EraseFailed says that erasing a job was tried in vain; it is tried again later.
type EraseFailed struct{}

// EffectDone says that an effect of the outbox was executed.
type EffectDone struct{ ID int64 }

// EffectFailed says that an effect was tried in vain; it is tried again later.
type EffectFailed struct{ ID int64 }

// ManifestWritten says that the manifest is stored: everything in it is published.
type ManifestWritten struct{ Key string }

// ManifestRefused says that the outputs are not what the results say, so nothing can be published.
type ManifestRefused struct{ Error fault.Record }

// StepUnplannable says that the tasks of a step cannot be made.
type StepUnplannable struct {
	Step  string
	Error fault.Record
}

// Woken says that time has passed.
type Woken struct{}

func (SourceStored) isEvent()    {}
func (TasksPlanned) isEvent()    {}
func (TasksObserved) isEvent()   {}
func (CancelRequested) isEvent() {}
func (SourceLent) isEvent()      {}
func (DeleteRequested) isEvent() {}
func (Erased) isEvent()          {}
func (EraseFailed) isEvent()     {}
func (EffectDone) isEvent()      {}
func (EffectFailed) isEvent()    {}
func (ManifestWritten) isEvent() {}
func (ManifestRefused) isEvent() {}
func (StepUnplannable) isEvent() {}
func (Woken) isEvent()           {}

// Timing holds the spans that decisions go by. All are above 0.
type Timing struct {
	// UploadWindow is how long a job waits for its source.
	UploadWindow time.Duration
	// CheckInterval is how often a job that waits for workers is looked at although nothing was heard: a
	// lost reply costs no more than this.
	CheckInterval time.Duration
	// SweepDelay is how long after its end a job's outputs are swept once more, for what a worker that did
	// not yet know stored meanwhile. It exceeds a lease and the time until the worker notices.
	SweepDelay time.Duration
	// UploadTTL is how long a signed upload is accepted by the store.
	UploadTTL time.Duration
}

// DefaultTiming returns the spans for production.
func DefaultTiming() Timing {
	return Timing{UploadWindow: 24 * time.Hour, CheckInterval: 15 * time.Second, SweepDelay: 90 * time.Second, UploadTTL: 15 * time.Minute}
}

// ForgetAt returns when the prefix of an erased job is emptied for the last time and its record deleted: when neither
// a worker that did not yet know of the end nor an upload that was signed can store anything any more. The last
// upload was signed while the job still waited for it.
func (t Timing) ForgetAt(j job.Job) time.Time {
	last := j.ErasedAt
	if expired := j.AwaitedUntil().Add(t.UploadTTL); expired.After(last) {
		last = expired
	}
	return last.Add(t.SweepDelay)
}

// Transition is an edge of the state diagram.
type Transition struct{ From, To job.State }

// Transitions returns every change of a job's state that Decide makes.
func Transitions() []Transition {
	return []Transition{
		{job.AwaitingUpload, job.Queued},
		{job.AwaitingUpload, job.Failed},
		{job.AwaitingUpload, job.Cancelled},
		{job.Queued, job.Processing},
		{job.Queued, job.Compensating},
		{job.Processing, job.Compensating},
		{job.Processing, job.Completed},
		{job.Compensating, job.Failed},
		{job.Compensating, job.Cancelled},
	}
}

// StepTransition is an edge of a step's state diagram.
type StepTransition struct{ From, To job.StepState }

// StepTransitions returns every change of a step's state that Decide makes.
func StepTransitions() []StepTransition {
	return []StepTransition{
		{job.StepWaiting, job.StepRunning},
		{job.StepWaiting, job.StepSkipped},
		{job.StepWaiting, job.StepCancelled},
		{job.StepRunning, job.StepSucceeded},
		{job.StepRunning, job.StepFailed},
		{job.StepRunning, job.StepCancelled},
	}
}
