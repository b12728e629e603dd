package job_test

import (
	"testing"

	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

func TestASourceBelongsToTheJobThatItWasUploadedFor(t *testing.T) {
	for key, want := range map[string]string{job.SourceKey("acme", "a"): "a", job.SourceKey("j", "source"): "source", "k": "k"} {
		if got := (job.Source{Key: key}).Owner(); got != want {
			t.Errorf("the owner of %s is %q, want %q", key, got, want)
		}
	}
}
