package inmemory

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/database/databasetest"
	"github.com/reelmill/reelmill/pkg/worker"
)

// TestAnOutageThatBeginsWithARecordedOutcome: the save of a success takes place, its answer is lost, and the
// database stays away for longer than the worker tries to record it.
func TestAnOutageThatBeginsWithARecordedOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var armed, down atomic.Bool
		w := start(t, func(p ports) ports {
			p.db = databasetest.Faulty(p.db, func(op string) faultinject.Kind {
				switch {
				case down.Load():
					return faultinject.Error
				case op == "tasks.save" && armed.CompareAndSwap(true, false):
					down.Store(true)
					return faultinject.DidButError
				}
				return faultinject.None
			})
			return p
		})
		defer w.stop()
		w.processor.fail = func(context.Context, worker.Attempt) error {
			armed.Store(true) // the next save of a task records its outcome: a heartbeat is not due yet
			return nil
		}
		id := w.submit("k", "content")
		time.Sleep(75 * time.Second) // virtual
		down.Store(false)
		if j := w.wait(id, 30*time.Minute); j["state"] != "completed" {
			t.Fatalf("the job is %v: %v", j["state"], j["error"])
		}
		w.rest()
		w.outputs(id) // says what is missing, and what is too much
	})
}
