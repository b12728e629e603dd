package jobs_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/blobtest"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/database/databasetest"
	"github.com/reelmill/reelmill/pkg/database/memory"
	"github.com/reelmill/reelmill/services/job-service/internal/application/jobs"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
)

// at calls do at the first call of op after it is armed, before that call happens.
type at struct {
	op string
	do func()
	// kind is what becomes of the call.
	kind faultinject.Kind
}

func (a *at) inject(op string) faultinject.Kind {
	if op != a.op || a.do == nil {
		return faultinject.None
	}
	do := a.do
	a.do = nil
	do()
	return a.kind
}

// retry makes a retry of the job.
func retry(t *testing.T, b *jobstest.Bench, id string) job.Job {
	t.Helper()
	c, err := b.Service.Retry(t.Context(), tenant, id, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Advance(c.Job.ID)
	return b.Load(c.Job.ID)
}

// refusesDeletion checks that the job cannot be deleted because of a job that reads its source.
func refusesDeletion(t *testing.T, b *jobstest.Bench, j job.Job, reader string) {
	t.Helper()
	_, err := b.Service.Delete(t.Context(), tenant, j.ID)
	hasCode(t, err, fault.CodeSourceInUse)
	if !strings.Contains(fault.DetailOf(err), reader) {
		t.Errorf("%v does not name job %s", err, reader)
	}
	if _, err := b.Service.Get(t.Context(), tenant, j.ID); err != nil {
		t.Errorf("the job that was not deleted: %v", err)
	}
	if _, err := b.Blobs.Head(t.Context(), j.Source.Key); err != nil {
		t.Errorf("the source: %v", err)
	}
}

func TestAJobIsNotDeletedWhileARetryReadsItsSource(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	owner := b.Fail(b.Uploaded(tenant), fault.CodeWorkerCrashed)
	first := retry(t, b, owner.ID)
	refusesDeletion(t, b, owner, first.ID)
	b.Fail(first, fault.CodeWorkerCrashed)
	second := retry(t, b, first.ID)
	if got := b.Load(owner.ID).Readers; len(got) != 1 || got[0].JobID != second.ID {
		t.Errorf("the owner names the readers %+v, want %s alone", got, second.ID)
	}
	if _, err := b.Service.Delete(t.Context(), tenant, first.ID); err != nil {
		t.Errorf("the job between, which owns no source: %v", err)
	}
	refusesDeletion(t, b, owner, second.ID)
	if done := b.Finish(second); done.State != job.Completed {
		t.Errorf("the retry is %s: %+v", done.State, done.Error)
	}
	if _, err := b.Service.Delete(t.Context(), tenant, owner.ID); err != nil {
		t.Errorf("once the retries have ended: %v", err)
	}
	if left := b.Keys(owner.Prefix()); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestOfARetryAndADeletionAtTheSameTimeOneIsRefused(t *testing.T) {
	setUp := func(t *testing.T) (b *jobstest.Bench, db, storage *at, failed job.Job) {
		db, storage = &at{}, &at{}
		b = jobstest.New(t, jobstest.Config{Database: databasetest.Faulty(memory.New(), db.inject),
			Blobs: func(s blob.Store) blob.Store { return blobtest.Faulty(s, storage.inject) }})
		return b, db, storage, b.Fail(b.Uploaded(tenant), fault.CodeWorkerCrashed)
	}
	t.Run("the retry comes while the deletion is decided", func(t *testing.T) {
		b, db, _, failed := setUp(t)
		var next job.Job
		db.op, db.do = "jobs.save", func() { next = retry(t, b, failed.ID) }
		_, err := b.Service.Delete(t.Context(), tenant, failed.ID)
		hasCode(t, err, fault.CodeSourceInUse)
		refusesDeletion(t, b, failed, next.ID)
	})
	t.Run("the deletion comes while the retry is stored", func(t *testing.T) {
		b, db, _, failed := setUp(t)
		db.op, db.do = "jobs.insert", func() { refusesDeletion(t, b, failed, "") }
		retry(t, b, failed.ID)
	})
	t.Run("the deletion comes while the source is looked at", func(t *testing.T) {
		b, _, storage, failed := setUp(t)
		storage.op, storage.do = "head", func() {
			if _, err := b.Service.Delete(t.Context(), tenant, failed.ID); err != nil {
				t.Error(err)
			}
		}
		_, err := b.Service.Retry(t.Context(), tenant, failed.ID, "", nil)
		hasCode(t, err, fault.CodeSourceGone)
		if list, _, err := b.Service.List(t.Context(), tenant, job.Filter{Limit: 10}); err != nil || len(list) != 0 {
			t.Errorf("there are jobs without a source: %v, %v", list, err)
		}
	})
}

func TestARetryThatNeverCameHoldsTheSourceForAWhile(t *testing.T) {
	lost := &at{op: "jobs.insert", kind: faultinject.Error}
	b := jobstest.New(t, jobstest.Config{Database: databasetest.Faulty(memory.New(), lost.inject)})
	failed := b.Fail(b.Uploaded(tenant), fault.CodeWorkerCrashed)
	lost.do = func() {}
	if _, err := b.Service.Retry(t.Context(), tenant, failed.ID, "", nil); !errors.Is(err, faultinject.ErrInjected) {
		t.Fatalf("Retry = %v, want the injected error", err)
	}
	j := b.Load(failed.ID)
	if len(j.Readers) != 1 {
		t.Fatalf("the job names the readers %+v", j.Readers)
	}
	refusesDeletion(t, b, failed, j.Readers[0].JobID) // it may still come
	j.Readers[0].Since = j.Readers[0].Since.Add(-2 * time.Minute)
	if _, err := b.Jobs.Save(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Service.Delete(t.Context(), tenant, failed.ID); err != nil {
		t.Errorf("Delete = %v", err)
	}
}

func TestRetriesOfADeletedOwnerFindNoSource(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	owner := b.Fail(b.Uploaded(tenant), fault.CodeWorkerCrashed)
	failed := b.Fail(retry(t, b, owner.ID), fault.CodeWorkerCrashed)
	if _, err := b.Service.Delete(t.Context(), tenant, owner.ID); err != nil {
		t.Fatal(err)
	}
	_, err := b.Service.Retry(t.Context(), tenant, failed.ID, "", nil)
	hasCode(t, err, fault.CodeSourceGone)
}

func TestARetryIsAllowedTheTimeThatItsPredecessorWas(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	for _, want := range []time.Duration{0, 90 * time.Minute} {
		c, err := b.Service.Create(t.Context(), tenant, "", nil, jobs.CreateRequest{Pipeline: "thumbnail", Timeout: want})
		if err != nil {
			t.Fatal(err)
		}
		b.PutObject(t, c.Job.Source.Key, "a film")
		if _, err := b.Service.CompleteUpload(t.Context(), tenant, c.Job.ID); err != nil {
			t.Fatal(err)
		}
		b.Advance(c.Job.ID)
		id := b.Fail(b.Load(c.Job.ID), fault.CodeWorkerCrashed).ID
		for range 2 { // and so is the retry of the retry
			next := retry(t, b, id)
			if (want == 0) != next.Deadline.IsZero() || want > 0 && next.Deadline.Sub(next.CreatedAt) != want {
				t.Errorf("created at %v with the deadline %v, want %v", next.CreatedAt, next.Deadline, want)
			}
			id = b.Fail(next, fault.CodeWorkerCrashed).ID
		}
	}
}

func TestARepeatedRetryIsAnsweredAlsoWhenItsPredecessorWasDeleted(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	owner := b.Fail(b.Uploaded(tenant), fault.CodeWorkerCrashed)
	failed := b.Fail(retry(t, b, owner.ID), fault.CodeWorkerCrashed)
	again := func(id string) (jobs.Created, error) {
		return b.Service.Retry(t.Context(), tenant, id, "key", nil)
	}
	first, err := again(failed.ID)
	if err != nil || first.Replayed {
		t.Fatalf("Retry = %+v, %v", first, err)
	}
	forget(t, b, failed.ID)
	if second, err := again(failed.ID); err != nil || second.Job.ID != first.Job.ID || !second.Replayed {
		t.Errorf("Retry again = job %s, %v; want job %s", second.Job.ID, err, first.Job.ID)
	}
	_, err = again(owner.ID)
	hasCode(t, err, fault.CodeIdempotencyConflict)
	b.Advance(first.Job.ID)
	b.Fail(b.Load(first.Job.ID), fault.CodeWorkerCrashed)
	if _, err := b.Service.Delete(t.Context(), tenant, first.Job.ID); err != nil {
		t.Fatal(err)
	}
	_, err = again(failed.ID)
	hasCode(t, err, fault.CodeIdempotencyConflict)
}
