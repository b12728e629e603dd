package saga

import (
	"time"

	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
)

// Request is what a new job is made of. Pipeline is valid; ID and Tenant are not empty.
type Request struct {
	ID          string
	Tenant      string
	MediaID     string
	Metadata    map[string]string
	Pipeline    pipeline.Pipeline
	Priority    int
	Source      job.Source
	RequestHash string
	RetryOf     string
	// Timeout bounds the time from creation to the end; 0 means that there is no bound.
	Timeout time.Duration
	Trace   map[string]string
}

// Create returns the new job of a request: awaiting its upload, or queued where the source is pinned
// already (a retry).
func (t Timing) Create(r Request, now time.Time) job.Job {
	d := decision{now: now, timing: t, Job: job.Job{
		ID: r.ID, Tenant: r.Tenant, MediaID: r.MediaID, Metadata: r.Metadata, Pipeline: r.Pipeline, Priority: r.Priority,
		Source: r.Source, RequestHash: r.RequestHash, RetryOf: r.RetryOf, Trace: r.Trace,
		Steps: make(map[string]job.Step, len(r.Pipeline.Steps)), CreatedAt: now,
	}}
	for _, s := range r.Pipeline.Steps {
		d.Steps[s.Name] = job.Step{State: job.StepWaiting}
	}
	if r.Timeout > 0 {
		d.Deadline = now.Add(r.Timeout)
	}
	d.enter(job.AwaitingUpload)
	if r.Source.ETag != "" {
		d.begin()
	} else {
		d.UploadBy = now.Add(t.UploadWindow)
	}
	d.NextWakeup = d.wakeup()
	return d.Job
}
