package orchestrator_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/memblob"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/database/memory"
	"github.com/reelmill/reelmill/pkg/database/taskstore"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/services/job-service/internal/application/effects"
	"github.com/reelmill/reelmill/services/job-service/internal/application/orchestrator"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/persistence"
)

// timing is production's, but for a window that takes less to wait for.
func timing() saga.Timing {
	t := saga.DefaultTiming()
	t.UploadWindow = time.Hour
	return t
}

// bench is an orchestrator over stores in memory that runs in virtual time, with production's own figures (see timing).
type bench struct {
	*orchestrator.Orchestrator
	t     *testing.T
	jobs  *persistence.Jobs
	tasks *taskstore.Tasks
}

// begin runs an orchestrator over a broker and the wrapped object storage until the test ends.
func begin(t *testing.T, broker messaging.Publisher, wrap func(blob.Store) blob.Store) bench {
	t.Helper()
	db := memory.New()
	b := bench{t: t}
	var err error
	if b.jobs, err = persistence.OpenJobs(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if b.tasks, err = taskstore.OpenTasks(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	workers, err := taskstore.OpenWorkers(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	stored := memblob.New(memblob.Config{})
	var blobs blob.Store = stored
	if wrap != nil {
		blobs = wrap(blobs)
	}
	x := effects.New(b.tasks, workers, blobs, stored, broker, func() {})
	b.Orchestrator = orchestrator.New(b.jobs, b.tasks, slow{x}, jobstest.Still{}, jobstest.Still{}, slog.New(slog.DiscardHandler), orchestrator.Config{Timing: timing()})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return b
}

// create makes a job that waits for its upload.
func (b bench) create(id string) {
	b.t.Helper()
	p, err := pipeline.Builtin("thumbnail")
	if err != nil {
		b.t.Fatal(err)
	}
	j := timing().Create(saga.Request{ID: id, Tenant: "acme", Pipeline: p, Source: job.Source{Key: "t/acme/j/" + id + "/source"}}, time.Now())
	if err := b.jobs.Insert(b.t.Context(), j); err != nil {
		b.t.Fatal(err)
	}
	b.Wake(id)
}

func (b bench) apply(id string, events ...saga.Event) {
	b.t.Helper()
	if _, err := b.Apply(b.t.Context(), id, events...); err != nil {
		b.t.Fatal(err)
	}
	b.Wake(id)
}

func (b bench) load(id string) job.Job {
	b.t.Helper()
	j, err := b.jobs.Load(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return j
}

// until lets time pass until the job is as wanted, at most so long, and returns how long that took.
func (b bench) until(id string, most time.Duration, wanted func(job.Job) bool) time.Duration {
	b.t.Helper()
	began := time.Now()
	for !wanted(b.load(id)) {
		if time.Since(began) > most {
			j := b.load(id)
			b.t.Fatalf("after %v the job is %s with steps %+v and outbox %+v", most, j.State, j.Steps, j.Outbox)
		}
		time.Sleep(100 * time.Millisecond) // virtual
	}
	return time.Since(began)
}

// deaf is a broker that takes nothing and says so after a while, or never.
type deaf struct{ after time.Duration }

func (d deaf) Publish(ctx context.Context, _ ...messaging.Message) error {
	wait := time.NewTimer(d.after) // virtual
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-wait.C:
		return errors.New("no confirm came")
	}
}

// slow gives every effect the few milliseconds that it takes.
type slow struct{ orchestrator.Effects }

func (s slow) Execute(ctx context.Context, j job.Job, e job.Effect) (saga.Event, error) {
	time.Sleep(2 * time.Millisecond) // virtual
	return s.Effects.Execute(ctx, j, e)
}

func planned(j job.Job) bool   { return j.Steps["thumbnails"].Tasks > 0 }
func cancelled(j job.Job) bool { return j.State == job.Cancelled }

func TestABrokerThatTakesNoEventsHoldsNothingUp(t *testing.T) {
	for name, wait := range map[string]time.Duration{"it says so": 0, "it is blocked": 5 * time.Second, "it is silent": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := begin(t, deaf{wait}, nil)
				b.create("j")
				time.Sleep(2 * time.Second) // virtual: its first event is being tried
				b.apply("j", saga.SourceStored{ETag: "e", SizeBytes: 1})
				b.until("j", 31*time.Second, planned)
				// Hundreds of others whose events cannot be told either are before it.
				for i := range 400 {
					b.create(fmt.Sprintf("other-%d", i))
				}
				time.Sleep(3 * time.Minute) // virtual
				b.apply("j", saga.CancelRequested{})
				b.until("j", 31*time.Second, cancelled)
			})
		})
	}
}

// undeletable counts deletions and refuses them, as a bucket does whose policy lacks the right.
type undeletable struct {
	blob.Store
	refused *atomic.Int64
}

func (u undeletable) Delete(context.Context, ...string) error {
	u.refused.Add(1)
	return errors.New("access denied")
}

func (u undeletable) List(ctx context.Context, o blob.ListOptions) ([]blob.Object, error) {
	if o.After != "" {
		return u.Store.List(ctx, o)
	}
	return []blob.Object{{Key: o.Prefix + "source"}}, nil
}

func TestDeletionsThatFailHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refused atomic.Int64
		b := begin(t, deaf{}, func(s blob.Store) blob.Store { return undeletable{s, &refused} })
		const deleted = 300 // more than one sweep takes
		for i := range deleted {
			id := fmt.Sprintf("deleted-%d", i)
			b.create(id)
			b.apply(id, saga.CancelRequested{}, saga.DeleteRequested{})
		}
		b.create("j")
		time.Sleep(timing().UploadWindow) // virtual
		b.until("j", 2*time.Minute, func(j job.Job) bool { return j.State == job.Failed })
		// At most once a minute each, and a few times more at first.
		if n, most := int(refused.Load()), deleted*(10+60); n > most || n < deleted {
			t.Errorf("%d deletions in %v, want at most %d", n, timing().UploadWindow, most)
		}
	})
}

// silent is object storage that does not answer listings.
type silent struct{ blob.Store }

func (silent) List(ctx context.Context, _ blob.ListOptions) ([]blob.Object, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func TestWhatWasTriedIsRememberedAlsoWhereNothingAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, deaf{24 * time.Hour}, func(s blob.Store) blob.Store { return silent{s} })
		b.create("j")
		b.apply("j", saga.SourceStored{ETag: "e", SizeBytes: 1}, saga.CancelRequested{})
		b.until("j", 2*time.Minute, func(j job.Job) bool {
			tried := map[job.EffectKind]int{}
			for _, e := range j.Outbox {
				tried[e.Kind] += e.Tries
			}
			return tried[job.DeleteOutputs] > 0 && tried[job.PublishEvent] > 0
		})
	})
}

// TestALeaseIsJudgedByWhatIsHeardOfItsWorker lets a worker whose clock is wrong beat every ten seconds, and then die.
func TestALeaseIsJudgedByWhatIsHeardOfItsWorker(t *testing.T) {
	const lease, beat = 30 * time.Second, 10 * time.Second
	for _, behind := range []time.Duration{0, 15 * time.Second, 25 * time.Second, 5 * time.Minute} {
		t.Run(behind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := begin(t, deaf{}, nil)
				b.create("j")
				b.apply("j", saga.SourceStored{ETag: "e", SizeBytes: 1})
				b.until("j", time.Minute, planned)
				id := task.ID("j", "thumbnails", 0)
				if _, err := b.tasks.Update(t.Context(), id, func(k *task.Task) error { return k.Hinted(time.Now()) }); err != nil {
					t.Fatal(err)
				}
				update := func(change func(*task.Task, time.Time) error) {
					t.Helper()
					if _, err := b.tasks.Update(t.Context(), id, func(k *task.Task) error { return change(k, time.Now().Add(-behind)) }); err != nil {
						t.Fatal(err)
					}
				}
				update(func(k *task.Task, now time.Time) error { return k.Claim("w", 1, now, lease) })
				for range 30 { // five minutes, well within the time that an attempt may take
					time.Sleep(beat) // virtual
					update(func(k *task.Task, now time.Time) error { return k.Heartbeat(1, now, lease, 1) })
				}
				died := time.Now()
				for {
					k, err := b.tasks.Get(t.Context(), id)
					if err != nil {
						t.Fatal(err)
					}
					if k.State != task.Running {
						break
					}
					if time.Since(died) > lease+3*time.Second {
						t.Fatalf("a dead worker still has its task after %v", time.Since(died))
					}
					time.Sleep(100 * time.Millisecond) // virtual
				}
				if lasted := time.Since(died); lasted < 2*beat-beat/2 {
					t.Errorf("the task was taken %v after a heartbeat", lasted)
				}
			})
		})
	}
}
