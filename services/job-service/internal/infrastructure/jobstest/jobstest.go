// Package jobstest assembles the use cases of job-service over adapters in memory, for tests: a database,
// object storage whose presigned requests work, an orchestrator that moves when it is told to, and a
// worker that succeeds or fails as the test wants.
package jobstest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/memblob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/memory"
	"github.com/reelmill/reelmill/pkg/database/taskstore"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/services/job-service/internal/application/effects"
	"github.com/reelmill/reelmill/services/job-service/internal/application/jobs"
	"github.com/reelmill/reelmill/services/job-service/internal/application/orchestrator"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/persistence"
)

// Bench is a job-service without its edges. Its methods fail the test where something goes wrong; those
// that are not meant to may be called concurrently.
type Bench struct {
	Service *jobs.Service
	Jobs    *persistence.Jobs
	Tasks   *taskstore.Tasks
	Blobs   *memblob.Store
	// Published collects what was published.
	Published *Publisher

	t            testing.TB
	orchestrator *orchestrator.Orchestrator
}

// Config changes what New makes; the zero Config is a good beginning.
type Config struct {
	Jobs jobs.Config
	// Database is used instead of one in memory.
	Database database.Database
	// Blobs, where set, is put around the store of the use cases.
	Blobs func(blob.Store) blob.Store
}

// New returns a bench whose object storage is served until t ends.
func New(t testing.TB, cfg Config) *Bench {
	t.Helper()
	b := &Bench{t: t, Published: &Publisher{}}
	var storage http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { storage.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	b.Blobs = memblob.New(memblob.Config{PublicURL: server.URL})
	storage = b.Blobs.Handler()
	db := cfg.Database
	if db == nil {
		db = memory.New()
	}
	var store blob.Store = b.Blobs
	if cfg.Blobs != nil {
		store = cfg.Blobs(store)
	}
	var err1, err2 error
	b.Jobs, err1 = persistence.OpenJobs(t.Context(), db)
	b.Tasks, err2 = taskstore.OpenTasks(t.Context(), db)
	b.must(errors.Join(err1, err2))
	workers, err := taskstore.OpenWorkers(t.Context(), db)
	b.must(err)
	executor := effects.New(b.Tasks, workers, store, b.Blobs, b.Published, func() {})
	b.orchestrator = orchestrator.New(b.Jobs, b.Tasks, executor, Still{}, Still{}, slog.New(slog.DiscardHandler), orchestrator.Config{Timing: cfg.Jobs.Timing})
	b.Service = jobs.New(jobs.Deps{Jobs: b.Jobs, Tasks: b.Tasks, Blobs: store, Presigner: b.Blobs, Orchestrator: b.orchestrator, Eraser: executor}, cfg.Jobs)
	return b
}

func (b *Bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// Advance lets the job go on as far as it can.
func (b *Bench) Advance(id string) {
	b.t.Helper()
	b.must(b.orchestrator.Advance(b.t.Context(), id))
}

// Apply lets the saga decide on an event.
func (b *Bench) Apply(id string, e saga.Event) {
	b.t.Helper()
	_, err := b.orchestrator.Apply(b.t.Context(), id, e)
	b.must(err)
}

// Create makes a job that waits for its upload.
func (b *Bench) Create(tenant string) jobs.Created {
	b.t.Helper()
	c, err := b.Service.Create(b.t.Context(), tenant, "", nil, jobs.CreateRequest{Pipeline: "thumbnail", Priority: 1})
	b.must(err)
	return c
}

// Put makes the request that was signed, with the content, and returns the status.
func (b *Bench) Put(s blob.Signed, content string) int {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), s.Method, s.URL, strings.NewReader(content))
	b.must(err)
	for k, v := range s.Header {
		r.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(r)
	b.must(err)
	b.must(resp.Body.Close())
	return resp.StatusCode
}

// Uploaded makes a job whose source is stored, so that it is queued with its tasks.
func (b *Bench) Uploaded(tenant string) job.Job {
	b.t.Helper()
	c := b.Create(tenant)
	if status := b.Put(*c.Upload, "a film"); status != http.StatusOK {
		b.t.Fatalf("the upload was answered %d", status)
	}
	_, err := b.Service.CompleteUpload(b.t.Context(), tenant, c.Job.ID)
	b.must(err)
	b.Advance(c.Job.ID)
	return b.Load(c.Job.ID)
}

// Load returns the job as it is stored.
func (b *Bench) Load(id string) job.Job {
	b.t.Helper()
	j, err := b.Jobs.Load(b.t.Context(), id)
	b.must(err)
	return j
}

// VTT is the content of the cues that Finish stores.
const VTT = "WEBVTT\n\n00:00.000 --> 00:01.000\nstoryboard-001.jpg#xywh=0,0,160,90\n"

// Claim lets a worker claim the job's task and returns it.
func (b *Bench) Claim(j job.Job) task.Task {
	b.t.Helper()
	t, err := b.Tasks.Update(b.t.Context(), task.ID(j.ID, j.Pipeline.Steps[0].Name, 0), func(t *task.Task) error {
		return t.Claim("worker/1", t.Attempt, time.Now(), 30*time.Second)
	})
	b.must(err)
	return t
}

// Finish lets a worker do the job's only task: it stores a poster and a storyboard.
func (b *Bench) Finish(j job.Job) job.Job {
	b.t.Helper()
	t := b.Claim(j)
	at := contract.Seconds(1500 * time.Millisecond)
	outputs := []contract.Output{
		b.store(t, contract.Output{Path: t.Step + "/poster.jpg", Kind: "poster", MediaType: "image/jpeg", Width: 1280, Height: 720, At: &at}, "jpeg"),
		b.store(t, contract.Output{Path: t.Step + "/storyboard.vtt", Kind: "storyboard", MediaType: "text/vtt; charset=utf-8",
			Tiles: []contract.Tile{{End: contract.Seconds(time.Second), At: at / 2, Sheet: t.Step + "/storyboard-001.jpg", Width: 160, Height: 90}}}, VTT),
	}
	result, err := json.Marshal(contract.TaskResult{Outputs: outputs, Notes: []contract.Note{{Code: "hdr_tonemapped"}}, Tools: map[string]string{"ffmpeg": "7"},
		Media: &media.Info{Format: "matroska,webm", SizeBytes: 6, Streams: []media.Stream{{Kind: media.KindVideo, Codec: "vp9", Video: &media.Video{}}}}})
	b.must(err)
	_, err = b.Tasks.Update(b.t.Context(), t.ID, func(t *task.Task) error { return t.Succeed(t.Fence, result, time.Now()) })
	b.must(err)
	b.Advance(j.ID)
	return b.Load(j.ID)
}

// store stores an output of an attempt that is being processed.
func (b *Bench) store(t task.Task, o contract.Output, content string) contract.Output {
	b.t.Helper()
	o.Key = job.Prefix(t.Tenant, t.JobID) + "a/1-1/" + o.Path
	o.SizeBytes = int64(len(content))
	o.SHA256 = strings.Repeat("ab", 32)
	_, err := b.Blobs.Put(b.t.Context(), o.Key, bytes.NewReader([]byte(content)), blob.PutOptions{ContentType: o.MediaType})
	b.must(err)
	return o
}

// Fail lets a worker fail the job's only task for good, and the job with it.
func (b *Bench) Fail(j job.Job, code fault.Code) job.Job {
	b.t.Helper()
	t := b.Claim(j)
	rec := fault.RecordOf(fault.New(code, "it cannot be used"))
	_, err := b.Tasks.Update(b.t.Context(), t.ID, func(t *task.Task) error { return t.Fail(t.Fence, rec, time.Now(), 0) })
	b.must(err)
	b.Advance(j.ID)
	return b.Load(j.ID)
}

// Keys returns the keys of all objects below the prefix.
func (b *Bench) Keys(prefix string) []string {
	b.t.Helper()
	list, err := b.Blobs.List(b.t.Context(), blob.ListOptions{Prefix: prefix})
	b.must(err)
	var keys []string
	for _, o := range list {
		keys = append(keys, o.Key)
	}
	return keys
}

// Publisher collects messages. It may be used concurrently.
type Publisher struct {
	mu       sync.Mutex
	messages []messaging.Message
}

// Publish takes the messages over.
func (p *Publisher) Publish(_ context.Context, batch ...messaging.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages = append(p.messages, batch...)
	return nil
}

// Types returns the types of the messages published so far, in order.
func (p *Publisher) Types() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var types []string
	for _, m := range p.messages {
		types = append(types, m.Type)
	}
	return types
}

// Still is a dispatcher and an observer that neither dispatches nor counts.
type Still struct{}

// Resend does nothing.
func (Still) Resend(context.Context, task.Task) error { return nil }

// Wake does nothing.
func (Still) Wake() {}

// JobFinished does nothing.
func (Still) JobFinished(job.Job) {}

// TaskExpired does nothing.
func (Still) TaskExpired(task.Task) {}

// EffectFailed does nothing.
func (Still) EffectFailed(job.EffectKind) {}
