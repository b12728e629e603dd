package messagingtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/membroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a publisher that remembers.
type recorder struct{ ids []string }

func (r *recorder) Publish(_ context.Context, batch ...messaging.Message) error {
	for _, m := range batch {
		r.ids = append(r.ids, m.ID)
	}
	return nil
}

func chaosRun(t *testing.T, cfg ChaosConfig, messages int) []string {
	t.Helper()
	r := &recorder{}
	c := NewChaos(r, cfg)
	for i := range messages {
		if err := c.Publish(t.Context(), messaging.Message{ID: fmt.Sprintf("m%03d", i)}); err != nil {
			t.Fatalf("Publish = %v, want nil", err)
		}
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatalf("Flush = %v, want nil", err)
	}
	return r.ids
}

func TestChaosRepeatsShufflesAndDrops(t *testing.T) {
	const messages = 400
	got := chaosRun(t, ChaosConfig{Seed: 7, Drop: 0.25}, messages)
	counts := map[string]int{}
	for _, id := range got {
		counts[id]++
	}
	for id, count := range counts {
		if count != 3 {
			t.Fatalf("%s was sent %d times, want 3", id, count)
		}
	}
	if dropped := messages - len(counts); dropped < messages/6 || dropped > messages/3 {
		t.Errorf("%d of %d messages were dropped, want about a quarter", dropped, messages)
	}
	if slices.IsSorted(got) {
		t.Error("messages were sent in order, want them shuffled")
	}
	if again := chaosRun(t, ChaosConfig{Seed: 7, Drop: 0.25}, messages); !slices.Equal(got, again) {
		t.Error("the same seed gave another sequence")
	}
	if other := chaosRun(t, ChaosConfig{Seed: 8, Drop: 0.25}, messages); slices.Equal(got, other) {
		t.Error("another seed gave the same sequence")
	}
}

func TestChaosHoldsBackNoMoreThanItsWindow(t *testing.T) {
	r := &recorder{}
	c := NewChaos(r, ChaosConfig{Copies: 1, Window: 4})
	for i := range 100 {
		_ = c.Publish(t.Context(), messaging.Message{ID: fmt.Sprint(i)})
		if held := i + 1 - len(r.ids); held > 4 {
			t.Fatalf("%d messages are held back, want at most 4", held)
		}
	}
}

func TestChaosRunFlushesByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		c := NewChaos(r, ChaosConfig{})
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		_ = c.Publish(ctx, messaging.Message{ID: "last"})
		if err := c.Run(ctx, time.Minute); err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if len(r.ids) != 3 {
			t.Errorf("%d copies were sent, want 3", len(r.ids))
		}
	})
}

func TestFaultyPublish(t *testing.T) {
	for kind, want := range map[faultinject.Kind]struct {
		sent bool
		err  error
	}{
		faultinject.None:        {true, nil},
		faultinject.Error:       {false, faultinject.ErrInjected},
		faultinject.DidButError: {true, messaging.ErrUnconfirmed},
		faultinject.Hang:        {false, context.DeadlineExceeded},
		faultinject.Panic:       {false, faultinject.ErrInjected},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				top, n := newTopology(t)
				b, err := membroker.New(top, membroker.Config{})
				if err != nil {
					t.Fatal(err)
				}
				inject, _ := faultinject.Nth(1, kind)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err = func() (err error) {
					defer func() {
						if v, ok := recover().(error); ok {
							err = v
						}
					}()
					return Faulty(b, inject).Publish(ctx, n.work("a"), n.work("b"))
				}()
				if !errors.Is(err, want.err) {
					t.Errorf("Publish = %v, want %v", err, want.err)
				}
				if failed, ok := errors.AsType[*messaging.PublishError](err); ok && len(failed.Errs) != 2 {
					t.Errorf("Publish = %d results, want 2", len(failed.Errs))
				}
				got := received(t, b, n)
				if sent := len(got) == 2; sent != want.sent {
					t.Errorf("queued = %v, want the batch to be sent: %t", got, want.sent)
				}
			})
		})
	}
}

// received returns the ids of what lies in the work queue.
func received(t *testing.T, c messaging.Consumer, n names) (ids []string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := c.Consume(ctx, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
		ids = append(ids, d.ID)
		return nil
	})
	if err != nil {
		t.Errorf("Consume = %v, want nil", err)
	}
	return ids
}

func TestFaultyAckLeavesTheMessageToItsHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		top, n := newTopology(t)
		b, err := membroker.New(top, membroker.Config{})
		if err != nil {
			t.Fatal(err)
		}
		publish(t, b, n.work("a"))
		inject, calls := faultinject.Nth(1, faultinject.Error)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var acks []error
		err = Faulty(b, inject).Consume(ctx, messaging.Subscription{Queue: n.queue, Concurrency: 1}, func(ctx context.Context, d messaging.Delivery) error {
			err := d.Ack(ctx)
			acks = append(acks, err)
			return err // transient: the same delivery is tried again
		})
		if err != nil {
			t.Errorf("Consume = %v, want nil", err)
		}
		if len(acks) != 2 || !errors.Is(acks[0], faultinject.ErrInjected) || acks[1] != nil || calls() != 2 {
			t.Errorf("acks = %v after %d calls, want one that fails and one that does not", acks, calls())
		}
	})
}
