package effects_test

import (
	"context"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/application/effects"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
)

// unfinished begins an upload of an output, one of the source and one of another job.
func (b *bench) unfinished() {
	b.t.Helper()
	for _, key := range []string{b.job.OutputPrefix() + "1-1/film/0/film.mp4", b.job.Source.Key, "t/acme/j/k/a/1-1/film/0/film.mp4"} {
		if err := b.blobs.BeginUpload(b.t.Context(), key); err != nil {
			b.t.Fatal(err)
		}
	}
}

// end ends the uploads below the prefix that are left, and returns how many.
func (b *bench) end(prefix string) int {
	b.t.Helper()
	n, err := b.blobs.AbortUploads(b.t.Context(), prefix, time.Now().Add(24*time.Hour))
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func TestUploadsThatNobodyFinishesAreEndedWithTheirJob(t *testing.T) {
	for name, tt := range map[string]struct {
		do                  func(b *bench) error
		wantJob, wantOthers int
	}{
		"outputs are swept": {func(b *bench) error {
			_, err := b.execute(job.DeleteOutputs)
			return err
		}, 1, 1},
		"published outputs are swept": {func(b *bench) error {
			b.made()
			b.publish()
			_, err := b.execute(job.DeleteOutputs)
			return err
		}, 1, 1},
		"the job is erased": {func(b *bench) error {
			_, err := b.Erase(b.t.Context(), b.job)
			return err
		}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			b.unfinished()
			if err := tt.do(b); err != nil {
				t.Fatal(err)
			}
			if left, others := b.end(b.job.Prefix()), b.end("t/"); left != tt.wantJob || others != tt.wantOthers {
				t.Errorf("left are %d uploads of the job and %d of others, want %d and %d", left, others, tt.wantJob, tt.wantOthers)
			}
		})
	}
}

// silent is a store that does not tell of uploads.
type silent struct{}

func (silent) AbortUploads(ctx context.Context, _ string, _ time.Time) (int, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		panic("without a deadline a store that does not answer would hold up the job")
	}
	return 0, fault.New(fault.CodeStorageUnavailable, "")
}

func TestAStoreThatDoesNotTellOfUploadsHoldsUpNoJob(t *testing.T) {
	b := newBench(t, nil)
	b.Executor = effects.New(b.tasks, b.workers, b.blobs, silent{}, &jobstest.Publisher{}, func() {})
	if _, err := b.execute(job.DeleteOutputs); err != nil {
		t.Errorf("DeleteOutputs = %v", err)
	}
	if _, err := b.Erase(t.Context(), b.job); err != nil {
		t.Errorf("Erase = %v", err)
	}
}
