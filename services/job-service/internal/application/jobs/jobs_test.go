package jobs_test

import (
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/blobtest"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/ident"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/database/databasetest"
	"github.com/reelmill/reelmill/pkg/database/memory"
	"github.com/reelmill/reelmill/services/job-service/internal/application/jobs"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(int) { http.DefaultClient.CloseIdleConnections() }))
}

const tenant = "acme"

// hasCode fails the test unless err is a fault of that code.
func hasCode(t *testing.T, err error, want fault.Code) {
	t.Helper()
	if fault.CodeOf(err) != want {
		t.Errorf("error = %v, want code %s", err, want)
	}
}

func TestCreateStoresWhatWasAskedFor(t *testing.T) {
	timing := saga.DefaultTiming()
	timing.UploadTTL = time.Minute
	b := jobstest.New(t, jobstest.Config{Jobs: jobs.Config{Timing: timing}})
	trace := map[string]string{"traceparent": "00-1"}
	before := time.Now()
	c, err := b.Service.Create(t.Context(), tenant, "", trace, jobs.CreateRequest{Pipeline: "thumbnail", MediaID: "m", Metadata: map[string]string{"a": "b"},
		Priority: 2, Timeout: time.Hour, FileName: "../x.mp4", ContentType: "video/mp4", SizeBytes: 6})
	if err != nil {
		t.Fatal(err)
	}
	got := b.Load(c.Job.ID)
	wantSource := job.Source{Key: "t/acme/j/" + got.ID + "/source", ContentType: "video/mp4", FileName: "../x.mp4", DeclaredBytes: 6}
	if !ident.Valid(got.ID) || got.Tenant != tenant || got.MediaID != "m" || got.Priority != 2 || !reflect.DeepEqual(got.Source, wantSource) || !reflect.DeepEqual(got.Trace, trace) ||
		got.State != job.AwaitingUpload || got.Deadline.Sub(got.CreatedAt) != time.Hour || got.CreatedAt.Before(before) {
		t.Errorf("the stored job is %+v", got)
	}
	if c.Upload == nil || c.Upload.Header["Content-Type"] != "video/mp4" || c.Upload.Header["Content-Length"] != "6" || time.Until(c.Upload.Expires) > time.Minute || c.Replayed {
		t.Errorf("the answer is %+v with upload %+v", c, c.Upload)
	}
	if status := b.Put(*c.Upload, "a film"); status != http.StatusOK {
		t.Errorf("the upload was answered %d", status)
	}
}

func TestCreateRefuses(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{Jobs: jobs.Config{MaxSourceBytes: 100}})
	for name, tc := range map[string]struct {
		r    jobs.CreateRequest
		want fault.Code
	}{
		"an unknown pipeline":          {jobs.CreateRequest{Pipeline: "none"}, fault.CodePipelineUnknown},
		"no pipeline":                  {jobs.CreateRequest{}, fault.CodePipelineUnknown},
		"steps that are not valid":     {jobs.CreateRequest{Steps: []pipeline.Step{{Name: "a", Kind: "x"}}}, fault.CodePipelineInvalid},
		"a source that is too large":   {jobs.CreateRequest{Pipeline: "thumbnail", SizeBytes: 101}, fault.CodeSourceTooLarge},
		"a size that is still fitting": {jobs.CreateRequest{Pipeline: "thumbnail", SizeBytes: 100}, fault.CodeInternal},
	} {
		_, err := b.Service.Create(t.Context(), tenant, "", nil, tc.r)
		if tc.want == fault.CodeInternal {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		hasCode(t, err, tc.want)
	}
}

// An answer of the database may be lost: the client then sends the same request again.
func TestARepeatedCreateFindsTheJobWhoseAnswerWasLost(t *testing.T) {
	inject, _ := faultinject.Nth(1, faultinject.DidButError)
	b := jobstest.New(t, jobstest.Config{Database: databasetest.Faulty(memory.New(), func(op string) faultinject.Kind {
		if op != "jobs.insert" {
			return faultinject.None
		}
		return inject(op)
	})})
	r := jobs.CreateRequest{Pipeline: "thumbnail"}
	if _, err := b.Service.Create(t.Context(), tenant, "key", nil, r); !errors.Is(err, faultinject.ErrInjected) {
		t.Fatalf("Create = %v, want the injected error", err)
	}
	c, err := b.Service.Create(t.Context(), tenant, "key", nil, r)
	if err != nil || !c.Replayed || c.Upload == nil || c.Job.ID != ident.Derive("job", tenant, "key") {
		t.Errorf("Create again = %+v, %v", c, err)
	}
}

func TestCompleteUploadPinsTheObject(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	c := b.Create(tenant)
	_, err := b.Service.CompleteUpload(t.Context(), tenant, c.Job.ID)
	hasCode(t, err, fault.CodeUploadMissing)
	b.PutObject(t, c.Job.Source.Key, "a film")
	j, err := b.Service.CompleteUpload(t.Context(), tenant, c.Job.ID)
	if err != nil || j.State != job.Queued || j.Source.SizeBytes != 6 || j.Source.ETag == "" {
		t.Errorf("CompleteUpload = %+v, %v", j, err)
	}
	b.Advance(j.ID)
	tasks, err := b.Tasks.ByJob(t.Context(), j.ID, "")
	if err != nil || len(tasks) != 1 || tasks[0].State != task.Pending || !strings.Contains(string(tasks[0].Spec), j.Source.ETag) {
		t.Errorf("tasks %+v, %v", tasks, err)
	}
	if again, err := b.Service.CompleteUpload(t.Context(), tenant, j.ID); err != nil || again.State != job.Queued {
		t.Errorf("CompleteUpload again = %s, %v", again.State, err)
	}
	b.PutObject(t, c.Job.Source.Key, "another film")
	_, err = b.Service.CompleteUpload(t.Context(), tenant, j.ID)
	hasCode(t, err, fault.CodeUploadNotExpected)
}

func TestAJobThatEndedWithoutItsUploadAsksForNone(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	for state, end := range map[job.State]func(id string){
		job.Cancelled: func(id string) {
			if _, err := b.Service.Cancel(t.Context(), tenant, id); err != nil {
				t.Fatal(err)
			}
		},
		job.Failed: func(id string) {
			j := b.Load(id)
			j.UploadBy = time.Now()
			if _, err := b.Jobs.Save(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			b.Advance(id)
		},
	} {
		c := b.Create(tenant)
		end(c.Job.ID)
		for _, content := range []string{"", "a film"} { // nothing was uploaded; then something is, too late
			if content != "" {
				b.PutObject(t, c.Job.Source.Key, content)
			}
			j, err := b.Service.CompleteUpload(t.Context(), tenant, c.Job.ID)
			hasCode(t, err, fault.CodeUploadNotExpected)
			if detail := fault.DetailOf(err); j.State != state || !strings.Contains(detail, string(state)) || strings.Contains(detail, "source") {
				t.Errorf("with %q stored the %s job is refused with %q, which should name its state and no source", content, j.State, detail)
			}
		}
	}
}

func TestAJobWhoseSourceIsGoneAsksForNone(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{Jobs: jobs.Config{MaxSourceBytes: 6}})
	j := b.Uploaded(tenant)
	if err := b.Blobs.Delete(t.Context(), j.Source.Key); err != nil {
		t.Fatal(err)
	}
	_, err := b.Service.CompleteUpload(t.Context(), tenant, j.ID)
	hasCode(t, err, fault.CodeUploadNotExpected)
	b.PutObject(t, j.Source.Key, "too large a film")
	_, err = b.Service.CompleteUpload(t.Context(), tenant, j.ID)
	hasCode(t, err, fault.CodeUploadNotExpected)
}

func TestConcurrentCompletionsStartTheJobOnce(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	c := b.Create(tenant)
	b.PutObject(t, c.Job.Source.Key, "a film")
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = b.Service.CompleteUpload(t.Context(), tenant, c.Job.ID) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if j := b.Load(c.Job.ID); j.Sequence != 2 {
		t.Errorf("the job has %d changes of state, want created and queued", j.Sequence)
	}
}

func TestCompleteUploadRefusesWhatIsTooLarge(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{Jobs: jobs.Config{MaxSourceBytes: 5}})
	c := b.Create(tenant)
	b.PutObject(t, c.Job.Source.Key, "a film")
	_, err := b.Service.CompleteUpload(t.Context(), tenant, c.Job.ID)
	hasCode(t, err, fault.CodeSourceTooLarge)
	if j := b.Load(c.Job.ID); j.State != job.AwaitingUpload {
		t.Errorf("the job is %s", j.State)
	}
}

// failing returns a bench whose object storage fails every call of op.
func failing(t *testing.T, op string) *jobstest.Bench {
	return jobstest.New(t, jobstest.Config{Blobs: func(s blob.Store) blob.Store {
		return blobtest.Faulty(s, func(o string) faultinject.Kind {
			if o == op {
				return faultinject.Error
			}
			return faultinject.None
		})
	}})
}

func TestStorageThatDoesNotAnswerIsNoMissingUpload(t *testing.T) {
	b := failing(t, "head")
	c := b.Create(tenant)
	if _, err := b.Service.CompleteUpload(t.Context(), tenant, c.Job.ID); !errors.Is(err, faultinject.ErrInjected) || fault.ClassOf(err) != fault.Transient {
		t.Errorf("CompleteUpload = %v of class %v", err, fault.ClassOf(err))
	}
}

func TestADeletionThatIsCutOffHidesTheJobAndIsFinished(t *testing.T) {
	cut := true
	b := jobstest.New(t, jobstest.Config{Blobs: func(s blob.Store) blob.Store {
		return blobtest.Faulty(s, func(op string) faultinject.Kind {
			if cut && op == "delete" {
				return faultinject.Error
			}
			return faultinject.None
		})
	}})
	cut = false
	j := b.Finish(b.Uploaded(tenant))
	cut = true
	if _, err := b.Service.Delete(t.Context(), tenant, j.ID); !errors.Is(err, faultinject.ErrInjected) {
		t.Fatalf("Delete = %v", err)
	}
	_, err := b.Service.Get(t.Context(), tenant, j.ID)
	hasCode(t, err, fault.CodeJobNotFound)
	if list, _, err := b.Service.List(t.Context(), tenant, job.Filter{Limit: 10}); err != nil || len(list) != 0 {
		t.Errorf("the job is still listed: %v, %v", list, err)
	}
	cut = false
	receipt, err := b.Service.Delete(t.Context(), tenant, j.ID)
	if err != nil || len(receipt.Keys) != 4 || receipt.JobID != j.ID || receipt.DeletedAt.IsZero() {
		t.Errorf("Delete again = %+v, %v", receipt, err)
	}
	if left := b.Keys("t/"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if tasks, err := b.Tasks.ByJob(t.Context(), j.ID, ""); err != nil || len(tasks) != 0 {
		t.Errorf("%d tasks are left, %v", len(tasks), err)
	}
	_, err = b.Service.Delete(t.Context(), tenant, j.ID)
	hasCode(t, err, fault.CodeJobNotFound)
}

func TestADeletionThatIsCutOffGoesOnByItself(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	j := b.Finish(b.Uploaded(tenant))
	b.Apply(j.ID, saga.DeleteRequested{}) // and the process died
	b.Advance(j.ID)
	erased, err := b.Jobs.Load(t.Context(), j.ID)
	if err != nil || erased.ErasedAt.IsZero() || len(b.Keys("t/")) > 0 {
		t.Fatalf("after the deletion: erased at %v, %v, objects %q", erased.ErasedAt, err, b.Keys("t/"))
	}
	_, err = b.Service.Delete(t.Context(), tenant, j.ID)
	hasCode(t, err, fault.CodeJobNotFound)

	// A worker that did not yet know stores something; a while later record and object go together.
	if _, err := b.Blobs.Put(t.Context(), j.OutputPrefix()+"1-1/late", strings.NewReader("late"), blob.PutOptions{ContentType: "image/jpeg"}); err != nil {
		t.Fatal(err)
	}
	pass(t, b, j.ID, time.Hour)
	b.Advance(j.ID)
	if _, err := b.Jobs.Load(t.Context(), j.ID); !errors.Is(err, job.ErrNotFound) || len(b.Keys("t/")) > 0 {
		t.Errorf("Load = %v, objects %q", err, b.Keys("t/"))
	}
}

func TestAnotherTenantFindsNothing(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	j := b.Finish(b.Uploaded(tenant))
	s := b.Service
	for name, err := range map[string]error{
		"CompleteUpload": second(s.CompleteUpload(t.Context(), "rival", j.ID)),
		"Get":            second(s.Get(t.Context(), "rival", j.ID)),
		"Cancel":         second(s.Cancel(t.Context(), "rival", j.ID)),
		"Retry":          second(s.Retry(t.Context(), "rival", j.ID, "", nil)),
		"Delete":         second(s.Delete(t.Context(), "rival", j.ID)),
		"Outputs":        second(s.Outputs(t.Context(), "rival", j.ID, jobs.Selection{})),
		"Manifest":       second(s.Manifest(t.Context(), "rival", j.ID)),
		"File":           second(s.File(t.Context(), "rival", j.ID, "thumbnails/poster.jpg")),
	} {
		if fault.CodeOf(err) != fault.CodeJobNotFound {
			t.Errorf("%s = %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestRetryUsesTheStoredSource(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	awaiting := b.Create(tenant).Job
	if _, err := b.Service.Cancel(t.Context(), tenant, awaiting.ID); err != nil {
		t.Fatal(err)
	}
	_, err := b.Service.Retry(t.Context(), tenant, awaiting.ID, "", nil)
	hasCode(t, err, fault.CodeSourceGone)

	failed := b.Fail(b.Uploaded(tenant), fault.CodeSourceCorrupt)
	c, err := b.Service.Retry(t.Context(), tenant, failed.ID, "", nil)
	if err != nil || !reflect.DeepEqual(c.Job.Source, failed.Source) || c.Job.State != job.Queued || c.Job.RetryOf != failed.ID || c.Upload != nil {
		t.Errorf("Retry = %+v, %v", c, err)
	}
	b.PutObject(t, failed.Source.Key, "another film")
	_, err = b.Service.Retry(t.Context(), tenant, failed.ID, "", nil)
	hasCode(t, err, fault.CodeSourceGone)
}

func TestCancelTellsWorkersAndLeavesNoOutput(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	j := b.Uploaded(tenant)
	claimed := b.Claim(j)
	b.PutObject(t, j.OutputPrefix()+"1-1/thumbnails/poster.jpg", "half")
	if _, err := b.Service.Cancel(t.Context(), tenant, j.ID); err != nil {
		t.Fatal(err)
	}
	b.Advance(j.ID)
	if got := b.Load(j.ID); got.State != job.Cancelled {
		t.Errorf("the job is %s", got.State)
	}
	if keys := b.Keys(j.Prefix()); !slices.Equal(keys, []string{j.Source.Key}) {
		t.Errorf("objects %q, want the source alone", keys)
	}
	if !slices.Contains(b.Published.Types(), contract.TypeTaskCancel) {
		t.Errorf("messages %q, want a cancel broadcast among them", b.Published.Types())
	}
	_, err := b.Tasks.Update(t.Context(), claimed.ID, func(tk *task.Task) error { return tk.Heartbeat(claimed.Fence, time.Now(), time.Minute, 1) })
	if !errors.Is(err, task.ErrLeaseLost) {
		t.Errorf("the worker's heartbeat: %v, want ErrLeaseLost", err)
	}
}

func TestEventsTellOutsidersOfEveryState(t *testing.T) {
	b := jobstest.New(t, jobstest.Config{})
	b.Finish(b.Uploaded(tenant))
	var got []string
	for _, typ := range b.Published.Types() {
		if strings.HasPrefix(typ, "reelmill.job.") {
			got = append(got, typ)
		}
	}
	want := []string{contract.JobEventType("awaiting_upload"), contract.JobEventType("queued"), contract.JobEventType("processing"), contract.JobEventType("completed")}
	if !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}
