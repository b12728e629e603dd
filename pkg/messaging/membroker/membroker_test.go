package membroker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/messaging/membroker"
	"github.com/reelmill/reelmill/pkg/messaging/messagingtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	messagingtest.Run(t, messagingtest.Features{}, func(t *testing.T, top messaging.Topology) messagingtest.Connect {
		b, err := membroker.New(top, membroker.Config{})
		if err != nil {
			t.Fatalf("New: %v", err)
		}
		return func(*testing.T) messagingtest.Client { return b }
	})
}

func topology(limit int) messaging.Topology {
	return messaging.Topology{
		Exchanges: []messaging.Exchange{{Name: "cmd", Kind: messaging.Direct}, {Name: "event", Kind: messaging.Topic}, {Name: "park", Kind: messaging.Direct}},
		Queues: []messaging.Queue{
			{Name: "lot", Exchange: "park", RoutingKey: "parked"},
			{Name: "work", Exchange: "cmd", RoutingKey: "work", ParkExchange: "park", ParkRoutingKey: "parked", DeliveryLimit: limit},
		},
	}
}

func TestAnOutageOfADayInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := membroker.New(topology(1_000_000), membroker.Config{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Hour)
		defer cancel()
		start := time.Now()
		for i := range 10 {
			if err := b.Publish(ctx, messaging.Message{ID: fmt.Sprint(i), Exchange: "cmd", RoutingKey: "work", Mandatory: true}); err != nil {
				t.Fatal(err)
			}
		}
		var mu sync.Mutex
		handled := map[string]time.Duration{}
		err = b.Consume(ctx, messaging.Subscription{Queue: "work", Concurrency: 3}, func(_ context.Context, d messaging.Delivery) error {
			if time.Since(start) < 24*time.Hour {
				return errors.New("database is down")
			}
			mu.Lock()
			defer mu.Unlock()
			handled[d.ID] = time.Since(start)
			return nil
		})
		if err != nil || len(handled) != 10 {
			t.Errorf("Consume = %v, %d messages handled, want all 10 after the outage", err, len(handled))
		}
		for id, at := range handled {
			if at > 24*time.Hour+time.Minute {
				t.Errorf("message %s was handled %v after the outage, want within a minute", id, at-24*time.Hour)
			}
		}
	})
}

func TestAFullQueueRefuses(t *testing.T) {
	b, err := membroker.New(topology(3), membroker.Config{QueueLimit: 2})
	if err != nil {
		t.Fatal(err)
	}
	m := messaging.Message{Exchange: "cmd", RoutingKey: "work"}
	err = b.Publish(t.Context(), m, m, m)
	failed, ok := errors.AsType[*messaging.PublishError](err)
	if !ok || failed.Errs[0] != nil || failed.Errs[1] != nil || !errors.Is(failed.Errs[2], messaging.ErrRefused) {
		t.Errorf("Publish = %v, want the third message refused", err)
	}
}

func TestAClosedBrokerIsDisconnected(t *testing.T) {
	b, err := membroker.New(topology(3), membroker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	if err := b.Publish(t.Context(), messaging.Message{Exchange: "cmd", RoutingKey: "work"}); !errors.Is(err, messaging.ErrDisconnected) {
		t.Errorf("Publish = %v, want ErrDisconnected", err)
	}
}

func TestTopics(t *testing.T) {
	for _, tt := range []struct {
		pattern, key string
		want         bool
	}{
		{"#", "", true}, {"#", "a.b.c", true}, {"a.#", "a", true}, {"a.#", "a.b.c", true}, {"a.#", "b", false},
		{"*", "a", true}, {"*", "a.b", false}, {"a.*.c", "a.b.c", true}, {"a.*.c", "a.c", false},
		{"#.c", "a.b.c", true}, {"#.b.#", "a.b.c", true}, {"#.b.#", "a.c", false}, {"a.b", "a.b", true}, {"a.b", "a.c", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			b, err := membroker.New(topology(3), membroker.Config{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			heard := make(chan string, 1)
			var listening sync.WaitGroup
			listening.Go(func() {
				if err := b.Listen(ctx, "event", tt.pattern, func(_ context.Context, m messaging.Message) { heard <- m.ID }); err != nil {
					t.Errorf("Listen = %v, want nil", err)
				}
			})
			synctest.Wait()
			if err := b.Publish(ctx, messaging.Message{ID: "x", Exchange: "event", RoutingKey: tt.key}); err != nil {
				t.Errorf("Publish = %v, want nil", err)
			}
			synctest.Wait()
			if got := len(heard) == 1; got != tt.want {
				t.Errorf("pattern %q, key %q: heard %t, want %t", tt.pattern, tt.key, got, tt.want)
			}
			cancel()
			listening.Wait()
		})
	}
}

func TestASlowListenerMissesTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := membroker.New(topology(3), membroker.Config{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		last := ""
		count := 0
		goOn := make(chan struct{})
		var listening sync.WaitGroup
		listening.Go(func() {
			_ = b.Listen(ctx, "event", "#", func(_ context.Context, m messaging.Message) {
				<-goOn
				last, count = m.ID, count+1
			})
		})
		synctest.Wait()
		for i := range 5000 {
			if err := b.Publish(ctx, messaging.Message{ID: fmt.Sprint(i), Exchange: "event", RoutingKey: "k"}); err != nil {
				t.Fatal(err)
			}
		}
		close(goOn)
		listening.Wait()
		if last != "4999" || count >= 5000 {
			t.Errorf("heard %d messages, the last was %s, want fewer than all, up to the newest", count, last)
		}
	})
}
