package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

// MaxSubtitleFiles is the most subtitle files of a job, MaxSubtitleBytes the size of the largest: a text of three
// hours has a few hundred KiB.
const (
	MaxSubtitleFiles = 20
	MaxSubtitleBytes = 5 << 20
)

// SubtitleFile is a file with subtitles that will be uploaded beside the source. SizeBytes is 0 where the client
// does not know it.
type SubtitleFile struct {
	// Language is a BCP 47 tag or empty, Label what a player shows.
	Language  string `json:"language,omitempty"`
	Label     string `json:"label,omitempty"`
	FileName  string `json:"file_name,omitempty"`
	SizeBytes int64  `json:"size_bytes,omitempty"`
}

// checkSubtitles reports files that are announced too large.
func checkSubtitles(files []SubtitleFile) error {
	for i, f := range files {
		if err := checkSubtitleSize(i, f.SizeBytes); err != nil {
			return &FieldFault{fmt.Sprintf("source.subtitles[%d].size_bytes", i), err}
		}
	}
	return nil
}

func checkSubtitleSize(index int, bytes int64) *fault.Error {
	if bytes > MaxSubtitleBytes {
		return fault.New(fault.CodeSourceTooLarge, "source.subtitles[%d] has %d bytes, more than %d", index, bytes, MaxSubtitleBytes)
	}
	return nil
}

// sidecars returns the files as a new job holds them.
func sidecars(prefix string, files []SubtitleFile) []job.Sidecar {
	var all []job.Sidecar
	for i, f := range files {
		all = append(all, job.Sidecar{Key: job.SidecarKey(prefix, i), FileName: f.FileName, DeclaredBytes: f.SizeBytes, Language: f.Language, Label: f.Label})
	}
	return all
}

// pinSubtitles returns the subtitle files of a job as they are stored. Faults: upload_missing, source_truncated,
// source_too_large; each names the file as the request did.
func (s *Service) pinSubtitles(ctx context.Context, j job.Job) ([]job.Sidecar, error) {
	pinned := slices.Clone(j.Source.Subtitles)
	for i := range pinned {
		f := &pinned[i]
		head, err := s.Blobs.Head(ctx, f.Key)
		switch {
		case errors.Is(err, blob.ErrNotFound):
			return nil, fault.New(fault.CodeUploadMissing, "source.subtitles[%d] has not been uploaded", i)
		case err != nil:
			return nil, fmt.Errorf("check subtitle file %d of job %s: %w", i, j.ID, err)
		case f.DeclaredBytes > 0 && head.SizeBytes != f.DeclaredBytes:
			return nil, fault.New(fault.CodeSourceTruncated, "the upload of source.subtitles[%d] has %d bytes, %d were declared; upload it again", i, head.SizeBytes, f.DeclaredBytes)
		}
		if err := checkSubtitleSize(i, head.SizeBytes); err != nil {
			return nil, err
		}
		f.ETag, f.SizeBytes = head.ETag, head.SizeBytes
	}
	return pinned, nil
}

// subtitlesKept returns a fault of code source_gone where a pinned subtitle file of the job is not stored any
// more, or another one is.
func (s *Service) subtitlesKept(ctx context.Context, j job.Job) error {
	for i, f := range j.Source.Subtitles {
		head, err := s.Blobs.Head(ctx, f.Key)
		if errors.Is(err, blob.ErrNotFound) || err == nil && head.ETag != f.ETag {
			return fault.New(fault.CodeSourceGone, "source.subtitles[%d] is not stored any more", i)
		}
		if err != nil {
			return fmt.Errorf("check subtitle file %d of job %s: %w", i, j.ID, err)
		}
	}
	return nil
}
