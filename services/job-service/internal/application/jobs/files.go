package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/application/effects"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

// SignedOutput is an output with a download that is valid for a while.
type SignedOutput struct {
	contract.Output
	Download blob.Signed
}

// Selection says which outputs are wanted.
type Selection struct {
	// Segments asks for the parts of streams too, which only players need: a film has thousands.
	Segments bool
}

// Outputs returns what the job published, each with a presigned download. Nothing is published before
// the job is completed. Fault: job_not_found.
func (s *Service) Outputs(ctx context.Context, tenant, id string, sel Selection) ([]SignedOutput, error) {
	m, err := s.published(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	outputs := make([]SignedOutput, 0, len(m.manifest.Outputs))
	for _, o := range m.manifest.Outputs {
		if !sel.Segments && (o.Kind == contract.OutputSegment || o.Kind == contract.OutputInit) {
			continue
		}
		signed, err := s.sign(ctx, o)
		if err != nil {
			return nil, err
		}
		outputs = append(outputs, SignedOutput{Output: o, Download: signed})
	}
	return outputs, nil
}

// File is a file of a job: either where it can be downloaded, or its content.
type File struct {
	Output contract.Output
	// Provisional says that the job is not completed: what the file is may change, or be gone.
	Provisional bool
	// Download is set for files that are fetched from object storage.
	Download *blob.Signed
	// Content is set for files whose relative references must resolve under files/: playlists and manifests
	// of streams, the cues of a storyboard.
	Content []byte
}

// maxInlineBytes bounds what is served from memory. The playlist of a film of twelve hours has 10 800 segments of four
// seconds, at some 50 bytes each; a DASH manifest may list them for every rung.
const maxInlineBytes = 16 << 20

// File returns a file of the job by its path: a published one, or before the job is completed what can be watched
// of its films already (package preview). Faults: job_not_found, file_not_found.
func (s *Service) File(ctx context.Context, tenant, id, path string) (File, error) {
	j, err := s.get(ctx, tenant, id)
	if err != nil {
		return File{}, err
	}
	if j.ManifestKey == "" {
		return s.provisional(ctx, j, path)
	}
	m, err := s.manifest(ctx, j)
	if err != nil {
		return File{}, err
	}
	o, ok := m.output(path)
	if !ok {
		return File{}, fault.New(fault.CodeFileNotFound, "")
	}
	if !refers(o.MediaType) || o.SizeBytes > maxInlineBytes {
		signed, err := s.sign(ctx, o)
		return File{Output: o, Download: &signed}, err
	}
	content, err := s.read(ctx, o)
	return File{Output: o, Content: content}, err
}

// Stored returns what object storage tells of the object behind a file that has a Download. Fault: file_not_found
// where it is gone.
func (s *Service) Stored(ctx context.Context, f File) (blob.Object, error) {
	o, err := s.Blobs.Head(ctx, f.Output.Key)
	if errors.Is(err, blob.ErrNotFound) {
		return o, fault.New(fault.CodeFileNotFound, "")
	}
	if err != nil {
		return o, fmt.Errorf("look at %s: %w", f.Output.Path, err)
	}
	return o, nil
}

// refers reports whether files of a type refer to others by relative paths.
func refers(mediaType string) bool {
	t, _, err := mime.ParseMediaType(mediaType)
	return err == nil && (t == contract.MediaTypeHLS || t == contract.MediaTypeDASH || t == contract.MediaTypeWebVTT)
}

func (s *Service) provisional(ctx context.Context, j job.Job, path string) (File, error) {
	f, err := s.preview.File(ctx, j, path)
	if err != nil {
		return File{}, err
	}
	if f.Playlist != nil {
		return File{Output: f.Output, Provisional: true, Content: f.Playlist}, nil
	}
	signed, err := s.sign(ctx, f.Output)
	return File{Output: f.Output, Provisional: true, Download: &signed}, err
}

// Manifest returns what a completed job published. Faults: job_not_found, file_not_found before the job
// is completed.
func (s *Service) Manifest(ctx context.Context, tenant, id string) (contract.Manifest, error) {
	m, err := s.published(ctx, tenant, id)
	if err == nil && m.manifest.Schema == 0 {
		err = fault.New(fault.CodeFileNotFound, "the job has published nothing yet")
	}
	if err != nil {
		return contract.Manifest{}, err
	}
	return m.manifest, nil
}

// published returns the manifest of the tenant's job, an empty one where nothing is published.
func (s *Service) published(ctx context.Context, tenant, id string) (*shelved, error) {
	j, err := s.get(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	if j.ManifestKey == "" {
		return &shelved{}, nil
	}
	return s.manifest(ctx, j)
}

// manifest returns the manifest of a job that has one.
func (s *Service) manifest(ctx context.Context, j job.Job) (*shelved, error) {
	if m, ok := s.manifests.get(shelfKeyOf(j)); ok {
		return m, nil
	}
	m, err := effects.ReadManifest(ctx, s.Blobs, j.ManifestKey)
	if err != nil {
		return nil, err
	}
	return s.manifests.put(shelfKeyOf(j), m), nil
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
