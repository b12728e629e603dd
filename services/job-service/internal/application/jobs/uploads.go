package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

// signUploads adds the requests that upload the source and the subtitle files of a new job.
func (s *Service) signUploads(ctx context.Context, c *Created) error {
	src := c.Job.Source
	up, err := s.Presigner.PresignPut(ctx, blob.Upload{Key: src.Key, ContentType: src.ContentType, SizeBytes: src.DeclaredBytes}, s.cfg.Timing.UploadTTL)
	if err != nil {
		return fmt.Errorf("presign the upload of job %s: %w", c.Job.ID, err)
	}
	c.Upload = &up
	for _, f := range src.Subtitles {
		up, err := s.Presigner.PresignPut(ctx, blob.Upload{Key: f.Key, SizeBytes: f.DeclaredBytes}, s.cfg.Timing.UploadTTL)
		if err != nil {
			return fmt.Errorf("presign the upload of a subtitle file of job %s: %w", c.Job.ID, err)
		}
		c.Subtitles = append(c.Subtitles, up)
	}
	return nil
}

// CompleteUpload says that the source and its subtitle files are uploaded: the objects are pinned and the job
// starts. Saying it again is no error. Faults: job_not_found, upload_missing, source_truncated (another
// length than was declared; it can be uploaded again), source_too_large, upload_not_expected (the job
// started with another source, or has ended).
func (s *Service) CompleteUpload(ctx context.Context, tenant, id string) (job.Job, error) {
	j, err := s.get(ctx, tenant, id)
	if err != nil {
		return j, err
	}
	var stored saga.SourceStored
	if j.State == job.AwaitingUpload {
		stored, err = s.pin(ctx, j)
	} else {
		stored, err = s.pinned(ctx, j)
	}
	if err != nil {
		return j, err
	}
	j, err = s.Orchestrator.Apply(ctx, id, stored)
	if err != nil {
		return j, notFound(err)
	}
	s.Orchestrator.Wake(id)
	return j, nil
}

// pin returns what was uploaded for a job that waits for it.
func (s *Service) pin(ctx context.Context, j job.Job) (saga.SourceStored, error) {
	head, err := s.Blobs.Head(ctx, j.Source.Key)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return saga.SourceStored{}, fault.New(fault.CodeUploadMissing, "")
	case err != nil:
		return saga.SourceStored{}, fmt.Errorf("check the source of job %s: %w", j.ID, err)
	case j.Source.DeclaredBytes > 0 && head.SizeBytes != j.Source.DeclaredBytes:
		return saga.SourceStored{}, fault.New(fault.CodeSourceTruncated, "the upload has %d bytes, %d were declared; upload it again", head.SizeBytes, j.Source.DeclaredBytes)
	case head.SizeBytes > s.cfg.MaxSourceBytes:
		return saga.SourceStored{}, fault.New(fault.CodeSourceTooLarge, "the source has %d bytes, more than %d", head.SizeBytes, s.cfg.MaxSourceBytes)
	}
	subtitles, err := s.pinSubtitles(ctx, j)
	return saga.SourceStored{ETag: head.ETag, SizeBytes: head.SizeBytes, Subtitles: subtitles}, err
}

// pinned returns the source of a job that does not wait for it any more, as it is stored now. Fault:
// upload_not_expected where it is not, or was never uploaded, whatever lies there.
func (s *Service) pinned(ctx context.Context, j job.Job) (saga.SourceStored, error) {
	if j.Source.ETag == "" {
		return saga.SourceStored{}, j.RefuseUpload()
	}
	head, err := s.Blobs.Head(ctx, j.Source.Key)
	if errors.Is(err, blob.ErrNotFound) {
		return saga.SourceStored{}, j.RefuseUpload()
	}
	if err != nil {
		return saga.SourceStored{}, fmt.Errorf("check the source of job %s: %w", j.ID, err)
	}
	return saga.SourceStored{ETag: head.ETag, SizeBytes: head.SizeBytes}, nil
}
