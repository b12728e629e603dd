// Package inmemory runs whole jobs through job-service and a worker over ports in memory, in virtual time:
// every port call fails once in every way, and every message comes three times in any order.
package inmemory

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/memblob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/memory"
	"github.com/reelmill/reelmill/pkg/database/taskstore"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/membroker"
	"github.com/reelmill/reelmill/pkg/worker"
	jobservice "github.com/reelmill/reelmill/services/job-service"
)

// ports are what job-service and the worker see; tests put decorators around them.
type ports struct {
	db        database.Database
	blobs     blob.Store
	publisher messaging.Publisher
	consumer  messaging.Consumer
	// fail, where set, is what the processor calls before its work.
	fail func(ctx context.Context, a worker.Attempt) error
}

// world is a whole system in one bubble.
type world struct {
	t       *testing.T
	service *jobservice.Service
	// blobs and db are the stores behind the decorators: what really is.
	blobs     *memblob.Store
	db        database.Database
	processor *stubProcessor
	stop      func()
}

// start runs job-service and one worker of thumbnails until stop is called. It must be called inside a bubble.
func start(t *testing.T, decorate func(ports) ports) *world {
	t.Helper()
	return startKinds(t, decorate, contract.KindThumbnail)
}

// startKinds is start with a worker of each kind.
func startKinds(t *testing.T, decorate func(ports) ports, kinds ...contract.Kind) *world {
	t.Helper()
	broker, err := membroker.New(messaging.System(), membroker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	blobs, db := memblob.New(memblob.Config{PublicURL: "http://blobs.test"}), memory.New()
	p := decorate(ports{db: db, blobs: blobs, publisher: broker, consumer: broker})
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("REELMILL_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	cfg := jobservice.Config{}
	cfg.HTTP.Addr = "127.0.0.1:0"
	service, err := jobservice.New(cfg, jobservice.Deps{Database: p.db, Blobs: p.blobs, Presigner: blobs, Uploads: blobs, Publisher: p.publisher,
		Consumer: p.consumer, BrokerBeginsEmpty: true, Log: log, TracerProvider: noop.NewTracerProvider(), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	lazy := database.Lazy(p.db)
	tasks, err := taskstore.OpenTasks(t.Context(), lazy)
	if err != nil {
		t.Fatal(err)
	}
	workers, err := taskstore.OpenWorkers(t.Context(), lazy)
	if err != nil {
		t.Fatal(err)
	}
	processor := &stubProcessor{fail: p.fail}
	run := []func(context.Context) error{service.Work}
	for _, kind := range kinds {
		w, err := worker.New(worker.Config{Kind: kind, Name: "stub-" + string(kind), Scratch: t.TempDir(), Slots: 2}, worker.Deps{
			Tasks: tasks, Workers: workers, Blobs: p.blobs, Publisher: p.publisher, Consumer: p.consumer, Processor: processor, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		run = append(run, w.Run)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, len(run))
	for _, r := range run {
		go func() { done <- r(ctx) }()
	}
	return &world{t: t, service: service, blobs: blobs, db: db, processor: processor, stop: func() {
		cancel()
		for range run {
			if err := <-done; err != nil {
				t.Errorf("stop: %v", err)
			}
		}
	}}
}

// stubProcessor stands in for ffmpeg: it reads its source and stores files that follow from it, two for a
// thumbnail step and those of a film for the operations of a transcode step.
type stubProcessor struct {
	// fail, where set, is called before the work.
	fail func(ctx context.Context, a worker.Attempt) error
}

func (p *stubProcessor) Process(ctx context.Context, a worker.Attempt) (contract.TaskResult, error) {
	if a.Task().Kind == contract.KindTranscode {
		return p.film(ctx, a)
	}
	var spec contract.ThumbnailSpec
	if err := json.Unmarshal(a.Task().Spec, &spec); err != nil {
		return contract.TaskResult{}, fault.Wrap(fault.CodeTaskSpecInvalid, err, "")
	}
	src, err := a.Source(ctx, spec.Source)
	if err != nil {
		return contract.TaskResult{}, err
	}
	if p.fail != nil {
		if err := p.fail(ctx, a); err != nil {
			return contract.TaskResult{}, err
		}
	}
	content, err := os.ReadFile(src)
	if err != nil {
		return contract.TaskResult{}, err
	}
	var r contract.TaskResult
	for i := range 2 {
		name := fmt.Sprintf("file-%d.txt", i)
		path := filepath.Join(a.Scratch(), name)
		if err := os.WriteFile(path, fmt.Appendf(nil, "%d of %s", i, content), 0o600); err != nil {
			return contract.TaskResult{}, err
		}
		o, err := a.Store(ctx, path, contract.Output{Path: a.Task().Step + "/" + name, Kind: "still", MediaType: "text/plain"})
		if err != nil {
			return contract.TaskResult{}, err
		}
		a.Progress(500 * (i + 1))
		r.Outputs = append(r.Outputs, o)
	}
	return r, nil
}

// call makes a request; status 0 means that the handler panicked or hung and the client gave up.
func (w *world) call(method, path string, body any, header ...string) (int, map[string]any) {
	w.t.Helper()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		r = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	req := httptest.NewRequestWithContext(ctx, method, path, r)
	req.Host = "127.0.0.1"
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.service.Handler().ServeHTTP(rec, req)
	var answer map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		w.t.Fatalf("%s %s: %d %q: %v", method, path, rec.Code, rec.Body, err)
	}
	return rec.Code, answer
}

// retrying makes a request again and again, as a client with an idempotency key may, until it is answered
// with less than 500.
func (w *world) retrying(method, path string, body any, header ...string) (int, map[string]any) {
	w.t.Helper()
	for range 20 {
		if code, answer := w.call(method, path, body, header...); code < 500 {
			return code, answer
		}
		time.Sleep(time.Second) // virtual
	}
	w.t.Fatalf("%s %s is never answered", method, path)
	return 0, nil
}

// submit creates a job with a source and completes its upload.
func (w *world) submit(key, content string) (id string) {
	w.t.Helper()
	code, created := w.retrying("POST", "/v1/jobs", map[string]any{"source": map[string]any{"type": "upload"}, "pipeline": "thumbnail"}, "Idempotency-Key", key)
	if code != http.StatusCreated {
		w.t.Fatalf("create: %d %v", code, created)
	}
	id = created["id"].(string)
	if _, err := w.blobs.Put(w.t.Context(), "t/default/j/"+id+"/source", strings.NewReader(content), blob.PutOptions{ContentType: "video/mp4"}); err != nil {
		w.t.Fatal(err)
	}
	if code, done := w.retrying("POST", "/v1/jobs/"+id+"/upload/complete", nil); code != http.StatusOK {
		w.t.Fatalf("complete upload: %d %v", code, done)
	}
	return id
}

// wait lets time pass until the job has ended, and returns it.
func (w *world) wait(id string, limit time.Duration) map[string]any {
	w.t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); {
		code, j := w.retrying("GET", "/v1/jobs/"+id, nil)
		if code != http.StatusOK {
			w.t.Fatalf("get: %d %v", code, j)
		}
		switch j["state"] {
		case "completed", "failed", "cancelled":
			return j
		}
		time.Sleep(time.Second) // virtual
	}
	_, j := w.call("GET", "/v1/jobs/"+id, nil)
	w.t.Fatalf("the job has not ended after %v: %v", limit, j)
	return nil
}

// rest lets the last sweep of ended jobs happen.
func (w *world) rest() {
	time.Sleep(5 * time.Minute) // virtual
	synctest.Wait()
}

// outputs returns path -> content of what the job published, having checked that the manifest is true and
// that nothing else lies in the bucket.
func (w *world) outputs(id string) map[string]string {
	w.t.Helper()
	ctx := w.t.Context()
	prefix := "t/default/j/" + id + "/"
	r, _, err := w.blobs.Get(ctx, prefix+"manifest/1.json", blob.GetOptions{})
	if err != nil {
		w.t.Fatalf("manifest: %v", err)
	}
	defer r.Close()
	var m contract.Manifest
	if err := json.NewDecoder(r).Decode(&m); err != nil {
		w.t.Fatal(err)
	}
	want := []string{prefix + "manifest/1.json", prefix + "source"}
	got := map[string]string{}
	for _, o := range m.Outputs {
		content, head, err := w.blobs.Get(ctx, o.Key, blob.GetOptions{})
		if err != nil {
			w.t.Fatalf("output %s: %v", o.Path, err)
		}
		b, err := io.ReadAll(content)
		content.Close()
		if err != nil || int64(len(b)) != o.SizeBytes || head.SHA256 != o.SHA256 {
			w.t.Fatalf("output %s: %d bytes, sha256 %s, recorded %d, %s (%v)", o.Path, len(b), head.SHA256, o.SizeBytes, o.SHA256, err)
		}
		got[o.Path] = string(b)
		want = append(want, o.Key)
	}
	slices.Sort(want)
	if keys := w.keys(prefix); !slices.Equal(keys, want) {
		w.t.Fatalf("in the bucket lie %q, want %q", keys, want)
	}
	return got
}

func (w *world) keys(prefix string) []string {
	w.t.Helper()
	list, err := w.blobs.List(w.t.Context(), blob.ListOptions{Prefix: prefix})
	if err != nil {
		w.t.Fatal(err)
	}
	keys := make([]string, len(list))
	for i, o := range list {
		keys[i] = o.Key
	}
	return keys
}
