package ops_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/chassis/ops"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("connection refused")

// newHealth returns a started Health.
func newHealth(t *testing.T, checks ...ops.Check) *ops.Health {
	t.Helper()
	h, err := ops.NewHealth(checks...)
	if err != nil {
		t.Fatal(err)
	}
	h.Start()
	return h
}

func TestReadinessFollowsTheLifeOfTheProcess(t *testing.T) {
	h, err := ops.NewHealth(ops.Check{Name: "database", Probe: func(context.Context) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	checks := []ops.CheckReport{{Name: "database", Status: ops.CheckOK}}
	for _, step := range []struct {
		act  func()
		want string
	}{
		{func() {}, ops.StatusStarting}, {h.Start, ops.StatusReady}, {h.Drain, ops.StatusDraining}, {h.Start, ops.StatusDraining},
	} {
		step.act()
		if got, want := h.Report(t.Context()), (ops.Report{Status: step.want, Checks: checks}); !reflect.DeepEqual(got, want) {
			t.Errorf("Report = %+v, want %+v", got, want)
		}
	}
}

func TestEveryCheckCounts(t *testing.T) {
	h := newHealth(t,
		ops.Check{Name: "a", Probe: func(context.Context) error { return nil }},
		ops.Check{Name: "b", Probe: func(context.Context) error { return errDown }},
		ops.Check{Name: "c", Probe: func(context.Context) error { panic("boom") }},
	)
	got := h.Report(t.Context())
	if got.Status != ops.StatusNotReady || len(got.Checks) != 3 || got.Checks[0].Status != ops.CheckOK ||
		got.Checks[1].Error != "connection refused" || got.Checks[2].Error != "check panicked: boom" {
		t.Errorf("Report = %+v", got)
	}
}

// report is the overall status and that of the only check.
func report(h *ops.Health) string {
	r := h.Report(context.Background())
	return r.Status + " " + r.Checks[0].Status
}

func TestGraceBridgesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var state error
		h := newHealth(t, ops.Check{Name: "broker", Grace: time.Minute, Probe: func(context.Context) error { return state }})
		want := func(after time.Duration, state string) {
			t.Helper()
			time.Sleep(after)
			if got := report(h); got != state {
				t.Errorf("after %v: %s, want %s", after, got, state)
			}
		}
		want(0, "ready ok")
		want(time.Hour, "ready ok") // probes may be rare: grace counts from the first failure seen
		state = errDown
		want(time.Hour, "ready grace")
		want(59*time.Second, "ready grace")
		state = nil
		want(time.Second, "ready ok")
		state = errDown
		want(time.Second, "ready grace") // a new grace
		want(61*time.Second, "not_ready failing")
		want(time.Hour, "not_ready failing")
		state = nil
		want(time.Second, "ready ok")
	})
}

func TestGraceDoesNotCountBeforeTheFirstSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHealth(t, ops.Check{Name: "broker", Grace: time.Minute, Probe: func(context.Context) error { return errDown }})
		if got := report(h); got != "not_ready failing" {
			t.Errorf("status = %s, want not_ready failing", got)
		}
		time.Sleep(30 * time.Second)
		r := h.Report(t.Context()).Checks[0]
		want := ops.CheckReport{Name: "broker", Status: ops.CheckFailing, Error: "connection refused", FailingForSeconds: 30, GraceSeconds: 60}
		if r != want {
			t.Errorf("check = %+v, want %+v", r, want)
		}
	})
}

func TestAnswersAreReusedForASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		h := newHealth(t, ops.Check{Name: "a", Probe: func(context.Context) error { calls++; return nil }})
		for range 10 {
			report(h)
		}
		if calls != 1 {
			t.Errorf("%d probes at once, want 1", calls)
		}
		time.Sleep(time.Second)
		if report(h); calls != 2 {
			t.Errorf("%d probes after a second, want 2", calls)
		}
	})
}

func TestAHangingProbeFailsAndIsNotStartedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		freed := make(chan struct{})
		h := newHealth(t, ops.Check{Name: "a", Timeout: 3 * time.Second, Probe: func(context.Context) error {
			calls.Add(1)
			<-freed // deaf to its context
			return nil
		}})
		begun := time.Now()
		r := h.Report(t.Context())
		if took := time.Since(begun); took != 3*time.Second || r.Checks[0].Error != "no answer within 3s" {
			t.Errorf("Report = %+v after %v, want no answer within 3s", r, took)
		}
		time.Sleep(time.Minute)
		begun = time.Now()
		if got := report(h); got != "not_ready failing" || time.Since(begun) != 0 || calls.Load() != 1 {
			t.Errorf("second report = %s after %v with %d probes, want failing at once and 1", got, time.Since(begun), calls.Load())
		}
		close(freed)
		synctest.Wait()
		r = h.Report(t.Context()) // within a second: the late answer counts as a failure
		if r.Status != ops.StatusNotReady || !strings.HasPrefix(r.Checks[0].Error, "answered only after") {
			t.Errorf("Report = %+v, want a late answer", r)
		}
		time.Sleep(time.Second)
		if got := report(h); got != "ready ok" || calls.Load() != 2 {
			t.Errorf("report = %s with %d probes, want ready ok and 2", got, calls.Load())
		}
	})
}

func TestAReportDoesNotOutliveItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHealth(t, ops.Check{Name: "a", Timeout: 5 * time.Second, Probe: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		r := h.Report(ctx)
		if took := time.Since(begun); took != time.Second || r.Status != ops.StatusNotReady || r.Checks[0].Error != "not checked yet" {
			t.Errorf("Report = %+v after %v, want not checked yet after 1s", r, took)
		}
		// Another caller joins the run that the first one began.
		if r := h.Report(t.Context()); r.Checks[0].Error == "not checked yet" || time.Since(begun) != 5*time.Second {
			t.Errorf("Report = %+v after %v, want the result after 5s", r, time.Since(begun))
		}
	})
}

func TestNewHealthRefusesChecksThatCannotRun(t *testing.T) {
	ok := func(context.Context) error { return nil }
	for name, checks := range map[string][]ops.Check{
		"no name": {{Probe: ok}}, "no probe": {{Name: "a"}}, "twice": {{Name: "a", Probe: ok}, {Name: "a", Probe: ok}},
	} {
		if _, err := ops.NewHealth(checks...); err == nil {
			t.Errorf("%s: NewHealth succeeded", name)
		}
	}
}
