package saga_test

import (
	"testing"
	"time"

	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

func TestAnErasedJobIsForgottenOnceNothingCanBeStoredForIt(t *testing.T) {
	spans := saga.Timing{SweepDelay: time.Minute, UploadTTL: time.Hour}
	own := job.Source{Key: job.SourceKey("acme", "j")}
	for name, tc := range map[string]struct {
		job  job.Job
		want time.Duration
	}{
		"never uploaded":         {job.Job{Source: own, FinishedAt: begin}, time.Hour + time.Minute},
		"uploaded a while ago":   {job.Job{Source: own, QueuedAt: begin, FinishedAt: begin.Add(20 * time.Minute)}, time.Hour + time.Minute},
		"uploaded long ago":      {job.Job{Source: own, QueuedAt: begin.Add(-2 * time.Hour), FinishedAt: begin}, 31 * time.Minute},
		"a retry, never awaited": {job.Job{Source: job.Source{Key: job.SourceKey("acme", "old")}, QueuedAt: begin, FinishedAt: begin}, 31 * time.Minute},
	} {
		j := tc.job
		j.ID, j.State, j.DeletingAt = "j", job.Failed, begin.Add(30*time.Minute)
		j, err := spans.Decide(j, saga.Erased{}, begin.Add(30*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if got := spans.ForgetAt(j).Sub(begin); got != tc.want || !j.NextWakeup.Equal(spans.ForgetAt(j)) {
			t.Errorf("%s: forgotten after %v, want %v; it wakes at %v", name, got, tc.want, j.NextWakeup)
		}
	}
}
