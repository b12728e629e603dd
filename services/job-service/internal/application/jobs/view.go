package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/application/effects"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

// View is a job with the tasks that carry it.
type View struct {
	Job job.Job
	// Tasks are ordered by step and index; empty in listings.
	Tasks []task.Task
}

// Progress returns how much of the job is done, in thousandths: 1000 exactly when it is completed.
func (v View) Progress() int {
	if v.Job.State == job.Completed {
		return 1000
	}
	steps := len(v.Job.Pipeline.Steps)
	sum := 0
	for _, p := range v.Job.Pipeline.Steps {
		sum += v.StepProgress(p.Name)
	}
	return min(sum/max(steps, 1), 990)
}

// StepProgress returns how much of a step is done, in thousandths: all of one that succeeded or was
// skipped, what the tasks tell of any other. Without tasks only ended steps count.
func (v View) StepProgress(step string) int {
	s := v.Job.Steps[step]
	if s.State == job.StepSucceeded || s.State == job.StepSkipped {
		return 1000
	}
	sum := 0
	for _, t := range v.Tasks {
		if t.Step == step {
			sum += t.Progress
		}
	}
	return min(sum/max(s.Tasks, 1), 990)
}

// Get returns the tenant's job with its tasks. Fault: job_not_found.
func (s *Service) Get(ctx context.Context, tenant, id string) (View, error) {
	j, err := s.get(ctx, tenant, id)
	if err != nil {
		return View{}, err
	}
	tasks, err := s.Tasks.ByJob(ctx, id, "")
	if err != nil {
		return View{}, fmt.Errorf("find the tasks of job %s: %w", id, err)
	}
	return View{Job: j, Tasks: tasks}, nil
}

// List returns the tenant's jobs, the newest first, and where to go on: next is empty at the end. There
// may be more although fewer than the limit were returned.
func (s *Service) List(ctx context.Context, tenant string, f job.Filter) (list []job.Job, next string, err error) {
	list, next, err = s.Jobs.List(ctx, tenant, f)
	if err != nil {
		return nil, "", fmt.Errorf("list jobs: %w", err)
	}
	return list, next, nil
}

// SignedOutput is an output with a download that is valid for a while.
type SignedOutput struct {
	contract.Output
	Download blob.Signed
}

// Outputs returns what the job published, each with a presigned download. Nothing is published before
// the job is completed. Fault: job_not_found.
func (s *Service) Outputs(ctx context.Context, tenant, id string) ([]SignedOutput, error) {
	m, err := s.manifest(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	outputs := make([]SignedOutput, len(m.Outputs))
	for i, o := range m.Outputs {
		signed, err := s.sign(ctx, o)
		if err != nil {
			return nil, err
		}
		outputs[i] = SignedOutput{Output: o, Download: signed}
	}
	return outputs, nil
}

// File is a published file: either where it can be downloaded, or its content.
type File struct {
	Output contract.Output
	// Download is set for files that are fetched from object storage.
	Download *blob.Signed
	// Content is set for files whose relative references must resolve under files/ (a storyboard's cues).
	Content []byte
}

// maxInlineBytes bounds what is served from memory.
const maxInlineBytes = 4 << 20

// File returns a published file of the job by its path. Faults: job_not_found, file_not_found.
func (s *Service) File(ctx context.Context, tenant, id, path string) (File, error) {
	m, err := s.manifest(ctx, tenant, id)
	if err != nil {
		return File{}, err
	}
	for _, o := range m.Outputs {
		if o.Path != path {
			continue
		}
		if !strings.HasPrefix(o.MediaType, "text/vtt") || o.SizeBytes > maxInlineBytes {
			signed, err := s.sign(ctx, o)
			return File{Output: o, Download: &signed}, err
		}
		content, err := s.read(ctx, o)
		return File{Output: o, Content: content}, err
	}
	return File{}, fault.New(fault.CodeFileNotFound, "")
}

// Manifest returns what a completed job published. Faults: job_not_found, file_not_found before the job
// is completed.
func (s *Service) Manifest(ctx context.Context, tenant, id string) (contract.Manifest, error) {
	m, err := s.manifest(ctx, tenant, id)
	if err == nil && m.Schema == 0 {
		err = fault.New(fault.CodeFileNotFound, "the job has published nothing yet")
	}
	return m, err
}

// manifest returns the job's manifest, the zero Manifest where nothing is published.
func (s *Service) manifest(ctx context.Context, tenant, id string) (contract.Manifest, error) {
	j, err := s.get(ctx, tenant, id)
	if err != nil || j.ManifestKey == "" {
		return contract.Manifest{}, err
	}
	return effects.ReadManifest(ctx, s.Blobs, j.ManifestKey)
}

func (s *Service) sign(ctx context.Context, o contract.Output) (blob.Signed, error) {
	signed, err := s.Presigner.PresignGet(ctx, blob.Download{Key: o.Key}, s.cfg.DownloadTTL)
	if err != nil {
		return blob.Signed{}, fmt.Errorf("presign %s: %w", o.Path, err)
	}
	return signed, nil
}

func (s *Service) read(ctx context.Context, o contract.Output) ([]byte, error) {
	r, _, err := s.Blobs.Get(ctx, o.Key, blob.GetOptions{})
	if errors.Is(err, blob.ErrNotFound) {
		return nil, fault.New(fault.CodeFileNotFound, "")
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Path, err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxInlineBytes))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Path, err)
	}
	return b, nil
}
