package worker_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/worker"
)

// moment is a point of an attempt's life that lies in an adapter.
type moment string

const (
	taskUpdated moment = "the answer of the store is under way"
	hintAcked   moment = "the ack is under way"
)

func (b *bench) at(m moment) {
	if call := b.window.Load(); call != nil {
		(*call)(m)
	}
}

// windowedTasks are the tasks of a bench.
type windowedTasks struct {
	task.Repository
	b *bench
}

func (w windowedTasks) Update(ctx context.Context, id string, change func(*task.Task) error) (task.Task, error) {
	t, err := w.Repository.Update(ctx, id, change)
	w.b.at(taskUpdated)
	return t, err
}

// windowedConsumer is the consumer of a bench.
type windowedConsumer struct {
	messaging.Consumer
	b *bench
}

func (w windowedConsumer) Consume(ctx context.Context, sub messaging.Subscription, h messaging.Handler) error {
	return w.Consumer.Consume(ctx, sub, func(ctx context.Context, d messaging.Delivery) error {
		ack := d.Ack
		d.Ack = func(ctx context.Context) error {
			w.b.at(hintAcked)
			return ack(ctx)
		}
		return h(ctx, d)
	})
}

func TestACancelIsHeardFromTheClaimOn(t *testing.T) {
	hang := func(ctx context.Context, _ worker.Attempt) (contract.TaskResult, error) {
		<-ctx.Done()
		ctx.Value(benchKey{}).(*bench).ended <- context.Cause(ctx)
		return contract.TaskResult{}, ctx.Err()
	}
	for _, m := range []moment{taskUpdated, hintAcked} {
		t.Run(string(m), func(t *testing.T) {
			inBubble(t, hang, func(t *testing.T, b *bench) {
				id := task.ID("job", "s", 0)
				var once sync.Once
				window := func(at moment) {
					if at != m {
						return
					}
					once.Do(func() {
						if _, err := b.tasks.Update(t.Context(), id, func(t *task.Task) error { t.Cancel(time.Now()); return nil }); err != nil {
							t.Error(err)
						}
						b.publish(contract.NewCancel("/test", "job", "acme", contract.CancelTasks{Step: "s"}, time.Now()), messaging.CancelRoute)
						time.Sleep(time.Second) // virtual: the broadcast is faster than what the worker waits for
					})
				}
				b.window.Store(&window)
				synctest.Wait() // the worker listens
				start := time.Now()
				b.send("s")
				if cause := <-b.ended; !errors.Is(cause, task.ErrLeaseLost) {
					t.Errorf("cause = %v", cause)
				}
				if took := time.Since(start); took > time.Second {
					t.Errorf("the work went on until %v after the cancel, want it to end as it begins", took)
				}
				synctest.Wait()
				if got := b.get(id); got.State != task.Cancelled {
					t.Errorf("task = %s", got.State)
				}
			})
		})
	}
}

func TestACancelOfAnotherStepEndsNoWork(t *testing.T) {
	inBubble(t, storeAndHang, func(t *testing.T, b *bench) {
		tk := b.send("s")
		synctest.Wait()
		before := b.get(tk.ID)
		b.publish(contract.NewCancel("/test", "job", "acme", contract.CancelTasks{Step: "t"}, time.Now()), messaging.CancelRoute)
		time.Sleep(time.Second) // virtual
		if got := b.get(tk.ID); got.Version != before.Version || len(b.ended) != 0 {
			t.Errorf("a cancel of another step made the worker look at the task (version %d, then %d)", before.Version, got.Version)
		}
	})
}
