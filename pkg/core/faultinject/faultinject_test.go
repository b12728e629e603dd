package faultinject_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
)

func TestNthFailsOneCallOfAll(t *testing.T) {
	inject, calls := faultinject.Nth(3, faultinject.DidButError)
	var got []faultinject.Kind
	for _, op := range []string{"get", "put", "get", "get", "put"} {
		got = append(got, inject(op))
	}
	for i, k := range got {
		want := faultinject.None
		if i == 2 {
			want = faultinject.DidButError
		}
		if k != want {
			t.Errorf("call %d: %v, want %v", i+1, k, want)
		}
	}
	if calls() != 5 {
		t.Errorf("%d calls were counted, want 5", calls())
	}
}

func TestNthCountsConcurrentCallsOnce(t *testing.T) {
	const n = 400
	inject, calls := faultinject.Nth(n/2, faultinject.Error)
	var wg sync.WaitGroup
	struck := make(chan faultinject.Kind, n)
	for range 4 {
		wg.Go(func() {
			for range n / 4 {
				if k := inject("op"); k != faultinject.None {
					struck <- k
				}
			}
		})
	}
	wg.Wait()
	if len(struck) != 1 || calls() != n {
		t.Errorf("%d of %d calls failed, want 1 of %d", len(struck), calls(), n)
	}
}

func TestNthBeyondTheLastCallFailsNone(t *testing.T) {
	inject, calls := faultinject.Nth(2, faultinject.Panic)
	if k := inject("op"); k != faultinject.None || calls() != 1 {
		t.Errorf("call 1 of 1: %v after %d calls", k, calls())
	}
}

func TestKindsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for k := faultinject.None; k <= faultinject.Panic; k++ {
		if s := k.String(); s == "" || seen[s] {
			t.Errorf("kind %d is called %q, as another is", k, s)
		} else {
			seen[s] = true
		}
	}
}

// arm sets failpoints until the test ends.
func arm(t *testing.T, spec string) {
	t.Helper()
	if err := faultinject.Arm(spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := faultinject.Arm(""); err != nil {
			t.Error(err)
		}
	})
}

func TestPointStrikesAtEveryVisitWhereAskedTo(t *testing.T) {
	arm(t, "a=error@*")
	for visit := range 3 {
		if err := faultinject.Point(t.Context(), "a"); !errors.Is(err, faultinject.ErrInjected) {
			t.Errorf("visit %d: %v, want an injected error", visit+1, err)
		}
	}
}

func TestPointStrikesOnceAtItsVisit(t *testing.T) {
	arm(t, "a=error@2;b=error;")
	ctx := t.Context()
	for i, want := range []bool{false, true, false, false} {
		err := faultinject.Point(ctx, "a")
		if errors.Is(err, faultinject.ErrInjected) != want || (err == nil) == want {
			t.Errorf("visit %d: %v, want an injected error: %t", i+1, err, want)
		}
	}
	if err := faultinject.Point(ctx, "b"); !errors.Is(err, faultinject.ErrInjected) || fault.ClassOf(err) != fault.Transient {
		t.Errorf("first visit of b: %v of class %v", err, fault.ClassOf(err))
	}
	if err := faultinject.Point(ctx, "c"); err != nil {
		t.Errorf("a point that is not armed: %v", err)
	}
}

func TestArmReplacesWhatWasArmed(t *testing.T) {
	arm(t, "a=error")
	arm(t, "b=error")
	if err := faultinject.Point(t.Context(), "a"); err != nil {
		t.Errorf("a is still armed: %v", err)
	}
	arm(t, "")
	if err := faultinject.Point(t.Context(), "b"); err != nil {
		t.Errorf("b is still armed: %v", err)
	}
}

func TestASpecThatCannotBeReadChangesNothing(t *testing.T) {
	arm(t, "a=error")
	for _, spec := range []string{"b", "b=", "b=explode", "b=error@", "b=error@0", "b=error@-1", "b=error@x", "c=error;b=bang", "=@1"} {
		if err := faultinject.Arm(spec); err == nil {
			t.Errorf("Arm(%q) succeeded", spec)
		}
	}
	if err := faultinject.Point(t.Context(), "a"); !errors.Is(err, faultinject.ErrInjected) {
		t.Errorf("a is not armed any more: %v", err)
	}
}

func TestAHangEndsWithItsContext(t *testing.T) {
	arm(t, "a=hang")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- faultinject.Point(ctx, "a") }()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("Point = %v before its context ended", err)
		default:
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Point = %v, want the context's error", err)
		}
	})
}

// victimVar tells the test binary to be the process that is killed.
const victimVar = "REELMILL_FAULTINJECT_VICTIM"

func TestKillEndsTheProcessAtOnce(t *testing.T) {
	if os.Getenv(victimVar) == "1" {
		if err := faultinject.ArmFromEnv(); err != nil {
			os.Exit(3)
		}
		_ = faultinject.Point(t.Context(), "a") // the first visit passes
		_, _ = os.Stdout.WriteString("first visit\n")
		_ = faultinject.Point(t.Context(), "a")
		os.Exit(4) // it must not come so far
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestKillEndsTheProcessAtOnce$")
	cmd.Env = append(os.Environ(), victimVar+"=1", faultinject.EnvVar+"=a=kill@2")
	out, err := cmd.Output()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatalf("the process ended with %v", err)
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL || string(out) != "first visit\n" {
		t.Errorf("the process ended with %v after %q, want SIGKILL after its first visit", exit, out)
	}
}
