package lifecycle_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
)

func TestWorkOutsideRunEndsAtItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		intake, stop := context.WithCancel(context.WithValue(t.Context(), tenantKey{}, "acme"))
		work, release := lifecycle.Work(intake, 3*time.Second)
		defer release()
		stop()
		begun := time.Now()
		<-work.Done()
		if got := context.Cause(work); time.Since(begun) != 3*time.Second || got != lifecycle.ErrDrainExpired {
			t.Errorf("work ended after %v with %v, want 3s and %v", time.Since(begun), got, lifecycle.ErrDrainExpired)
		}
		if work.Value(tenantKey{}) != "acme" {
			t.Error("work lost the values of intake")
		}
	})
}

func TestWorkOutsideRunWithoutLimitEndsWithIntake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		enough := errors.New("enough")
		intake, stop := context.WithCancelCause(t.Context())
		work, release := lifecycle.Work(intake, 0)
		defer release()
		synctest.Wait()
		if work.Err() != nil {
			t.Fatal("work ended before intake")
		}
		stop(enough)
		<-work.Done()
		if got := context.Cause(work); got != enough {
			t.Errorf("cause = %v, want %v", got, enough)
		}
	})
}

func TestWorkInsideRunMayHaveAShorterLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begun := time.Now()
		err := lifecycle.Run(ctx, lifecycle.Config{}, lifecycle.Component{Name: "a", Run: func(intake context.Context) error {
			work, release := lifecycle.Work(intake, time.Second)
			defer release()
			<-work.Done()
			return nil
		}})
		if took := time.Since(begun); err != nil || took != time.Second {
			t.Errorf("Run = %v after %v, want nil after 1s", err, took)
		}
	})
}

func TestTheEndOfWorkThatWasCutOffIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := lifecycle.Run(ctx, lifecycle.Config{}, lifecycle.Component{Name: "a", Run: func(intake context.Context) error {
			work, release := lifecycle.Work(intake, 0)
			defer release()
			<-work.Done()
			return work.Err() // context.Canceled, as the end of intake is
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want the failure to finish", err)
		}
	})
}

func TestReleasedWorkLeavesNothingRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a leftover goroutine is a deadlock here
		for _, limit := range []time.Duration{0, time.Hour} {
			intake, stop := context.WithCancel(t.Context())
			work, release := lifecycle.Work(intake, limit)
			release()
			if work.Err() == nil {
				t.Error("work goes on after release")
			}
			stop()
			_, release = lifecycle.Work(intake, limit)
			synctest.Wait()
			release()
		}
	})
}
