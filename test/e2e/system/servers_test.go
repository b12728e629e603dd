package system

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/testenv"
)

// TestJobsAreTakenWhileTheBrokerIsDown creates a job without a broker, lets job-service start anew without
// one, and sees the job complete when the broker is back, or an empty one has taken its place.
func TestJobsAreTakenWhileTheBrokerIsDown(t *testing.T) {
	control := testenv.Control(t, testenv.ServerRabbitMQ)
	for name, start := range map[string]func(context.Context) error{"it comes back": control.StartRabbitMQ, "an empty one comes": control.WipeRabbitMQ} {
		t.Run(name, func(t *testing.T) { takenWhileTheBrokerIsDown(t, control, start) })
	}
}

func takenWhileTheBrokerIsDown(t *testing.T, control *testenv.Controller, start func(context.Context) error) {
	s := newSystem(t, quick, 1)
	s.up()
	if err := errors.Join(control.SaveQueues(t.Context()), control.KillRabbitMQ(t.Context())); err != nil {
		t.Fatal(err)
	}
	first := s.submit("first", clips(t)[0], steps(onePicture))
	if err := s.jobs.kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.jobs.start(); err != nil {
		t.Fatal(err)
	}
	second := s.submit("second", clips(t)[0], steps(onePicture))
	for _, id := range []string{first, second} {
		if j, err := s.api.job(t.Context(), id); err != nil || j.State != "queued" {
			t.Errorf("without a broker job %s is %s (%v)", id, j.State, err)
		}
	}
	if err := start(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, m1 := s.completed(first, jobDeadline)
	j, m2 := s.completed(second, jobDeadline)
	if got := outcomes(j); got != "succeeded" {
		t.Errorf("executions ended %q", got)
	}
	s.nothingElse(jobDeadline, []string{first, second}, m1, m2)
}

// TestReadinessFollowsStorage takes object storage away: programs say that they are not ready, live on, and
// are ready when it is back.
func TestReadinessFollowsStorage(t *testing.T) {
	control := testenv.Control(t, testenv.ServerS3)
	s := newSystem(t, quick, 1)
	s.up()
	if err := control.KillS3(t.Context()); err != nil {
		t.Fatal(err)
	}
	// All are asked each time: a failure counts from when it was first seen.
	testenv.Eventually(t, 2*soon, func() error {
		var errs []error
		for _, p := range s.processes() {
			code, body, err := get(t.Context(), "http://"+p.ops+"/readyz")
			if err == nil && (code != http.StatusServiceUnavailable || !strings.Contains(body, "storage")) {
				err = fmt.Errorf("readyz of %s answers %d %s", p.name, code, body)
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	for _, p := range s.processes() {
		if code, _, err := get(t.Context(), "http://"+p.ops+"/livez"); err != nil || code != http.StatusOK {
			t.Errorf("livez of %s answers %d (%v)", p.name, code, err)
		}
	}
	if err := control.StartS3(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range s.processes() {
		s.ready(p)
	}
	s.completed(s.submit("after", clips(t)[0], steps(onePicture)), jobDeadline)
}

// TestAStepOutlastsTheBrokersAckTimeout runs a step that takes longer than the broker waits for an
// acknowledgement: no channel is closed, and the step runs once.
func TestAStepOutlastsTheBrokersAckTimeout(t *testing.T) {
	s := newSystem(t, quick, 1)
	tools, _ := slowTools(t)
	if err := s.workers[0].start("PATH=" + tools); err != nil {
		t.Fatal(err)
	}
	s.up()
	begun := time.Now()
	j, m := s.completed(s.submit("slow", clips(t)[0], steps(onePicture)), jobDeadline)
	if took := time.Since(begun); took < slowStep {
		t.Fatalf("the step took %v: it was not slow", took)
	}
	if got := outcomes(j); got != "succeeded" {
		t.Errorf("executions ended %q", got)
	}
	for _, p := range s.processes() {
		samples, err := s.metrics(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, role := range []string{"consume", "publish"} {
			if n := samples[`reelmill_broker_connects_total{role="`+role+`"}`]; n != 1 {
				t.Errorf("%s connected %v times to %s, want once", p.name, n, role)
			}
		}
		for name, v := range samples {
			if (strings.HasPrefix(name, "reelmill_broker_unsettled_total") || strings.HasPrefix(name, "reelmill_broker_disconnects_total")) && v > 0 {
				t.Errorf("%s: %s is %v", p.name, name, v)
			}
		}
		if strings.Contains(p.logs(), `"level":"WARN"`) {
			t.Errorf("%s warns:\n%s", p.name, p.tail())
		}
	}
	s.nothingElse(soon, []string{j.ID}, m)
}
