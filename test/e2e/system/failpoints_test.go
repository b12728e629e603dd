package system

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/testenv"
)

// failpoint is a place where a program is told to fail, and what that may cost.
type failpoint struct {
	program string
	name    string
	// onKill and onError are the outcomes of the executions before the one that succeeds, joined by commas.
	onKill, onError string
}

// failpoints are where a crash lies between two things that belong together.
var failpoints = []failpoint{
	{jobService, "api.after_insert", "", ""},
	{jobService, "api.before_response", "", ""},
	{jobService, "fanout.mid_insert", "", ""},
	{jobService, "dispatch.after_publish", "", ""},
	{jobService, "relay.after_confirm_before_pull", "", ""},
	{jobService, "relay.before_publish", "", ""},
	{jobService, "reply.after_receive", "", ""},
	{jobService, "reply.after_cas_before_ack", "", ""},
	{jobService, "publish.before_manifest", "", ""},
	{jobService, "publish.after_manifest_before_cas", "", ""},
	{thumbnailWorker, "claim.before", "", ""},
	{thumbnailWorker, "claim.after_before_ack", "crashed", "crashed"},
	{thumbnailWorker, "ack.after_before_work", "crashed", "failed"},
	{thumbnailWorker, "fetch.mid", "crashed", "failed"},
	{thumbnailWorker, "upload.mid_part", "crashed", "failed"},
	// The outcome is not recorded, but the worker lives and says nothing more: the lease ends the attempt.
	{thumbnailWorker, "upload.after_complete_before_record", "crashed", "crashed"},
	{thumbnailWorker, "report.after_cas_before_publish", "", ""},
}

// TestAJobSurvivesAFailureAtEveryFailpoint lets a program die or meet an error at one place after the other
// while a job runs. The job completes, no step publishes twice, and nothing is left over.
func TestAJobSurvivesAFailureAtEveryFailpoint(t *testing.T) {
	s := newSystem(t, quick, 1)
	s.up()
	tap := s.tapEvents()
	clip := clips(t)[0]
	var ids []string
	var manifests []contract.Manifest
	for _, kind := range []string{"kill", "error"} {
		for _, f := range failpoints {
			t.Run(f.name+"/"+kind, func(t *testing.T) {
				s := *s
				s.t = t
				j, m := s.surviveFailpoint(f, kind, clip)
				ids, manifests = append(ids, j.ID), append(manifests, m)
				// Also so that what this job has left to do is not what the next failure strikes.
				testenv.Eventually(t, soon, func() error { return tap.complete(j.ID, "queued", "processing", "completed") })
			})
			if t.Failed() {
				return
			}
		}
	}
	s.nothingElse(jobDeadline, ids, manifests...)
	if parked := s.parked(); len(parked) > 0 {
		t.Errorf("messages are parked: %v", parked)
	}
}

// surviveFailpoint runs a job while a program fails at a place, and returns the job and its manifest.
func (s *system) surviveFailpoint(f failpoint, kind, clip string) (jobView, contract.Manifest) {
	s.t.Helper()
	p := s.jobs
	if f.program == thumbnailWorker {
		p = s.workers[0]
	}
	if code, err := p.stop(); code != 0 || err != nil {
		s.t.Fatalf("stop %s: exit code %d, %v", p.name, code, err)
	}
	if err := p.start(faultinject.EnvVar + "=" + f.name + "=" + kind); err != nil {
		s.t.Fatal(err)
	}
	restarted := make(chan error, 1)
	ctx, cancel := context.WithTimeout(s.t.Context(), jobDeadline)
	defer cancel()
	if kind == "kill" {
		go func() { restarted <- restartWhenKilled(ctx, p) }()
	} else {
		restarted <- nil
	}
	id := s.submit(f.name+"/"+kind, clip, steps(onePicture))
	j, m := s.completed(id, jobDeadline)
	if err := <-restarted; err != nil {
		s.t.Fatal(err)
	}
	want := f.onError
	if kind == "kill" {
		want = f.onKill
	}
	want = strings.TrimPrefix(want+",succeeded", ",")
	if got := outcomes(j); got != want {
		s.t.Errorf("executions ended %q, want %q", got, want)
	}
	if kind == "error" && want == "succeeded" {
		testenv.Eventually(s.t, soon, func() error { return s.struck(p, f.name) })
	}
	return j, m
}

// struck returns nil if the failpoint made the process fail since its start without changing how executions
// ended: the process logged it, or a handler of messages returned it.
func (s *system) struck(p *process, name string) error {
	if strings.Contains(p.logs(), "failpoint "+name) {
		return nil
	}
	samples, err := s.metrics(p)
	if err != nil {
		return err
	}
	for k, v := range samples {
		if strings.HasPrefix(k, "reelmill_broker_handler_errors_total{") && v > 0 {
			return nil
		}
	}
	return fmt.Errorf("%s never met a failure at %s", p.name, name)
}

// restartWhenKilled waits until the process has killed itself and starts it again, without failpoints.
func restartWhenKilled(ctx context.Context, p *process) error {
	if err := poll(ctx, p.killed); err != nil {
		return fmt.Errorf("the failpoint did not strike: %w", err)
	}
	return p.start()
}

// outcomes returns how the executions of a job's only task ended, joined by commas.
func outcomes(j jobView) string {
	var all []string
	for _, t := range j.tasks() {
		for _, a := range t.Attempts {
			all = append(all, cmp.Or(a.Outcome, "running"))
		}
	}
	return strings.Join(all, ",")
}
