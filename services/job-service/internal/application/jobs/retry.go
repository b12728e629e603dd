package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/ident"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

// Retry makes a new job from the pipeline, the time allowed and the stored source of one that failed or was
// cancelled. An idempotency key works as in Create, also once the job that was retried is deleted. Until the new job
// has ended, the job that the source was uploaded for cannot be deleted. Faults: job_not_found, not_terminal,
// already_completed, source_gone, source_in_use (by too many retries at a time).
func (s *Service) Retry(ctx context.Context, tenant, id, idempotencyKey string, trace map[string]string) (Created, error) {
	next, hash := ident.New(), hashOf("retry "+id)
	if idempotencyKey != "" {
		next = ident.Derive("job", tenant, idempotencyKey)
		if c, err := s.replay(ctx, tenant, next, hash); !errors.Is(err, job.ErrNotFound) {
			return c, err
		}
	}
	old, err := s.retriable(ctx, tenant, id)
	if err != nil {
		return Created{}, err
	}
	r := saga.Request{ID: next, Tenant: tenant, MediaID: old.MediaID, Metadata: old.Metadata,
		Pipeline: old.Pipeline, Priority: old.Priority, Source: old.Source, RequestHash: hash, RetryOf: id, Trace: trace}
	if !old.Deadline.IsZero() {
		r.Timeout = old.Deadline.Sub(old.CreatedAt)
	}
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	if err := s.lend(ctx, old, next); err != nil {
		return Created{}, err
	}
	return s.insert(ctx, s.cfg.Timing.Create(r, time.Now()), idempotencyKey != "")
}

// retriable returns the job if it can be retried: it has ended without success, and what was uploaded for it is still
// stored.
func (s *Service) retriable(ctx context.Context, tenant, id string) (job.Job, error) {
	old, err := s.get(ctx, tenant, id)
	switch {
	case err != nil:
		return old, err
	case old.State == job.Completed:
		return old, fault.New(fault.CodeAlreadyCompleted, "there is nothing to retry")
	case !old.State.Terminal():
		return old, fault.New(fault.CodeNotTerminal, "the job is %s", old.State)
	case old.Source.ETag == "":
		return old, fault.New(fault.CodeSourceGone, "the source was never uploaded")
	}
	head, err := s.Blobs.Head(ctx, old.Source.Key)
	if errors.Is(err, blob.ErrNotFound) || err == nil && head.ETag != old.Source.ETag {
		return old, fault.New(fault.CodeSourceGone, "")
	}
	if err != nil {
		return old, fmt.Errorf("check the source of job %s: %w", id, err)
	}
	return old, s.subtitlesKept(ctx, old)
}

// storeWithin is how long after its announcement a retry is stored at the latest, announcedFor for how long one that is
// not there counts as on its way. What is between them is for clocks that differ, and a write that the database
// carries out after the call was given up.
const (
	storeWithin  = 20 * time.Second
	announcedFor = time.Minute
)

// lend announces a retry at the job that owns the source of its predecessor. The announcement comes first and is
// a compare-and-swap: a deletion that is decided before it is seen here, one that is decided later sees the retry.
func (s *Service) lend(ctx context.Context, old job.Job, retry string) error {
	owner, err := s.Jobs.Get(ctx, old.Tenant, old.Source.Owner())
	if err == nil {
		var ended []job.Reader
		if ended, err = s.endedReaders(ctx, owner); err == nil {
			_, err = s.Orchestrator.Apply(ctx, owner.ID, saga.SourceLent{JobID: retry, Ended: ended})
		}
	}
	if errors.Is(err, job.ErrNotFound) {
		return fault.Wrap(fault.CodeSourceGone, err, "the job that the source was uploaded for was deleted")
	}
	return err
}

// endedReaders returns those of the job's readers that do not read its source any more, or never came to.
func (s *Service) endedReaders(ctx context.Context, j job.Job) ([]job.Reader, error) {
	var ended []job.Reader
	for _, r := range j.Readers {
		retry, err := s.Jobs.Get(ctx, j.Tenant, r.JobID)
		switch {
		case errors.Is(err, job.ErrNotFound):
			if time.Since(r.Since) > announcedFor {
				ended = append(ended, r)
			}
		case err != nil:
			return nil, fmt.Errorf("find job %s, which reads the source of job %s: %w", r.JobID, j.ID, err)
		case retry.State.Terminal() || retry.Source.Key != j.Source.Key: // another job may have the id
			ended = append(ended, r)
		}
	}
	return ended, nil
}
