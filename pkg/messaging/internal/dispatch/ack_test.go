package dispatch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/messaging"
)

func TestOthersGoOnAsSoonAsATroubledHandlerHasAcked(t *testing.T) {
	for name, fail := range map[string]error{"well": nil, "with the connection gone": errors.New("connection is gone")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSource("long")
				s.fail = fail
				var began time.Duration
				tries := 0
				got := s.run(t, 3*time.Hour, messaging.Subscription{Concurrency: 2, DrainTimeout: time.Minute}, func(ctx context.Context, d messaging.Delivery) error {
					if d.ID != "long" {
						began = time.Since(s.start)
						return nil
					}
					if tries++; tries < 3 {
						return errDown
					}
					_ = d.Ack(ctx) // its outcome is the test's to give
					time.Sleep(time.Minute)
					s.messages <- messaging.Message{ID: "short"}
					time.Sleep(time.Hour)
					return errDown // says nothing of the delivery any more
				}, Hooks{})
				if began == 0 || began > 10*time.Minute {
					t.Errorf("the other slot took its message after %v, want it to be free since the ack (%v)", began, got)
				}
			})
		})
	}
}

func TestAnAckEndsTheRowOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource("a")
		gate := NewGate()
		for range 5 {
			gate.failed()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		Run(ctx, messaging.Subscription{Concurrency: 1}, gate, func() Taker { return s }, func(ctx context.Context, d messaging.Delivery) error {
			return errors.Join(d.Ack(ctx), errDown)
		}, Hooks{})
		if n := gate.failed(); n != 0 {
			t.Errorf("%d failures are counted in a row, want none since the ack", n)
		}
	})
}
