package worker_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/worker"
)

// losing makes the n-th save of a task take place and its answer get lost; then is called at that moment.
func (b *bench) losing(n int64, then func()) {
	var saves atomic.Int64
	fate := func(op string) faultinject.Kind {
		if op != "tasks.save" || saves.Add(1) != n {
			return faultinject.None
		}
		then()
		return faultinject.DidButError
	}
	b.fate.Store(&fate)
}

func TestOutputsOfASuccessWhoseAnswerWasLostStay(t *testing.T) {
	for name, outage := range map[string]time.Duration{
		"and the store answers again":        0,
		"and the store is away for a minute": time.Minute,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, storeOne, func(t *testing.T, b *bench) {
				b.losing(2, func() { b.storeDown.Store(outage > 0) }) // the first claims, the second records
				tk := b.send("s")
				time.Sleep(outage + time.Second) // virtual
				b.storeDown.Store(false)
				synctest.Wait()
				got := b.get(tk.ID)
				if got.State != task.Succeeded {
					t.Fatalf("task = %s, %v", got.State, got.Error)
				}
				var r contract.TaskResult
				if err := json.Unmarshal(got.Result, &r); err != nil {
					t.Fatal(err)
				}
				if kept := b.outputs(); len(r.Outputs) != 1 || len(kept) != 1 || kept[0] != r.Outputs[0].Key {
					t.Errorf("stored are %v, the task names %+v", kept, r.Outputs)
				}
				if left := b.left(); len(left) > 0 {
					t.Errorf("left in scratch: %v", left)
				}
			})
		})
	}
}

func TestAClaimWhoseAnswerWasLostIsWorkedOn(t *testing.T) {
	inBubble(t, storeOne, func(t *testing.T, b *bench) {
		b.losing(1, func() {})
		tk := b.send("s")
		time.Sleep(5 * time.Second) // virtual
		if got := b.get(tk.ID); got.State != task.Succeeded || got.Fence != 1 || got.Crashes != 0 {
			t.Errorf("task = %s at fence %d after %d crashes, lease %+v", got.State, got.Fence, got.Crashes, got.Lease)
		}
	})
}

func TestTwoHintsAtATimeMakeOneAttempt(t *testing.T) {
	inBubble(t, storeAndHang, func(t *testing.T, b *bench) {
		b.losing(1, func() {})
		b.hint(b.send("s"))
		synctest.Wait()
		time.Sleep(5 * time.Second) // virtual
		if left := b.left(); len(left) != 1 {
			t.Errorf("%d attempts of one task are under way", len(left))
		}
	})
}

func TestAStaleHintIsDroppedAfterOneLook(t *testing.T) {
	inBubble(t, storeOne, func(t *testing.T, b *bench) {
		tk := b.send("s")
		synctest.Wait()
		var looks atomic.Int64
		fate := func(op string) faultinject.Kind {
			if op == "tasks.get" {
				looks.Add(1)
			}
			return faultinject.None
		}
		b.fate.Store(&fate)
		b.hint(tk)
		time.Sleep(5 * time.Second) // virtual
		if n := looks.Load(); n != 1 {
			t.Errorf("the worker looked at a task that had ended %d times", n)
		}
	})
}

func TestATroubledClaimKeepsNoOtherSlotIdle(t *testing.T) {
	inBubble(t, func(ctx context.Context, _ worker.Attempt) (contract.TaskResult, error) {
		<-ctx.Done()
		return contract.TaskResult{}, ctx.Err()
	}, func(t *testing.T, b *bench) {
		var looks atomic.Int64
		fate := func(op string) faultinject.Kind {
			if op == "tasks.get" && looks.Add(1) <= 4 { // more often than a claim is tried at a time
				return faultinject.Error
			}
			return faultinject.None
		}
		b.fate.Store(&fate)
		first := b.send("s")
		time.Sleep(15 * time.Second) // virtual
		second := b.send("t")
		time.Sleep(5 * time.Second) // virtual
		if one, two := b.get(first.ID).State, b.get(second.ID).State; one != task.Running || two != task.Running {
			t.Errorf("tasks = %s and %s, want both to be worked on", one, two)
		}
	})
}
