package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/memblob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/databasetest"
	"github.com/reelmill/reelmill/pkg/database/memory"
	"github.com/reelmill/reelmill/pkg/database/taskstore"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/membroker"
	"github.com/reelmill/reelmill/pkg/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is one worker with everything around it in memory; it lives in a bubble.
type bench struct {
	t       *testing.T
	tasks   *taskstore.Tasks
	workers *taskstore.Workers
	blobs   *memblob.Store
	broker  *membroker.Broker
	scratch string
	replies chan contract.Envelope
	// ended gets why the work of storeAndHang was ended.
	ended chan error
	// storeDown makes every database call of the worker fail while it is set.
	storeDown atomic.Bool
	// fate, where set, says what becomes of each database call of the worker otherwise; see databasetest.Faulty.
	fate atomic.Pointer[func(op string) faultinject.Kind]
	// window, where set, is called by the worker's adapters at the moment of which it is told.
	window atomic.Pointer[func(moment)]
	stop   func() error
}

// processor is what a Processor does.
type processor func(ctx context.Context, a worker.Attempt) (contract.TaskResult, error)

// benchKey finds the bench in the context of its processor: channels must be made inside the bubble.
type benchKey struct{}

// bound is a Processor whose work knows its bench.
type bound struct {
	b *bench
	p processor
}

func (p bound) Process(ctx context.Context, a worker.Attempt) (contract.TaskResult, error) {
	return p.p(context.WithValue(ctx, benchKey{}, p.b), a)
}

func startWorker(t *testing.T, p processor) *bench {
	t.Helper()
	broker, err := membroker.New(messaging.System(), membroker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, blobs: memblob.New(memblob.Config{}), broker: broker, scratch: t.TempDir(), replies: make(chan contract.Envelope, 100), ended: make(chan error, 1)}
	db := memory.New()
	b.tasks, b.workers = openStores(t, db)
	seenTasks, seenWorkers := openStores(t, databasetest.Faulty(db, func(op string) faultinject.Kind {
		if b.storeDown.Load() {
			return faultinject.Error
		}
		if fate := b.fate.Load(); fate != nil {
			return (*fate)(op)
		}
		return faultinject.None
	}))
	w, err := worker.New(worker.Config{Kind: contract.KindThumbnail, Name: "test-worker", Scratch: b.scratch, Slots: 2}, worker.Deps{
		Tasks: windowedTasks{seenTasks, b}, Workers: seenWorkers, Blobs: b.blobs, Publisher: broker, Consumer: windowedConsumer{broker, b}, Processor: bound{b, p}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done, listening := make(chan error, 1), make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	go func() {
		listening <- broker.Consume(ctx, messaging.Subscription{Queue: contract.QueueReply, Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
			env, err := contract.DecodeEnvelope(d.Body)
			if err == nil {
				b.replies <- env
			}
			return err
		})
	}()
	b.stop = func() error {
		cancel()
		return errors.Join(<-done, <-listening)
	}
	return b
}

func openStores(t *testing.T, db database.Database) (*taskstore.Tasks, *taskstore.Workers) {
	t.Helper()
	tasks, err1 := taskstore.OpenTasks(t.Context(), db)
	workers, err2 := taskstore.OpenWorkers(t.Context(), db)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return tasks, workers
}

var limits = task.Limits{MaxAttempts: 3, MaxCrashes: 2, StartToClose: 10 * time.Minute, HintTimeout: 30 * time.Second, BackoffBase: time.Second, BackoffCap: time.Minute}

// send makes a task of the step and sends its hint.
func (b *bench) send(step string) task.Task {
	b.t.Helper()
	src, err := b.blobs.Put(b.t.Context(), "t/acme/j/job/source", strings.NewReader("content"), blob.PutOptions{ContentType: "video/mp4"})
	if err != nil {
		b.t.Fatal(err)
	}
	spec, err := json.Marshal(contract.ThumbnailSpec{Source: contract.SourceRef{Key: src.Key, ETag: src.ETag, SizeBytes: src.SizeBytes}})
	if err != nil {
		b.t.Fatal(err)
	}
	tk, err := task.New(task.Plan{Tenant: "acme", JobID: "job", Step: step, Kind: contract.KindThumbnail, Limits: limits, Spec: spec}, time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.tasks.Insert(b.t.Context(), tk); err != nil {
		b.t.Fatal(err)
	}
	b.hint(tk)
	return tk
}

func (b *bench) hint(tk task.Task) {
	b.t.Helper()
	b.publish(contract.NewCommand(tk.Kind, "/test", tk.JobID, tk.Tenant, contract.RunTask{TaskID: tk.ID, Attempt: tk.Attempt}, time.Now()), messaging.CommandRoute(tk.Kind))
}

func (b *bench) publish(env contract.Envelope, route messaging.Route) {
	b.t.Helper()
	m, err := messaging.Encode(env, route)
	if err == nil {
		err = b.broker.Publish(b.t.Context(), m)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) get(id string) task.Task {
	b.t.Helper()
	tk, err := b.tasks.Get(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return tk
}

// outputs returns the keys below the job's outputs.
func (b *bench) outputs() []string {
	b.t.Helper()
	list, err := b.blobs.List(b.t.Context(), blob.ListOptions{Prefix: "t/acme/j/job/a/"})
	if err != nil {
		b.t.Fatal(err)
	}
	var keys []string
	for _, o := range list {
		keys = append(keys, o.Key)
	}
	return keys
}

// left returns what lies in the scratch folder of attempts.
func (b *bench) left() []string {
	b.t.Helper()
	left, err := filepath.Glob(filepath.Join(b.scratch, "w-*", "a-*"))
	if err != nil {
		b.t.Fatal(err)
	}
	return left
}

// storeOne stores one file as the attempt's output.
func storeOne(ctx context.Context, a worker.Attempt) (contract.TaskResult, error) {
	path := filepath.Join(a.Scratch(), "x")
	if err := os.WriteFile(path, []byte("made"), 0o600); err != nil {
		return contract.TaskResult{}, err
	}
	o, err := a.Store(ctx, path, contract.Output{Path: a.Task().Step + "/x.jpg", Kind: "poster", MediaType: "image/jpeg"})
	return contract.TaskResult{Outputs: []contract.Output{o}}, err
}

// storeAndHang stores one file and then works until it is told to stop.
func storeAndHang(ctx context.Context, a worker.Attempt) (contract.TaskResult, error) {
	if _, err := storeOne(ctx, a); err != nil {
		return contract.TaskResult{}, err
	}
	<-ctx.Done()
	ctx.Value(benchKey{}).(*bench).ended <- context.Cause(ctx)
	return contract.TaskResult{}, ctx.Err()
}

func inBubble(t *testing.T, p processor, test func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := startWorker(t, p)
		test(t, b)
		if err := b.stop(); err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if left, err := os.ReadDir(b.scratch); err != nil || len(left) > 0 {
			t.Errorf("left in scratch after the end: %v (%v)", left, err)
		}
	})
}

func TestAnAttemptThatSucceedsIsRecordedAndReported(t *testing.T) {
	inBubble(t, func(ctx context.Context, a worker.Attempt) (contract.TaskResult, error) {
		path, err := a.Source(ctx, sourceOf(a))
		if err != nil {
			return contract.TaskResult{}, err
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "content" || filepath.Base(path) != "src" {
			return contract.TaskResult{}, fmt.Errorf("source %s = %q, %v", path, got, err)
		}
		return storeOne(ctx, a)
	}, func(t *testing.T, b *bench) {
		tk := b.send("s")
		synctest.Wait()
		got := b.get(tk.ID)
		if got.State != task.Succeeded || got.Fence != 1 || got.Progress != 1000 {
			t.Fatalf("task = %+v", got)
		}
		var r contract.TaskResult
		if err := json.Unmarshal(got.Result, &r); err != nil {
			t.Fatal(err)
		}
		const digest = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73" // sha256 of "content"
		if r.SourceSHA256 != digest || r.Usage.BytesIn != 7 || r.Usage.BytesOut != 4 {
			t.Errorf("result = %+v", r)
		}
		if want := "t/acme/j/job/a/1-1/s/0/x.jpg"; len(b.outputs()) != 1 || r.Outputs[0].Key != want || b.outputs()[0] != want {
			t.Errorf("outputs = %v, result %+v", b.outputs(), r.Outputs)
		}
		// That the attempt began is only told if it lasts long enough.
		var types []string
		for len(b.replies) > 0 {
			types = append(types, (<-b.replies).Type)
		}
		if len(types) == 0 || types[len(types)-1] != contract.KindThumbnail.CompletedType() {
			t.Errorf("replies = %v", types)
		}
		if left := b.left(); len(left) > 0 {
			t.Errorf("left in scratch: %v", left)
		}
		b.hint(tk) // a duplicate
		synctest.Wait()
		if again := b.get(tk.ID); again.Version != got.Version {
			t.Errorf("a duplicate hint changed the task from version %d to %d", got.Version, again.Version)
		}
	})
}

func sourceOf(a worker.Attempt) contract.SourceRef {
	var spec contract.ThumbnailSpec
	_ = json.Unmarshal(a.Task().Spec, &spec) // made by send
	return spec.Source
}

func TestHeartbeatsHoldTheLeaseOfLongWork(t *testing.T) {
	inBubble(t, func(ctx context.Context, a worker.Attempt) (contract.TaskResult, error) {
		for i := range 9 {
			select {
			case <-ctx.Done():
				return contract.TaskResult{}, ctx.Err()
			case <-time.After(time.Minute): // virtual
			}
			a.Progress(100 * (i + 1))
		}
		return storeOne(ctx, a)
	}, func(t *testing.T, b *bench) {
		tk := b.send("s")
		for range 8 {
			time.Sleep(time.Minute + time.Second) // virtual
			got := b.get(tk.ID)
			if got.State != task.Running || !got.Lease.Until.After(time.Now()) {
				t.Fatalf("after %v: %s, lease until %v", time.Since(got.StartedAt), got.State, got.Lease.Until)
			}
			if err := got.Expire(time.Now(), time.Hour, 0); err == nil {
				t.Fatal("a living attempt could be taken away")
			}
			live, err := b.workers.Live(t.Context(), time.Now().Add(-task.WorkerTTL))
			if err != nil || len(live) != 1 || len(live[0].Tasks) != 1 {
				t.Fatalf("live workers = %+v, %v", live, err)
			}
		}
		time.Sleep(2 * time.Minute) // virtual
		if got := b.get(tk.ID); got.State != task.Succeeded {
			t.Errorf("task = %s, %v", got.State, got.Error)
		}
	})
}

func TestACancelStopsTheWorkAndLeavesNothing(t *testing.T) {
	for _, hinted := range []bool{true, false} {
		t.Run(fmt.Sprintf("broadcast %v", hinted), func(t *testing.T) {
			inBubble(t, storeAndHang, func(t *testing.T, b *bench) {
				tk := b.send("s")
				synctest.Wait()
				if len(b.outputs()) != 1 {
					t.Fatalf("outputs before the cancel = %v", b.outputs())
				}
				start := time.Now()
				if _, err := b.tasks.Update(t.Context(), tk.ID, func(t *task.Task) error { t.Cancel(time.Now()); return nil }); err != nil {
					t.Fatal(err)
				}
				limit := 10 * time.Second // a heartbeat
				if hinted {
					b.publish(contract.NewCancel("/test", "job", "acme", contract.CancelTasks{}, time.Now()), messaging.CancelRoute)
					limit = 0
				}
				if cause := <-b.ended; !errors.Is(cause, task.ErrLeaseLost) {
					t.Errorf("cause = %v", cause)
				}
				if took := time.Since(start); took > limit {
					t.Errorf("the work went on for %v, want at most %v", took, limit)
				}
				synctest.Wait()
				if len(b.outputs()) != 0 || len(b.left()) != 0 {
					t.Errorf("left: outputs %v, scratch %v", b.outputs(), b.left())
				}
				if got := b.get(tk.ID); got.State != task.Cancelled {
					t.Errorf("task = %s", got.State)
				}
			})
		})
	}
}

func TestAWorkerThatCannotRenewItsLeaseStops(t *testing.T) {
	inBubble(t, storeAndHang, func(t *testing.T, b *bench) {
		tk := b.send("s")
		synctest.Wait()
		start := time.Now()
		b.storeDown.Store(true)
		if cause := <-b.ended; !errors.Is(cause, task.ErrLeaseLost) {
			t.Errorf("cause = %v", cause)
		}
		if took := time.Since(start); took > 45*time.Second {
			t.Errorf("a worker without its store went on for %v", took)
		}
		synctest.Wait()
		if got := b.get(tk.ID); got.State != task.Running || len(b.outputs()) != 0 {
			t.Errorf("task = %s, outputs = %v; it is the sweeper's to take away", got.State, b.outputs())
		}
		b.storeDown.Store(false)
	})
}

func TestADrainGivesTheTaskBackWithoutCountingTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startWorker(t, storeAndHang)
		tk := b.send("s")
		synctest.Wait()
		start := time.Now()
		if err := b.stop(); err != nil {
			t.Errorf("Run = %v", err)
		}
		if cause := <-b.ended; !errors.Is(cause, task.ErrDrain) {
			t.Errorf("cause = %v", cause)
		}
		if took := time.Since(start); took < 25*time.Second || took > 30*time.Second {
			t.Errorf("the drain took %v, want the 25 s of the configuration", took)
		}
		got := b.get(tk.ID)
		if got.State != task.Pending || got.Attempt != 1 || got.Executions[0].Outcome != "released" || len(b.outputs()) != 0 {
			t.Errorf("task = %+v, outputs %v", got, b.outputs())
		}
		if live, err := b.workers.Live(t.Context(), time.Time{}); err != nil || len(live) != 0 {
			t.Errorf("live workers = %v, %v", live, err)
		}
	})
}

func TestFailuresAreClassified(t *testing.T) {
	tests := []struct {
		name    string
		process processor
		state   task.State
		attempt int
		code    fault.Code
	}{
		{"what the user must mend ends the task", func(context.Context, worker.Attempt) (contract.TaskResult, error) {
			return contract.TaskResult{}, fault.New(fault.CodeSourceCorrupt, "bad")
		}, task.Failed, 1, fault.CodeSourceCorrupt},
		{"what may pass is tried again", func(context.Context, worker.Attempt) (contract.TaskResult, error) {
			return contract.TaskResult{}, fault.New(fault.CodeFFmpegFailed, "")
		}, task.Pending, 2, fault.CodeFFmpegFailed},
		{"a panic is tried again", func(context.Context, worker.Attempt) (contract.TaskResult, error) { panic("bug") }, task.Pending, 2, fault.CodeInternal},
		{"giving up without being asked to is tried again", func(context.Context, worker.Attempt) (contract.TaskResult, error) {
			return contract.TaskResult{}, context.Canceled
		}, task.Pending, 2, fault.CodeInternal},
		{"time that is used up", func(ctx context.Context, _ worker.Attempt) (contract.TaskResult, error) {
			<-ctx.Done()
			return contract.TaskResult{}, ctx.Err()
		}, task.Pending, 2, fault.CodeTaskTimeout},
		{"an output outside of the step", func(ctx context.Context, a worker.Attempt) (contract.TaskResult, error) {
			_, err := a.Store(ctx, os.DevNull, contract.Output{Path: "other/x", Kind: "k", MediaType: "m"})
			return contract.TaskResult{}, err
		}, task.Pending, 2, fault.CodeOutputInvalid},
		{"a source that was replaced", func(ctx context.Context, a worker.Attempt) (contract.TaskResult, error) {
			ref := sourceOf(a)
			ref.ETag = "another"
			_, err := a.Source(ctx, ref)
			return contract.TaskResult{}, err
		}, task.Failed, 1, fault.CodeSourceChanged},
		{"a source that is gone", func(ctx context.Context, a worker.Attempt) (contract.TaskResult, error) {
			_, err := a.Source(ctx, contract.SourceRef{Key: "none", ETag: "x", SizeBytes: 1})
			return contract.TaskResult{}, err
		}, task.Failed, 1, fault.CodeSourceNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, tt.process, func(t *testing.T, b *bench) {
				tk := b.send("s")
				time.Sleep(limits.StartToClose + time.Second) // virtual
				synctest.Wait()
				got := b.get(tk.ID)
				if got.State != tt.state || got.Attempt != tt.attempt || got.Error == nil || got.Error.Code != tt.code {
					t.Errorf("task = %s, attempt %d, error %+v", got.State, got.Attempt, got.Error)
				}
				if len(b.outputs()) != 0 {
					t.Errorf("outputs = %v", b.outputs())
				}
			})
		})
	}
}

func TestAHintThatCannotBeReadIsParkedAfterOneDelivery(t *testing.T) {
	inBubble(t, storeOne, func(t *testing.T, b *bench) {
		m := messaging.Message{ID: "bad", Exchange: contract.ExchangeCommand, RoutingKey: contract.KindThumbnail.CommandKey(), Body: []byte("{"), Mandatory: true}
		if err := b.broker.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		parked, err := b.broker.Inspect(t.Context(), contract.KindThumbnail.ParkQueue(), 10)
		if err != nil || len(parked) != 1 || parked[0].Code != string(fault.CodeMessageMalformed) {
			t.Errorf("parked = %+v, %v", parked, err)
		}
	})
}
