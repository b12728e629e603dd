package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

// Receipt says what a deletion removed.
type Receipt struct {
	JobID     string
	DeletedAt time.Time
	// Keys are those of the objects, ascending.
	Keys []string
}

// Delete removes a job that has ended, with all its objects, its source among them, and its tasks, and
// returns a receipt of every object that there was when it began. The record itself is deleted a while later. A deletion that is cut off goes on by itself;
// asking again gives job_not_found once it is done. Faults: job_not_found, not_terminal, source_in_use while a
// retry that has not ended reads the source.
func (s *Service) Delete(ctx context.Context, tenant, id string) (Receipt, error) {
	j, err := s.find(ctx, tenant, id) // one that is being deleted may be deleted again
	if err == nil && !j.ErasedAt.IsZero() {
		err = notFound(job.ErrNotFound)
	}
	if err != nil {
		return Receipt{}, err
	}
	ended, err := s.endedReaders(ctx, j)
	if err != nil {
		return Receipt{}, err
	}
	// Once the deletion is decided every replica erases, and this request may find nothing left: what there was
	// is known only before.
	stored, err := s.keys(ctx, j)
	if err != nil {
		return Receipt{}, err
	}
	if j, err = s.Orchestrator.Apply(ctx, id, saga.DeleteRequested{Ended: ended}); err != nil {
		return Receipt{}, notFound(err)
	}
	erased, err := s.Eraser.Erase(ctx, j)
	if err != nil {
		return Receipt{}, err
	}
	if _, err := s.Orchestrator.Apply(ctx, id, saga.Erased{}); err != nil {
		return Receipt{}, notFound(err)
	}
	keys := append(stored, erased...)
	slices.Sort(keys)
	return Receipt{JobID: id, DeletedAt: j.DeletingAt, Keys: slices.Compact(keys)}, nil
}

// keys returns the keys of everything that a job which has ended stored; none of one that has not, which cannot be
// deleted.
func (s *Service) keys(ctx context.Context, j job.Job) ([]string, error) {
	if !j.State.Terminal() {
		return nil, nil
	}
	var keys []string
	for page, err := range blob.Pages(ctx, s.Blobs, j.Prefix()) {
		if err != nil {
			return nil, fmt.Errorf("list the objects of job %s: %w", j.ID, err)
		}
		for _, o := range page {
			keys = append(keys, o.Key)
		}
	}
	return keys, nil
}
