package jobs_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/blobtest"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/services/job-service/internal/application/jobs"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
)

// pass makes everything that happened to a job that was deleted lie further back.
func pass(t *testing.T, b *jobstest.Bench, id string, d time.Duration) {
	t.Helper()
	j := b.Load(id)
	for _, at := range []*time.Time{&j.QueuedAt, &j.FinishedAt, &j.DeletingAt, &j.ErasedAt} {
		if !at.IsZero() {
			*at = at.Add(-d)
		}
	}
	if _, err := b.Jobs.Save(t.Context(), j); err != nil {
		t.Fatal(err)
	}
}

// forget deletes the job and lets time pass until its record is gone too.
func forget(t *testing.T, b *jobstest.Bench, id string) {
	t.Helper()
	if _, err := b.Service.Delete(t.Context(), tenant, id); err != nil {
		t.Fatal(err)
	}
	pass(t, b, id, time.Hour)
	b.Advance(id)
	if _, err := b.Jobs.Load(t.Context(), id); !errors.Is(err, job.ErrNotFound) {
		t.Fatalf("the record is still there: %v", err)
	}
}

func TestTheReceiptNamesAlsoWhatAnotherReplicaErased(t *testing.T) {
	var b *jobstest.Bench
	var j job.Job
	erased := false
	b = jobstest.New(t, jobstest.Config{Blobs: func(s blob.Store) blob.Store {
		return blobtest.Faulty(s, func(op string) faultinject.Kind {
			if op == "list" && j.ID != "" && !erased && !b.Load(j.ID).DeletingAt.IsZero() {
				erased = true
				b.Advance(j.ID) // as the sweeper does, or a reply that came late
			}
			return faultinject.None
		})
	}})
	j = b.Finish(b.Uploaded(tenant))
	want := b.Keys(j.Prefix())
	r, err := b.Service.Delete(t.Context(), tenant, j.ID)
	if err != nil || !slices.Equal(r.Keys, want) {
		t.Errorf("the receipt is %+v, %v; want %q", r, err, want)
	}
	if !erased || b.Load(j.ID).ErasedAt.IsZero() || len(b.Keys(j.Prefix())) > 0 {
		t.Errorf("erased by another: %t; left behind: %q", erased, b.Keys(j.Prefix()))
	}
}

func TestADeletionWhoseReceiptCannotBeMadeDoesNotBegin(t *testing.T) {
	storage := &at{op: "list", kind: faultinject.Error}
	b := jobstest.New(t, jobstest.Config{Blobs: func(s blob.Store) blob.Store { return blobtest.Faulty(s, storage.inject) }})
	j := b.Finish(b.Uploaded(tenant))
	storage.do = func() {}
	if _, err := b.Service.Delete(t.Context(), tenant, j.ID); !errors.Is(err, faultinject.ErrInjected) {
		t.Errorf("Delete = %v, want the injected error", err)
	}
	if got := b.Load(j.ID); !got.DeletingAt.IsZero() {
		t.Errorf("the job is being deleted since %v", got.DeletingAt)
	}
}

func TestAnUploadThatComesAfterTheDeletionIsDeletedToo(t *testing.T) {
	timing := saga.DefaultTiming()
	for name, late := range map[string]func(c jobs.Created, b *jobstest.Bench) blob.Signed{
		"of a job that was cancelled while it waited": func(c jobs.Created, _ *jobstest.Bench) blob.Signed { return *c.Upload },
		"of a subtitle file, once more": func(c jobs.Created, b *jobstest.Bench) blob.Signed {
			for _, up := range append(c.Subtitles, *c.Upload) {
				b.Put(up, "123456789")
			}
			if _, err := b.Service.CompleteUpload(t.Context(), tenant, c.Job.ID); err != nil {
				t.Error(err)
			}
			return c.Subtitles[1]
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := jobstest.New(t, jobstest.Config{})
			c, err := b.Service.Create(t.Context(), tenant, "", nil, withSubtitles())
			if err != nil {
				t.Fatal(err)
			}
			id, upload := c.Job.ID, late(c, b)
			if _, err := b.Service.Cancel(t.Context(), tenant, id); err != nil {
				t.Fatal(err)
			}
			b.Advance(id)
			if _, err := b.Service.Delete(t.Context(), tenant, id); err != nil {
				t.Fatal(err)
			}
			// All but the last moment at which the URL is accepted, and long after the last sweep for workers.
			pass(t, b, id, timing.UploadTTL-time.Second)
			b.Advance(id)
			if status := b.Put(upload, "123456789"); status != http.StatusOK {
				t.Fatalf("the upload was answered %d", status)
			}
			_, err = b.Service.Get(t.Context(), tenant, id)
			hasCode(t, err, fault.CodeJobNotFound)
			_, err = b.Service.Delete(t.Context(), tenant, id)
			hasCode(t, err, fault.CodeJobNotFound)
			if due, err := b.Jobs.Waking(t.Context(), time.Now().Add(timing.UploadTTL+timing.SweepDelay), 10); err != nil || len(due) != 1 {
				t.Errorf("due in time: %q, %v", due, err)
			}
			pass(t, b, id, timing.SweepDelay+time.Second)
			b.Advance(id)
			if _, err := b.Jobs.Load(t.Context(), id); !errors.Is(err, job.ErrNotFound) || len(b.Keys("t/")) > 0 {
				t.Errorf("Load = %v, objects %q", err, b.Keys("t/"))
			}
		})
	}
}
