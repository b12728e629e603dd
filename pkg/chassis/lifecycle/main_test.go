package lifecycle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv("LIFECYCLE_TEST_CHILD"); mode != "" {
		os.Exit(Main(child(mode)))
	}
	goleak.VerifyTestMain(m)
}

func TestFirstSignalEndsIntakeAndSecondCutsWorkOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal)
		restored := 0
		ctx, stop := watch(t.Context(), signals, func() { restored++ })
		defer stop()
		begun := time.Now()
		go func() {
			signals <- syscall.SIGTERM
			time.Sleep(3 * time.Second)
			signals <- syscall.SIGINT
		}()
		err := Run(ctx, Config{}, Component{Name: "a", Run: func(intake context.Context) error {
			work, release := Work(intake, 0)
			defer release()
			<-intake.Done()
			if got, ok := errors.AsType[*SignalError](context.Cause(intake)); !ok || got.Signal != syscall.SIGTERM {
				t.Errorf("intake ended with %v, want SIGTERM", context.Cause(intake))
			}
			<-work.Done()
			return context.Cause(work)
		}})
		if took := time.Since(begun); !errors.Is(err, ErrAborted) || took != 3*time.Second {
			t.Errorf("Run = %v after %v, want %v after 3s", err, took, ErrAborted)
		}
		if restored != 1 {
			t.Errorf("signals were restored %d times, want once: the third one must kill", restored)
		}
	})
}

func TestStoppedSignalsAreRestoredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for sent := range 3 {
			signals := make(chan os.Signal, 3)
			for range sent {
				signals <- syscall.SIGTERM
			}
			restored := 0
			ctx, stop := watch(t.Context(), signals, func() { restored++ })
			synctest.Wait()
			stop()
			stop()
			if ctx.Err() == nil || restored != 1 {
				t.Errorf("after %d signals: context error %v, restored %d times", sent, ctx.Err(), restored)
			}
		}
	})
}

func TestTheEndOfTheContextIsCleanUnlessWorkWasCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal)
		ctx, stop := watch(t.Context(), signals, func() {})
		defer stop()
		if got := end(ctx, context.Canceled); got == nil {
			t.Error("an error before any signal is clean")
		}
		signals <- syscall.SIGTERM
		synctest.Wait()
		if got := end(ctx, fmt.Errorf("serve: %w", ctx.Err())); got != nil {
			t.Errorf("after a signal: %v, want nil", got)
		}
		signals <- syscall.SIGTERM
		synctest.Wait()
		if got := end(ctx, ctx.Err()); got == nil {
			t.Error("aborted work is clean")
		}
	})
}

type chosen struct{ error }

func (chosen) ExitStatus() int { return 7 }

func TestReportChoosesTheStatus(t *testing.T) {
	panicked := &PanicError{Value: "boom", Stack: []byte("goroutine 1\n")}
	for name, tc := range map[string]struct {
		err    error
		status int
		text   string
	}{
		"clean":          {nil, StatusOK, ""},
		"failure":        {errors.New("no database"), StatusFailure, "mill: no database\n"},
		"misconfigured":  {fmt.Errorf("start: %w", Misconfigured(errors.New("no keys"))), StatusMisconfigured, "mill: start: no keys\n"},
		"chosen":         {errors.Join(errors.New("a"), chosen{errors.New("b")}), 7, "mill: a\nb\n"},
		"panic":          {&ComponentError{Name: "a", Err: panicked}, StatusFailure, "mill: a: panic: boom\npanic: boom\ngoroutine 1\n"},
		"panic, joined":  {errors.Join(errors.New("a"), panicked), StatusFailure, "mill: a\npanic: boom\npanic: boom\ngoroutine 1\n"},
		"nil configured": {Misconfigured(nil), StatusOK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if got := report(&b, "mill", tc.err); got != tc.status || b.String() != tc.text {
				t.Errorf("report = %d, %q; want %d, %q", got, b.String(), tc.status, tc.text)
			}
		})
	}
}

// child is the run function of a process that the tests start.
func child(mode string) func(context.Context) error {
	return func(ctx context.Context) error {
		fmt.Println("ready")
		switch mode {
		case "clean":
			<-ctx.Done()
			return ctx.Err()
		case "cause":
			<-ctx.Done()
			fmt.Fprintln(os.Stderr, context.Cause(ctx))
			return ctx.Err()
		case "misconfigured":
			return Misconfigured(errors.New("no keys"))
		case "panic":
			panic("boom")
		case "deaf":
			return Run(ctx, Config{Drain: time.Hour, Cutoff: time.Millisecond}, Component{Name: "deaf",
				Run: func(intake context.Context) error {
					<-intake.Done()
					fmt.Println("stopping")
					select {}
				}})
		}
		return fmt.Errorf("unknown mode %s", mode)
	}
}

func TestMainTurnsSignalsAndErrorsIntoStatuses(t *testing.T) {
	for mode, tc := range map[string]struct {
		status int
		stderr string
		after  []string // lines after each of which the process gets SIGTERM
	}{
		"clean":         {StatusOK, "", []string{"ready"}},
		"misconfigured": {StatusMisconfigured, "no keys", nil},
		"panic":         {StatusFailure, "panic: boom\ngoroutine", nil},
		"deaf":          {StatusFailure, "deaf: did not return after its work was cut off", []string{"ready", "stopping"}},
	} {
		t.Run(mode, func(t *testing.T) {
			status, stderr := runChild(t, childRun{mode: mode, after: tc.after, signals: []syscall.Signal{syscall.SIGTERM}})
			if status != tc.status || !strings.Contains(stderr, tc.stderr) {
				t.Errorf("status %d, stderr %q; want %d, %q", status, stderr, tc.status, tc.stderr)
			}
		})
	}
}

func TestTheFirstSignalThatIsNotIgnoredStops(t *testing.T) {
	for name, tc := range map[string]struct {
		signals []syscall.Signal
		nohup   bool
		cause   string
	}{
		"an interrupt":                  {[]syscall.Signal{syscall.SIGINT}, false, `received signal "interrupt"`},
		"a closed terminal":             {[]syscall.Signal{syscall.SIGHUP}, false, `received signal "hangup"`},
		"a closed terminal under nohup": {[]syscall.Signal{syscall.SIGHUP, syscall.SIGTERM}, true, `received signal "terminated"`},
	} {
		t.Run(name, func(t *testing.T) {
			if !tc.nohup && signal.Ignored(tc.signals[0]) {
				t.Skip("the tests run under nohup")
			}
			status, stderr := runChild(t, childRun{mode: "cause", after: []string{"ready"}, signals: tc.signals, nohup: tc.nohup})
			if status != StatusOK || !strings.Contains(stderr, tc.cause) {
				t.Errorf("status %d, stderr %q; want %d, %q", status, stderr, StatusOK, tc.cause)
			}
		})
	}
}
