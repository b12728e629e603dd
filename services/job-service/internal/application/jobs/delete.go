package jobs

import (
	"context"
	"time"

	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

// Receipt says what a deletion removed.
type Receipt struct {
	JobID     string
	DeletedAt time.Time
	Keys      []string
}

// Delete removes a job that has ended, with all its objects, its source among them, and its tasks, and
// returns a receipt. The record itself is deleted a while later. A deletion that is cut off goes on by itself;
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
	if j, err = s.Orchestrator.Apply(ctx, id, saga.DeleteRequested{Ended: ended}); err != nil {
		return Receipt{}, notFound(err)
	}
	keys, err := s.Eraser.Erase(ctx, j)
	if err != nil {
		return Receipt{}, err
	}
	if _, err := s.Orchestrator.Apply(ctx, id, saga.Erased{}); err != nil {
		return Receipt{}, notFound(err)
	}
	return Receipt{JobID: id, DeletedAt: j.DeletingAt, Keys: keys}, nil
}
