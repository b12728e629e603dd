package system

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/testenv"
)

// TestABusyWorkerHandsItsTaskBackWhenItIsStopped stops a worker in the middle of a task that takes longer
// than it may drain: it exits in order, and another worker begins the same attempt anew.
func TestABusyWorkerHandsItsTaskBackWhenItIsStopped(t *testing.T) {
	s := newSystem(t, timing{lease: time.Minute, sweep: time.Second}, 1)
	s.up()
	id := s.submit("long", longClip(t), steps(map[string]any{"storyboard": map[string]any{"interval_seconds": 1, "max_tiles": 400}}))
	scratch := s.settings["REELMILL_SCRATCH_DIR"]
	testenv.Eventually(t, jobDeadline, func() error {
		if ps := commandsWith(t, scratch, "-filter_complex"); len(ps) == 0 {
			return fmt.Errorf("no ffmpeg makes pictures")
		}
		return nil
	})

	begun := time.Now()
	code, err := s.workers[0].stop()
	if err != nil || code != 0 {
		t.Fatalf("a busy worker that is asked to stop exits with %d (%v)", code, err)
	}
	if took := time.Since(begun); took < drain {
		t.Errorf("the worker ended after %v, before its drain of %v was over: was it busy?", took, drain)
	}
	if ps := commandsWith(t, scratch); len(ps) > 0 {
		t.Errorf("processes of the attempt live: %q", ps)
	}
	j, err := s.api.job(t.Context(), id)
	if err != nil || outcomes(j) != "released" {
		t.Fatalf("executions ended %q (%v)", outcomes(j), err)
	}

	if err := s.workers[0].start(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, soon, func() error {
		j, err = s.api.job(t.Context(), id)
		if err == nil && outcomes(j) != "released,running" {
			err = fmt.Errorf("executions: %q", outcomes(j))
		}
		return err
	})
	if attempt := j.tasks()[0].Attempt; attempt != 1 {
		t.Errorf("the task is at attempt %d: being stopped must not count as one", attempt)
	}
	if err := s.api.must(t.Context(), http.StatusAccepted, "POST", "/v1/jobs/"+id+"/cancel", nil, nil); err != nil {
		t.Fatal(err)
	}
	if j := s.ended(id, soon); j.State != "cancelled" {
		t.Errorf("job is %s", j.State)
	}
	s.nothingElse(soon, []string{id})
}
