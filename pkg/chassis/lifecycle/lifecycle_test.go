package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
)

var errBoom = errors.New("boom")

// untilStopped is a component that ends as soon as it is asked to.
func untilStopped(name string) lifecycle.Component {
	return lifecycle.Component{Name: name, Run: func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	}}
}

// working is a component whose work takes the given time after the stop. It
// returns the cause if the work is cut off.
func working(name string, takes time.Duration) lifecycle.Component {
	return lifecycle.Component{Name: name, Run: func(intake context.Context) error {
		work, release := lifecycle.Work(intake, 0)
		defer release()
		<-intake.Done()
		select {
		case <-time.After(takes):
			return nil
		case <-work.Done():
			return context.Cause(work)
		}
	}}
}

func failing(name string, after time.Duration, err error) lifecycle.Component {
	return lifecycle.Component{Name: name, Run: func(context.Context) error {
		time.Sleep(after)
		return err
	}}
}

func TestRunStopsCleanly(t *testing.T) {
	for name, end := range map[string]func(context.Context) error{
		"on nil":                      func(context.Context) error { return nil },
		"on the end of the context":   func(ctx context.Context) error { return ctx.Err() },
		"on its cause":                context.Cause,
		"on the end, wrapped":         func(ctx context.Context) error { return fmt.Errorf("receive: %w", ctx.Err()) },
		"on the end, joined and more": func(ctx context.Context) error { return errors.Join(ctx.Err(), context.Cause(ctx)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Hour, func() { cancel(errors.New("enough")) })
				begun := time.Now()
				err := lifecycle.Run(ctx, lifecycle.Config{}, untilStopped("a"), lifecycle.Component{Name: "b",
					Run: func(ctx context.Context) error { <-ctx.Done(); return end(ctx) }})
				if took := time.Since(begun); err != nil || took != time.Hour {
					t.Errorf("Run = %v after %v, want nil after 1h", err, took)
				}
			})
		})
	}
}

func TestRunReportsWhatIsMoreThanTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := lifecycle.Run(ctx, lifecycle.Config{}, lifecycle.Component{Name: "a",
			Run: func(ctx context.Context) error { <-ctx.Done(); return errors.Join(ctx.Err(), errBoom) }})
		if !errors.Is(err, errBoom) {
			t.Errorf("Run = %v, want %v: a real failure hides behind the end of the context", err, errBoom)
		}
	})
}

func TestRunLetsWorkFinishWithinTheDrainPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begun := time.Now()
		err := lifecycle.Run(ctx, lifecycle.Config{Drain: 10 * time.Second}, working("a", 9*time.Second), untilStopped("b"))
		if took := time.Since(begun); err != nil || took != 9*time.Second {
			t.Errorf("Run = %v after %v, want nil after 9s", err, took)
		}
	})
}

func TestRunCutsWorkOffWhenTheDrainPeriodExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begun := time.Now()
		err := lifecycle.Run(ctx, lifecycle.Config{Drain: 10 * time.Second}, working("a", time.Hour))
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("Run took %v, want 10s", took)
		}
		failure, ok := errors.AsType[*lifecycle.ComponentError](err)
		if !ok || failure.Name != "a" || !errors.Is(err, lifecycle.ErrDrainExpired) {
			t.Errorf("Run = %v, want a: %v", err, lifecycle.ErrDrainExpired)
		}
	})
}

func TestRunLeavesBehindWhatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		stuck := make(chan struct{})
		defer close(stuck)
		begun := time.Now()
		hang := func(context.Context) error { <-stuck; return nil }
		err := lifecycle.Run(ctx, lifecycle.Config{Drain: 10 * time.Second, Cutoff: time.Second},
			lifecycle.Component{Name: "deaf", Run: hang}, lifecycle.Component{Name: "base", Run: hang, Support: true},
			untilStopped("fine"))
		if took := time.Since(begun); took != 13*time.Second {
			t.Errorf("Run took %v, want drain + 3 cutoffs = 13s", took)
		}
		want := "deaf: did not return after its work was cut off\nbase: did not return after its work was cut off"
		if !errors.Is(err, lifecycle.ErrAbandoned) || err.Error() != want {
			t.Errorf("Run = %v, want %s", err, want)
		}
	})
}

func TestRunStopsAllOnTheFirstFailureAndJoinsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := errors.New("could not save")
		begun := time.Now()
		err := lifecycle.Run(t.Context(), lifecycle.Config{},
			failing("a", time.Minute, errBoom),
			lifecycle.Component{Name: "b", Run: func(ctx context.Context) error { <-ctx.Done(); return other }},
			lifecycle.Component{Name: "c", Run: func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }},
		)
		if want := "a: boom\nb: could not save"; err == nil || err.Error() != want {
			t.Errorf("Run = %v, want %s", err, want)
		}
		if !errors.Is(err, errBoom) || !errors.Is(err, other) || time.Since(begun) != time.Minute {
			t.Errorf("Run = %v after %v", err, time.Since(begun))
		}
	})
}

func TestRunTurnsPanicsIntoErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := lifecycle.Run(t.Context(), lifecycle.Config{}, untilStopped("a"),
			lifecycle.Component{Name: "b", Run: func(context.Context) error { panic(errBoom) }})
		p, ok := errors.AsType[*lifecycle.PanicError](err)
		if !ok || !errors.Is(err, errBoom) || err.Error() != "b: panic: boom" {
			t.Fatalf("Run = %v, want b: panic: boom", err)
		}
		if !strings.Contains(string(p.Stack), "TestRunTurnsPanicsIntoErrors") {
			t.Errorf("stack does not show where the panic was:\n%s", p.Stack)
		}
	})
}

func TestRunNoticesGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := lifecycle.Run(t.Context(), lifecycle.Config{},
			lifecycle.Component{Name: "a", Run: func(context.Context) error { runtime.Goexit(); return nil }})
		if want := "a: its goroutine exited without returning"; err == nil || err.Error() != want {
			t.Errorf("Run = %v, want %s", err, want)
		}
	})
}

func TestRunFailsWhenAComponentJustReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, support := range []bool{false, true} {
			quitter := failing("quitter", time.Second, nil)
			quitter.Support = support
			err := lifecycle.Run(t.Context(), lifecycle.Config{}, untilStopped("a"), quitter)
			if !errors.Is(err, lifecycle.ErrReturned) {
				t.Errorf("support %t: Run = %v, want %v", support, err, lifecycle.ErrReturned)
			}
		}
	})
}

func TestRunEndsWhenAllFiniteComponentsAreDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two, base := failing("one", time.Second, nil), failing("two", time.Minute, nil), untilStopped("base")
		one.Finite, two.Finite, base.Support = true, true, true
		var cause error
		base.Run = func(ctx context.Context) error { <-ctx.Done(); cause = context.Cause(ctx); return nil }
		begun := time.Now()
		err := lifecycle.Run(t.Context(), lifecycle.Config{}, one, two, base)
		if err != nil || time.Since(begun) != time.Minute || cause != lifecycle.ErrFinished {
			t.Errorf("Run = %v after %v, cause %v; want nil after 1m", err, time.Since(begun), cause)
		}
	})
}

func TestRunStopsSupportLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		note := func(s string) { mu.Lock(); defer mu.Unlock(); order = append(order, s) }
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := lifecycle.Run(ctx, lifecycle.Config{OnStop: func() { note("on stop") }},
			lifecycle.Component{Name: "ops", Support: true, Run: func(intake context.Context) error {
				<-intake.Done()
				note("ops told")
				return nil
			}},
			lifecycle.Component{Name: "consumer", Run: func(intake context.Context) error {
				<-intake.Done()
				note("consumer told")
				time.Sleep(5 * time.Second)
				note("consumer done")
				return nil
			}},
		)
		want := []string{"on stop", "consumer told", "consumer done", "ops told"}
		if err != nil || !slices.Equal(order, want) {
			t.Errorf("Run = %v, order %q, want %q", err, order, want)
		}
	})
}

type tenantKey struct{}

func TestRunsNest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), tenantKey{}, "acme"))
		cancel()
		begun := time.Now()
		var tenant any
		err := lifecycle.Run(ctx, lifecycle.Config{Drain: 5 * time.Second}, lifecycle.Component{Name: "outer",
			Run: func(intake context.Context) error {
				tenant = intake.Value(tenantKey{})
				return lifecycle.Run(intake, lifecycle.Config{Drain: time.Hour}, working("inner", time.Hour))
			}})
		if took := time.Since(begun); took != 5*time.Second || !errors.Is(err, lifecycle.ErrDrainExpired) {
			t.Errorf("Run = %v after %v, want the outer drain of 5s to cut off the inner work", err, took)
		}
		if want := "outer: inner: drain period expired"; err.Error() != want || tenant != "acme" {
			t.Errorf("Run = %q, value %v; want %q and acme", err, tenant, want)
		}
	})
}

func TestRunLogsTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		log := slog.New(slog.NewTextHandler(&b, nil))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = lifecycle.Run(ctx, lifecycle.Config{Log: log}, working("slow", time.Hour))
		for _, want := range []string{"msg=stopping", "msg=\"cutting off work\" cause=\"drain period expired\" components=slow", "failures=1"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("log lacks %q:\n%s", want, b.String())
			}
		}
	})
}

func TestRunRefusesComponentsThatCannotRun(t *testing.T) {
	for name, components := range map[string][]lifecycle.Component{
		"none":    nil,
		"no name": {{Run: func(context.Context) error { return nil }}},
		"no Run":  {{Name: "a"}},
		"twice":   {untilStopped("a"), untilStopped("a")},
	} {
		if err := lifecycle.Run(t.Context(), lifecycle.Config{}, components...); err == nil {
			t.Errorf("%s: Run succeeded", name)
		}
	}
}

// notComparable is an error type for which == panics.
type notComparable []string

func (notComparable) Error() string { return "list" }

func TestRunComparesNoIncomparableErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(notComparable{"a"})
		err := lifecycle.Run(ctx, lifecycle.Config{}, lifecycle.Component{Name: "a",
			Run: func(ctx context.Context) error { <-ctx.Done(); return notComparable{"a"} }})
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("Run = %v, want the component's error", err)
		}
	})
}
