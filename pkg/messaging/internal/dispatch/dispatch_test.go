package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/messaging"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("dependency is down")

// source is a queue of a test; it is a Taker for all slots and remembers how deliveries were settled.
type source struct {
	messages chan messaging.Message
	lost     chan struct{}
	start    time.Time

	mu      sync.Mutex
	settled []string // "ack a 20s"
	fail    error    // what settling returns
}

func newSource(ids ...string) *source {
	s := &source{messages: make(chan messaging.Message, 100), lost: make(chan struct{}), start: time.Now()}
	for _, id := range ids {
		s.messages <- messaging.Message{ID: id}
	}
	return s
}

func (s *source) Take(ctx context.Context) (Taken, error) {
	select {
	case m := <-s.messages:
		settle := func(how string) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.settled = append(s.settled, fmt.Sprintf("%s %s %v", how, m.ID, time.Since(s.start).Round(time.Second)))
			return s.fail
		}
		return Taken{
			Message: m, At: time.Now(), Lost: s.lost,
			Ack:      func(context.Context) error { return settle("ack") },
			Park:     func(_ context.Context, cause error) error { return settle("park " + string(fault.CodeOf(cause))) },
			GiveBack: func(_ context.Context, blame bool) error { return settle(fmt.Sprintf("give back %t", blame)) },
		}, nil
	case <-ctx.Done():
		return Taken{}, ctx.Err()
	}
}

func (s *source) Close() {}

// run consumes for d and returns how deliveries were settled.
func (s *source) run(t *testing.T, d time.Duration, sub messaging.Subscription, handle messaging.Handler, hooks Hooks) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	Run(ctx, sub, NewGate(), func() Taker { return s }, handle, hooks)
	return s.settled
}

func TestOutcomesSettle(t *testing.T) {
	for name, tt := range map[string]struct {
		handle messaging.Handler
		want   []string
	}{
		"nil acks": {
			func(context.Context, messaging.Delivery) error { return nil },
			[]string{"ack a 0s"},
		},
		"an invalid message is parked": {
			func(context.Context, messaging.Delivery) error { return fault.New(fault.CodeMessageMalformed, "") },
			[]string{"park message_malformed a 0s"},
		},
		"what the handler settled is settled": {
			func(ctx context.Context, d messaging.Delivery) error {
				return errors.Join(d.Ack(ctx), d.Ack(ctx), errDown)
			},
			[]string{"ack a 0s"},
		},
		"an error without a class is held for 20 seconds": {
			func(context.Context, messaging.Delivery) error { return errDown },
			[]string{"give back true a 20s"},
		},
		"a cancellation is not the message's fault": {
			func(context.Context, messaging.Delivery) error { return context.Canceled },
			[]string{"give back true a 20s"},
		},
		"a panic is held as well": {
			func(context.Context, messaging.Delivery) error { panic("broken") },
			[]string{"give back true a 20s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := newSource("a").run(t, time.Minute, messaging.Subscription{Concurrency: 2}, tt.handle, Hooks{})
				if !slices.Equal(got, tt.want) {
					t.Errorf("settled = %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestPanicReachesTheHookWithItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failures []error
		tries := 0
		got := newSource("a").run(t, time.Minute, messaging.Subscription{Concurrency: 1}, func(context.Context, messaging.Delivery) error {
			if tries++; tries == 1 {
				panic("broken")
			}
			return nil
		}, Hooks{Failed: func(err error) { failures = append(failures, err) }})
		if len(failures) != 1 {
			t.Fatalf("failures = %v, want one", failures)
		}
		p, ok := errors.AsType[*PanicError](failures[0])
		if !ok || p.Value != "broken" || len(p.Stack) == 0 {
			t.Errorf("failure = %v, want the panic with its stack", failures[0])
		}
		if len(got) != 1 || tries != 2 {
			t.Errorf("settled = %v after %d tries, want an ack after 2", got, tries)
		}
	})
}

func TestOutageIsProbedNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const outage = 3 * time.Minute
		s := newSource("a", "b", "c", "d", "e", "f", "g", "h")
		tries := map[string]int{}
		var mu sync.Mutex
		got := s.run(t, 10*time.Minute, messaging.Subscription{Concurrency: 2}, func(_ context.Context, d messaging.Delivery) error {
			mu.Lock()
			defer mu.Unlock()
			tries[d.ID]++
			if time.Since(s.start) < outage {
				return errDown
			}
			return nil
		}, Hooks{})
		total, givenBack := 0, 0
		for _, n := range tries {
			total += n
		}
		for _, how := range got {
			if how[:3] != "ack" {
				givenBack++
			}
		}
		// Both slots try a few times within each hold of 20 seconds.
		if total > 250 {
			t.Errorf("the handler was called %d times in %v, want it to be spared", total, outage)
		}
		if givenBack > 2*int(outage/(20*time.Second)) {
			t.Errorf("%d deliveries were given back, want at most one for each slot and hold", givenBack)
		}
	})
}

func TestOthersWaitWhileOneSlotIsInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource("bad")
		began := map[string]time.Duration{}
		tries := 0
		var mu sync.Mutex
		_ = s.run(t, time.Minute, messaging.Subscription{Concurrency: 3}, func(_ context.Context, d messaging.Delivery) error {
			mu.Lock()
			defer mu.Unlock()
			if _, seen := began[d.ID]; !seen {
				began[d.ID] = time.Since(s.start)
			}
			if d.ID != "bad" {
				return nil
			}
			// From its second try on the trouble is known: before that another slot may rightly take what comes.
			if tries++; tries == 2 {
				s.messages <- messaging.Message{ID: "good"}
			}
			if time.Since(s.start) < 10*time.Second {
				return errDown
			}
			return nil
		}, Hooks{})
		if at, taken := began["good"]; !taken || at < 10*time.Second {
			t.Errorf("the good message was taken after %v (%v), want it to wait until the trouble is over", at, taken)
		}
	})
}

func TestLostDeliveriesAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource("a")
		tries := 0
		got := s.run(t, time.Minute, messaging.Subscription{Concurrency: 1}, func(context.Context, messaging.Delivery) error {
			if tries++; tries == 1 {
				close(s.lost)
			}
			return errDown
		}, Hooks{})
		if len(got) != 0 {
			t.Errorf("settled = %v, want nothing: the broker has taken it back", got)
		}
	})
}

func TestStopGivesBackWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := newSource("a").run(t, 5*time.Second, messaging.Subscription{Concurrency: 1}, func(context.Context, messaging.Delivery) error {
			return errDown
		}, Hooks{})
		if want := []string{"give back false a 5s"}; !slices.Equal(got, want) {
			t.Errorf("settled = %v, want %v", got, want)
		}
	})
}

func TestDrain(t *testing.T) {
	for name, tt := range map[string]struct {
		work time.Duration // how long the handler needs
		want []string
		end  time.Duration
	}{
		"work that ends in time is settled": {30 * time.Second, []string{"ack a 30s"}, 30 * time.Second},
		"work that does not is cut off":     {time.Hour, []string{"give back false a 40s"}, 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSource("a")
				var cause error
				got := s.run(t, 10*time.Second, messaging.Subscription{Concurrency: 1, DrainTimeout: 30 * time.Second}, func(ctx context.Context, _ messaging.Delivery) error {
					select {
					case <-time.After(tt.work):
						return nil
					case <-ctx.Done():
						cause = context.Cause(ctx)
						return ctx.Err()
					}
				}, Hooks{})
				if !slices.Equal(got, tt.want) || time.Since(s.start) != tt.end {
					t.Errorf("settled = %v, returned after %v, want %v after %v", got, time.Since(s.start), tt.want, tt.end)
				}
				if cut := tt.work > time.Minute; cut != errors.Is(cause, ErrDrainExpired) {
					t.Errorf("cause = %v", cause)
				}
			})
		})
	}
}

func TestUnsettledIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource("a", "b")
		s.fail = errors.New("connection is gone")
		var unsettled, parked int
		s.run(t, time.Minute, messaging.Subscription{Concurrency: 1}, func(_ context.Context, d messaging.Delivery) error {
			if d.ID == "a" {
				return nil
			}
			return fault.New(fault.CodeMessageMalformed, "")
		}, Hooks{Unsettled: func(error) { unsettled++ }, Parked: func(error) { parked++ }})
		if unsettled != 2 || parked != 0 {
			t.Errorf("unsettled = %d, parked = %d, want 2 and 0", unsettled, parked)
		}
	})
}
