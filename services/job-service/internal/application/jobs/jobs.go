// Package jobs holds what users do with jobs: create, complete the upload, look, cancel, retry, delete,
// and fetch files. A request only saves state; everything that follows from it the orchestrator does, so
// requests are answered while the broker is down. The tenant is always the caller's own: another
// tenant's job does not exist here.
package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/ident"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/application/preview"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

// Orchestrator decides and moves on.
type Orchestrator interface {
	// Apply lets the saga decide on events and saves the job.
	Apply(ctx context.Context, jobID string, events ...saga.Event) (job.Job, error)
	// Wake makes the job be advanced soon.
	Wake(jobID string)
}

// Eraser deletes what a job stored.
type Eraser interface {
	// Erase deletes the objects and tasks of a job and returns the keys deleted.
	Erase(ctx context.Context, j job.Job) ([]string, error)
}

// Config holds the settings; zero values mean the defaults.
type Config struct {
	Timing saga.Timing
	// DownloadTTL is how long a presigned download is valid; 15 minutes where 0.
	DownloadTTL time.Duration
	// MaxSourceBytes is the largest source; 5 GiB, the most that S3 takes in one PUT, where 0.
	MaxSourceBytes int64
}

// Deps are what the use cases work with.
type Deps struct {
	Jobs         job.Repository
	Tasks        task.Repository
	Blobs        blob.Store
	Presigner    blob.Presigner
	Orchestrator Orchestrator
	Eraser       Eraser
}

// Service holds the use cases. It may be used concurrently.
type Service struct {
	Deps
	cfg       Config
	preview   *preview.Preview
	manifests *shelf
}

// New returns the use cases over deps.
func New(deps Deps, cfg Config) *Service {
	if cfg.Timing == (saga.Timing{}) {
		cfg.Timing = saga.DefaultTiming()
	}
	if cfg.DownloadTTL <= 0 {
		cfg.DownloadTTL = 15 * time.Minute
	}
	if cfg.MaxSourceBytes <= 0 {
		cfg.MaxSourceBytes = 5 << 30
	}
	return &Service{Deps: deps, cfg: cfg, preview: preview.New(deps.Tasks), manifests: newShelf(maxShelved)}
}

// CreateRequest asks for a new job whose source will be uploaded.
type CreateRequest struct {
	// Pipeline names a built-in pipeline; Steps, where not empty, are an inline one instead.
	Pipeline string            `json:"pipeline,omitempty"`
	Steps    []pipeline.Step   `json:"steps,omitempty"`
	MediaID  string            `json:"media_id,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	// Priority is 0 high, 1 normal, 2 low.
	Priority int `json:"priority"`
	// Timeout bounds the time from creation to the end; 0 means no bound.
	Timeout time.Duration `json:"timeout_ns,omitempty"`
	// FileName, ContentType and SizeBytes describe the source as far as the client knows it.
	FileName    string `json:"file_name,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	SizeBytes   int64  `json:"size_bytes,omitempty"`
	// Subtitles are files that will be uploaded beside it.
	Subtitles []SubtitleFile `json:"subtitles,omitempty"`
}

// Created is the answer to a CreateRequest.
type Created struct {
	Job job.Job
	// Upload is where the source is to be put; nil where the job does not wait for it any more. Subtitles are
	// where the subtitle files are to be put, in the order of the request.
	Upload    *blob.Signed
	Subtitles []blob.Signed
	// Replayed says that the job was made by an earlier request with the same idempotency key.
	Replayed bool
}

// Create makes a job. With an idempotency key the same request always gives the same job, however often
// and concurrently it is made; another request under the key is a fault of code idempotency_conflict.
// Other faults: pipeline_unknown, *pipeline.Invalid, source_too_large (a *FieldFault).
func (s *Service) Create(ctx context.Context, tenant, idempotencyKey string, trace map[string]string, r CreateRequest) (Created, error) {
	p, err := s.pipeline(r)
	if err != nil {
		return Created{}, err
	}
	if r.SizeBytes > s.cfg.MaxSourceBytes {
		return Created{}, &FieldFault{"source.size_bytes", fault.New(fault.CodeSourceTooLarge, "the source has %d bytes, more than %d", r.SizeBytes, s.cfg.MaxSourceBytes)}
	}
	if err := checkSubtitles(r.Subtitles); err != nil {
		return Created{}, err
	}
	id, hash := ident.New(), hashOf(r)
	if idempotencyKey != "" {
		id = ident.Derive("job", tenant, idempotencyKey)
	}
	j := s.cfg.Timing.Create(saga.Request{ID: id, Tenant: tenant, MediaID: r.MediaID, Metadata: r.Metadata, Pipeline: p,
		Priority: r.Priority, RequestHash: hash, Timeout: r.Timeout, Trace: trace,
		Source: job.Source{Key: job.SourceKey(tenant, id), ContentType: r.ContentType, FileName: r.FileName, DeclaredBytes: r.SizeBytes,
			Subtitles: sidecars(job.Prefix(tenant, id), r.Subtitles)},
	}, time.Now())
	created, err := s.insert(ctx, j, idempotencyKey != "")
	if err != nil {
		return Created{}, err
	}
	if created.Job.State == job.AwaitingUpload {
		if err := s.signUploads(ctx, &created); err != nil {
			return Created{}, err
		}
	}
	return created, faultinject.Point(ctx, "api.before_response")
}

// insert stores a new job, or finds the one that the same request made before.
func (s *Service) insert(ctx context.Context, j job.Job, idempotent bool) (Created, error) {
	err := s.Jobs.Insert(ctx, j)
	if err == nil {
		if err := faultinject.Point(ctx, "api.after_insert"); err != nil {
			return Created{}, err
		}
		s.Orchestrator.Wake(j.ID)
		return Created{Job: j}, nil
	}
	if !idempotent || !errors.Is(err, job.ErrExists) {
		return Created{}, fmt.Errorf("store job %s: %w", j.ID, err)
	}
	created, err := s.replay(ctx, j.Tenant, j.ID, j.RequestHash)
	if errors.Is(err, job.ErrNotFound) {
		err = fault.Wrap(fault.CodeConcurrentChange, err, "the job of the idempotency key was deleted at the same time")
	}
	return created, err
}

// replay finds the job that the request of this digest made before under an idempotency key, which gave it its id.
// It returns job.ErrNotFound where there is none, and a fault of code idempotency_conflict for another request's.
func (s *Service) replay(ctx context.Context, tenant, id, hash string) (Created, error) {
	before, err := s.Jobs.Get(ctx, tenant, id)
	switch {
	case err != nil:
		return Created{}, fmt.Errorf("find the job of the idempotency key: %w", err)
	case !before.DeletingAt.IsZero():
		return Created{}, fault.New(fault.CodeIdempotencyConflict, "the key made job %s, which was deleted", before.ID)
	case before.RequestHash != hash:
		return Created{}, fault.New(fault.CodeIdempotencyConflict, "the key made job %s from another request", before.ID)
	}
	return Created{Job: before, Replayed: true}, nil
}

func (s *Service) pipeline(r CreateRequest) (pipeline.Pipeline, error) {
	if len(r.Steps) > 0 {
		return pipeline.New(pipeline.Inline, 1, r.Steps)
	}
	return pipeline.Builtin(r.Pipeline)
}

// hashOf returns a digest of what the request asks for.
func hashOf(r any) string {
	b, err := json.Marshal(r)
	if err != nil {
		panic("jobs: " + err.Error()) // requests are plain data
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Cancel stops a job. It answers before everything is undone: the job is compensating, then cancelled.
// Cancelling again is no error. Faults: job_not_found, already_completed, already_terminal (failed).
func (s *Service) Cancel(ctx context.Context, tenant, id string) (job.Job, error) {
	if _, err := s.get(ctx, tenant, id); err != nil {
		return job.Job{}, err
	}
	j, err := s.Orchestrator.Apply(ctx, id, saga.CancelRequested{})
	if err != nil {
		return j, notFound(err)
	}
	if err := faultinject.Point(ctx, "cancel.after_flag"); err != nil {
		return j, err
	}
	s.Orchestrator.Wake(id)
	return j, nil
}

// get returns the tenant's job, or a fault of code job_not_found also for one that is being deleted.
func (s *Service) get(ctx context.Context, tenant, id string) (job.Job, error) {
	j, err := s.find(ctx, tenant, id)
	if err == nil && !j.DeletingAt.IsZero() {
		return job.Job{}, notFound(job.ErrNotFound)
	}
	return j, err
}

// find returns the tenant's job in whatever state. What has not the form of an id is nobody's job: the
// store, which could not hold all texts as ids, is not asked.
func (s *Service) find(ctx context.Context, tenant, id string) (job.Job, error) {
	if !ident.Valid(id) {
		return job.Job{}, notFound(job.ErrNotFound)
	}
	j, err := s.Jobs.Get(ctx, tenant, id)
	return j, notFound(err)
}

func notFound(err error) error {
	if errors.Is(err, job.ErrNotFound) {
		return fault.New(fault.CodeJobNotFound, "")
	}
	return err
}
