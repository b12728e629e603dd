package thumbnailworker_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/memblob"
	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/database/memory"
	"github.com/reelmill/reelmill/pkg/database/taskstore"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/membroker"
	"github.com/reelmill/reelmill/pkg/worker/assembly"
	thumbnailworker "github.com/reelmill/reelmill/services/thumbnail-worker"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	goleak.VerifyTestMain(m)
}

// deadline bounds what a test waits for: generous, since it is only reached by a failure.
const deadline = 2 * time.Minute

func newDeps(t *testing.T) thumbnailworker.Deps {
	t.Helper()
	tools, err := ffmpeg.Find(t.Context())
	if fault.CodeOf(err) == fault.CodeFFmpegMissing && os.Getenv("REELMILL_TEST_REQUIRE") != "1" {
		t.Skipf("ffmpeg is missing: %v", err)
	}
	runner, err2 := ffmpeg.NewRunner(tools, ffmpeg.Config{})
	broker, err3 := membroker.New(messaging.System(), membroker.Config{})
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	return thumbnailworker.Deps{FFmpeg: runner, Deps: assembly.Deps{
		Database: memory.New(), Blobs: memblob.New(memblob.Config{}), Publisher: broker, Consumer: broker,
		Log: slog.New(slog.DiscardHandler), TracerProvider: noop.NewTracerProvider(), Registerer: prometheus.NewRegistry(),
	}}
}

// process stores the file as a source, sends the task, and returns the task at its end.
func process(t *testing.T, deps thumbnailworker.Deps, file string) task.Task {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), deadline)
	defer stop()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o, err := deps.Blobs.Put(ctx, "t/acme/j/job/source", f, blob.PutOptions{ContentType: "video/mp4"})
	if err != nil {
		t.Fatal(err)
	}
	spec, err := json.Marshal(contract.ThumbnailSpec{Source: contract.SourceRef{Key: o.Key, ETag: o.ETag, SizeBytes: o.SizeBytes},
		Params: contract.ThumbnailSets{Posters: []contract.Poster{{}}, Storyboard: &contract.Storyboard{}}})
	if err != nil {
		t.Fatal(err)
	}
	limits := task.Limits{MaxAttempts: 2, MaxCrashes: 1, StartToClose: deadline, HintTimeout: time.Minute, BackoffBase: time.Second, BackoffCap: time.Second}
	tk, err := task.New(task.Plan{Tenant: "acme", JobID: "job", Step: "thumbs", Kind: contract.KindThumbnail, Limits: limits, Spec: spec}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := taskstore.OpenTasks(ctx, deps.Database)
	if err != nil {
		t.Fatal(err)
	}
	if err := tasks.Insert(ctx, tk); err != nil {
		t.Fatal(err)
	}
	s, err := thumbnailworker.New(thumbnailworker.Config{Scratch: t.TempDir()}, deps)
	if err != nil {
		t.Fatal(err)
	}
	run(t, ctx, s, deps, tk.ID)
	if tk, err = tasks.Get(ctx, tk.ID); err != nil {
		t.Fatal(err)
	}
	return tk
}

// run runs the service until it has replied to the hint that it is sent.
func run(t *testing.T, ctx context.Context, s *thumbnailworker.Service, deps thumbnailworker.Deps, id string) {
	t.Helper()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 2)
	go func() { ended <- s.Run(ctx) }()
	go func() {
		ended <- deps.Consumer.Consume(ctx, messaging.Subscription{Queue: contract.QueueReply, Concurrency: 1},
			func(context.Context, messaging.Delivery) error { stop(); return nil })
	}()
	hint := contract.NewCommand(contract.KindThumbnail, "/test", "job", "acme", contract.RunTask{TaskID: id, Attempt: 1}, time.Now())
	m, err := messaging.Encode(hint, messaging.CommandRoute(contract.KindThumbnail))
	if err != nil {
		t.Fatal(err)
	}
	if err := deps.Publisher.Publish(ctx, m); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-ended; err != nil {
			t.Errorf("the service ended with %v", err)
		}
	}
}

func TestATaskIsCarriedOutFromHintToReply(t *testing.T) {
	deps := newDeps(t)
	tk := process(t, deps, ffmpegtest.Testsrc(t, ffmpegtest.Options{}))
	if tk.State != task.Succeeded {
		t.Fatalf("the task is %s: %+v", tk.State, tk.Error)
	}
	var res contract.TaskResult
	if err := json.Unmarshal(tk.Result, &res); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, o := range res.Outputs {
		paths = append(paths, o.Path)
		head, err := deps.Blobs.Head(t.Context(), o.Key)
		if err != nil || head.SizeBytes != o.SizeBytes || head.ContentType != o.MediaType || o.SHA256 == "" {
			t.Errorf("%s is stored as %+v, %v, want %+v", o.Path, head, err, o)
		}
	}
	if got, want := strings.Join(paths, " "), "thumbs/poster.jpg thumbs/storyboard-001.jpg thumbs/storyboard.vtt"; got != want {
		t.Errorf("outputs are %s, want %s", got, want)
	}
	if res.Tools["ffmpeg"] == "" || res.Media == nil || res.SourceSHA256 == "" || res.Usage.BytesOut == 0 || res.Usage.CPU == 0 {
		t.Errorf("the result says too little: %+v", res)
	}
}

func TestASourceThatIsRefusedFailsTheTaskAndLeavesNothing(t *testing.T) {
	deps := newDeps(t)
	tk := process(t, deps, ffmpegtest.Find(t, "html_as_mp4").File)
	if tk.State != task.Failed || tk.Error == nil || tk.Error.Code != fault.CodeSourceUnrecognized {
		t.Errorf("the task is %s with %+v, want failed with source_unrecognized", tk.State, tk.Error)
	}
	left, err := deps.Blobs.List(t.Context(), blob.ListOptions{Prefix: "t/acme/j/job/a/"})
	if err != nil || len(left) > 0 {
		t.Errorf("outputs are left: %v, %v", left, err)
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	deps := newDeps(t)
	for name, cfg := range map[string]thumbnailworker.Config{
		"REELMILL_THUMBNAIL_CONCURRENCY": {Concurrency: 1000}, "REELMILL_MAX_DURATION": {MaxDuration: 1000 * time.Hour},
		"REELMILL_THUMBNAIL_RUN_MEMORY": {RunMemory: 1},
	} {
		_, err := thumbnailworker.New(cfg, deps)
		exit, ok := errors.AsType[interface {
			error
			ExitStatus() int
		}](err)
		if !ok || exit.ExitStatus() != lifecycle.StatusMisconfigured || !strings.Contains(err.Error(), name) {
			t.Errorf("New with a bad %s = %v, want a misconfiguration that names it", name, err)
		}
	}
	deps.FFmpeg = nil
	if _, err := thumbnailworker.New(thumbnailworker.Config{}, deps); err == nil {
		t.Error("New without ffmpeg succeeds")
	}
}
