package system

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"golang.org/x/sync/errgroup"

	"github.com/reelmill/reelmill/pkg/blob/s3blob"
	"github.com/reelmill/reelmill/pkg/chassis/httpserver"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry/telemetrytest"
	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/pkg/database/mongodb"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/rabbit"
	"github.com/reelmill/reelmill/pkg/worker/assembly"
	jobservice "github.com/reelmill/reelmill/services/job-service"
	thumbnailworker "github.com/reelmill/reelmill/services/thumbnail-worker"
)

// TestOneTraceLeadsFromTheRequestToTheStores runs job-service and a worker in this process, on the real
// servers, with a collector in memory. The client begins a trace; the request that creates the job, the
// command, the attempt, what it does at the stores, and its reply all belong to it.
func TestOneTraceLeadsFromTheRequestToTheStores(t *testing.T) {
	recorder := telemetrytest.NewRecorder(t)
	s := newSystem(t, quick, 0) // its queues are empty; its programs are not started
	s.inProcess(recorder)

	const trace, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	s.api.trace = "00-" + trace + "-" + caller + "-01"
	id := s.submit("traced", clips(t)[0], steps(onePicture))
	s.completed(id, jobDeadline)

	// What must be in the trace, and below what.
	want := []struct{ name, below string }{
		{"POST /v1/jobs", ""},
		{"insert jobs", "POST /v1/jobs"},
		{"send reelmill.cmd", "POST /v1/jobs"},
		{"thumbnail process", "POST /v1/jobs"},
		{"S3.GetObject", "thumbnail process"},
		{"S3.PutObject", "thumbnail process"},
		{"update tasks", "thumbnail process"},
		{"process reelmill.thumbnail.completed.v1", "thumbnail process"},
		{"find tasks", "process reelmill.thumbnail.completed.v1"},
	}
	testenv.Eventually(t, soon, func() error {
		spans := newForest(recorder.Spans(), trace)
		var errs []error
		for _, w := range want {
			if !spans.has(w.name, w.below) {
				errs = append(errs, fmt.Errorf("no span %q below %q", w.name, w.below))
			}
		}
		if len(errs) > 0 {
			errs = append(errs, errors.New(recorder.Tree()))
		}
		return errors.Join(errs...)
	})
}

// inProcess runs the services in this process until t ends. The system's client leads to them.
func (s *system) inProcess(recorder *telemetrytest.Recorder) {
	t, log := s.t, slog.New(slog.DiscardHandler)
	t.Helper()
	broker, err1 := rabbit.New(rabbit.Config{URLs: []string{s.amqpURI}, Topology: messaging.System(), Service: "traced", Instance: "1"})
	db, err2 := mongodb.New(mongodb.Config{URI: s.settings["REELMILL_MONGO_URI"], Database: s.settings["REELMILL_MONGO_DATABASE"], TracerProvider: recorder.TracerProvider})
	blobs, err3 := s3blob.New(s3blob.Config{Endpoint: s.settings["REELMILL_S3_ENDPOINT"], Region: s.settings["REELMILL_S3_REGION"],
		Bucket: s.settings["REELMILL_S3_BUCKET"], PathStyle: true, AccessKeyID: s.settings["REELMILL_S3_ACCESS_KEY_ID"],
		SecretAccessKey: s3blob.Secret(s.settings["REELMILL_S3_SECRET_ACCESS_KEY"]), TracerProvider: recorder.TracerProvider})
	tools, err4 := ffmpeg.Find(t.Context())
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	if err := blobs.EnsureBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	runner, err := ffmpeg.NewRunner(tools, ffmpeg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	jobs, err1 := jobservice.New(jobservice.Config{HTTP: httpserver.Config{Addr: strings.TrimPrefix(s.api.base, "http://")}}, jobservice.Deps{
		Database: db, Blobs: blobs, Presigner: blobs, Uploads: blobs, Publisher: broker, Consumer: broker, Log: log,
		TracerProvider: recorder.TracerProvider, Registerer: prometheus.NewRegistry()})
	worker, err2 := thumbnailworker.New(thumbnailworker.Config{Scratch: filepath.Join(t.TempDir(), "scratch")}, thumbnailworker.Deps{FFmpeg: runner, Deps: assembly.Deps{
		Database: db, Blobs: blobs, Publisher: broker, Consumer: broker, Log: log,
		TracerProvider: recorder.TracerProvider, Registerer: prometheus.NewRegistry()}})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var services, support errgroup.Group
	connected, disconnect := context.WithCancel(context.Background())
	support.Go(func() error { return broker.Run(connected) })
	services.Go(func() error { return jobs.Run(ctx) })
	services.Go(func() error { return worker.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		err := services.Wait()
		disconnect()
		closing, done := context.WithTimeout(context.Background(), 10*time.Second)
		defer done()
		if err := errors.Join(err, support.Wait(), db.Close(closing), blobs.Close()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

// forest holds the spans of one trace.
type forest struct {
	byID map[string]sdktrace.ReadOnlySpan
}

func newForest(spans []sdktrace.ReadOnlySpan, trace string) forest {
	f := forest{byID: map[string]sdktrace.ReadOnlySpan{}}
	for _, s := range spans {
		if s.SpanContext().TraceID().String() == trace {
			f.byID[s.SpanContext().SpanID().String()] = s
		}
	}
	return f
}

// has reports whether there is a span of that name, below one of the other name where that is not empty.
func (f forest) has(name, below string) bool {
	for _, s := range f.byID {
		if s.Name() != name {
			continue
		}
		if below == "" {
			return true
		}
		for p, ok := f.byID[s.Parent().SpanID().String()]; ok; p, ok = f.byID[p.Parent().SpanID().String()] {
			if p.Name() == below {
				return true
			}
		}
	}
	return false
}
