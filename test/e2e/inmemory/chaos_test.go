package inmemory

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/messagingtest"
	"github.com/reelmill/reelmill/pkg/worker"
)

const (
	// chaosSeeds is how many runs of each kind of chaos there are, all different.
	chaosSeeds = 25
	// chaosWindow is how many copies of messages are held back and shuffled: those of several jobs.
	chaosWindow = 24
	// chaosFlush is how long a copy may be held back.
	chaosFlush = 7 * time.Second
)

// What becomes of a job is in its source. All are of different lengths.
const (
	good     = "good"      // succeeds
	flaky    = "flaky"     // succeeds at the second attempt
	hopeless = "hopeless!" // cannot be processed
	stuck    = "endless"   // is never done; the test cancels it
)

// chaosJobs are the sources of the jobs of one run, by key, each with the number of its steps: thumbnails, or a
// film where it is 0.
var chaosJobs = map[string]struct {
	source string
	steps  int
}{
	"a": {good, 1}, "b": {good, 3}, "c": {flaky, 1}, "d": {hopeless, 1}, "e": {stuck, 1}, "f": {flaky, 2}, "g": {good, 2}, "h": {hopeless, 2}, "i": {good, 1}, "j": {stuck, 2},
	"k": {good, 0}, "l": {flaky, 0}, "m": {hopeless, 0}, "n": {stuck, 0},
}

// TestMessagesThatComeThriceInAnyOrderOrNever delivers every message, of commands, replies, cancels and
// events, three times and shuffled, and in a second run loses one in twenty as well: jobs, attempts, manifests
// and objects are those of a run without trouble.
func TestMessagesThatComeThriceInAnyOrderOrNever(t *testing.T) {
	t.Parallel()
	var want outcome
	synctest.Test(t, func(t *testing.T) { want = runJobs(t, nil) })
	if len(want.events) != len(chaosJobs) || len(want.jobs) != len(chaosJobs) {
		t.Fatalf("a run without trouble: %+v", want)
	}
	for name, drop := range map[string]float64{"thrice_shuffled": 0, "thrice_shuffled_some_lost": 0.05} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(chaosSeeds) {
				t.Run(fmt.Sprint("seed_", seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						got := runJobs(t, &messagingtest.ChaosConfig{Seed: seed, Copies: 3, Window: chaosWindow, Drop: drop})
						got.compare(t, want, drop > 0)
					})
				})
				if t.Failed() {
					return
				}
			}
		})
	}
}

// detached publishes although ctx has ended: what Chaos holds back goes out with messages of other publishers,
// whose contexts say nothing about it.
type detached struct{ messaging.Publisher }

func (d detached) Publish(ctx context.Context, batch ...messaging.Message) error {
	return d.Publisher.Publish(context.WithoutCancel(ctx), batch...)
}

// runJobs runs chaosJobs to their end, with messages delivered as chaos says, or well where it is nil.
func runJobs(t *testing.T, chaos *messagingtest.ChaosConfig) outcome {
	ctx, cancel := context.WithCancel(t.Context())
	var background sync.WaitGroup
	defer func() { cancel(); background.Wait() }()
	var consumer messaging.Consumer
	w := startKinds(t, func(p ports) ports {
		consumer = p.consumer
		if chaos != nil {
			c := messagingtest.NewChaos(detached{p.publisher}, *chaos)
			background.Go(func() { _ = c.Run(ctx, chaosFlush) })
			p.publisher = c
		}
		return p
	}, contract.KindThumbnail, contract.KindTranscode)
	defer w.stop()
	w.processor.fail = failBySource
	var events eventLog
	background.Go(func() { _ = consumer.Listen(ctx, contract.ExchangeEvent, "#", events.add) })
	synctest.Wait() // the listener listens

	ids := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(chaosJobs)) {
		ids[key] = w.create(key, chaosSteps(chaosJobs[key].steps)...)
		w.upload(ids[key], chaosJobs[key].source)
	}
	for key, id := range ids {
		if chaosJobs[key].source == stuck {
			w.cancelWhenRunning(id)
		}
	}
	for _, id := range ids {
		w.wait(id, 20*time.Minute)
	}
	w.rest()
	return w.outcome(ids, &events)
}

func chaosSteps(n int) []any {
	if n == 0 {
		return []any{filmStep}
	}
	return chain(n)
}

// failBySource makes attempts end as their source says. A hopeless film is found out when it is verified: then all
// that was made of it is the same in every run.
func failBySource(ctx context.Context, a worker.Attempt) error {
	var spec contract.TranscodeSpec // those of thumbnails have a source too
	if err := json.Unmarshal(a.Task().Spec, &spec); err != nil {
		return err
	}
	size := func(s string) bool { return spec.Source.SizeBytes == int64(len(s)) }
	switch t := a.Task(); {
	case size(hopeless) && (spec.Op == "" || spec.Op == contract.OpVerify):
		return fault.New(fault.CodeSourceUnrecognized, "hopeless by the test")
	case size(flaky) && t.Attempt == 1:
		return fault.New(fault.CodeStorageUnavailable, "flaky by the test")
	case size(stuck):
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// cancelWhenRunning cancels a job once a worker has it.
func (w *world) cancelWhenRunning(id string) {
	w.t.Helper()
	for range 600 {
		code, j := w.retrying("GET", "/v1/jobs/"+id, nil)
		if code == http.StatusOK && j["state"] == "processing" {
			if code, answer := w.retrying("POST", "/v1/jobs/"+id+"/cancel", nil); code != http.StatusAccepted {
				w.t.Fatalf("cancel: %d %v", code, answer)
			}
			return
		}
		time.Sleep(time.Second) // virtual
	}
	w.t.Fatalf("job %s never runs", id)
}
