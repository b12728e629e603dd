package system

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/testenv"
)

const (
	// killSeed chooses the order in which programs die.
	killSeed = 20260731
	// killJobs is how many jobs run meanwhile; killRounds how often everything is killed once.
	killJobs   = 50
	killRounds = 2
	// killLimit bounds the whole run.
	killLimit = 5 * time.Minute
	// busyWait is how long a victim is waited for to be busy before it is killed anyhow.
	busyWait = 5 * time.Second
)

// TestJobsSurviveKillsOfEverything runs jobs on two workers while job-service, each worker and the broker are
// killed in turn and started again, spread over the run.
func TestJobsSurviveKillsOfEverything(t *testing.T) {
	control := testenv.Control(t, testenv.ServerRabbitMQ)
	s := newSystem(t, timing{lease: 6 * time.Second, sweep: 10 * time.Second}, 2)
	s.up()
	ctx, cancel := context.WithTimeout(t.Context(), killLimit)
	defer cancel()
	begun := time.Now()

	sources := clips(t)
	submitted := make(chan error, 1)
	ids := make([]string, killJobs)
	go func() { submitted <- s.submitAll(ctx, ids, sources) }()
	n := &nemesis{s: s, control: control, rand: rand.New(rand.NewPCG(killSeed, 0))}
	if err := n.run(ctx); err != nil {
		t.Fatalf("kill: %v", err)
	}
	if err := <-submitted; err != nil {
		t.Fatal(err)
	}
	var jobs []jobView
	var manifests []contract.Manifest
	for _, id := range ids {
		j, m := s.completed(id, time.Until(begun.Add(killLimit)))
		jobs, manifests = append(jobs, j), append(manifests, m)
	}
	t.Logf("%d jobs completed in %v; killed: %s", len(jobs), time.Since(begun).Round(time.Second), strings.Join(n.done, ", "))
	s.checkAccepted(ids)
	n.explain(jobs)
	s.replayStale(jobs)
	s.nothingElse(time.Minute, ids, manifests...)
	if parked := s.parked(); len(parked) > 0 {
		t.Errorf("messages are parked: %v", parked)
	}
}

// submitAll makes as many jobs as ids has room for, of the sources in turn.
func (s *system) submitAll(ctx context.Context, ids []string, sources []string) error {
	for i := range ids {
		params := onePicture
		if i%2 == 0 {
			params = allKinds
		}
		id, err := s.api.submit(ctx, fmt.Sprint("job ", i), sources[i%len(sources)], steps(params))
		if err != nil {
			return fmt.Errorf("submit job %d: %w", i, err)
		}
		ids[i] = id
	}
	return nil
}

// checkAccepted checks that the jobs that were answered for are all there are, and have all completed.
func (s *system) checkAccepted(ids []string) {
	s.t.Helper()
	distinct := map[string]bool{}
	for _, id := range ids {
		distinct[id] = true
	}
	all, err := s.api.count(s.t.Context(), "awaiting_upload,queued,processing,compensating,completed,failed,cancelled")
	done, err2 := s.api.count(s.t.Context(), "completed")
	if err := errors.Join(err, err2); err != nil || len(distinct) != len(ids) || all != len(ids) || done != len(ids) {
		s.t.Errorf("%d jobs were accepted, %d exist, %d have completed, want %d (%v)", len(distinct), all, done, len(ids), err)
	}
}

// nemesis kills programs and the broker, one after the other.
type nemesis struct {
	s       *system
	control *testenv.Controller
	rand    *rand.Rand
	// done names what was killed, in order; workers counts the workers among them.
	done    []string
	workers int
}

// run kills everything killRounds times, in an order of its own each time, one kill after each equal share
// of the jobs has completed.
func (n *nemesis) run(ctx context.Context) error {
	victims := append([]*process{nil}, n.s.processes()...) // nil is the broker
	kills := killRounds * len(victims)
	for round := range killRounds {
		n.rand.Shuffle(len(victims), func(i, j int) { victims[i], victims[j] = victims[j], victims[i] })
		for i, p := range victims {
			if err := n.waitFor(ctx, killJobs*(round*len(victims)+i+1)/(kills+2)); err != nil {
				return err
			}
			if err := n.kill(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// waitFor waits until so many jobs have completed.
func (n *nemesis) waitFor(ctx context.Context, completed int) error {
	return poll(ctx, func() error {
		got, err := n.s.api.count(ctx, "completed")
		if err == nil && got < completed {
			err = fmt.Errorf("%d jobs have completed, waiting for %d", got, completed)
		}
		return err
	})
}

// kill kills a process, in the middle of an attempt where it is a worker, or the broker where p is nil, and
// starts it again.
func (n *nemesis) kill(ctx context.Context, p *process) error {
	if p == nil {
		n.done = append(n.done, "broker")
		return errors.Join(n.control.KillRabbitMQ(ctx), n.control.StartRabbitMQ(ctx))
	}
	n.done = append(n.done, p.name)
	if p.program == thumbnailWorker {
		n.workers++
		busy, cancel := context.WithTimeout(ctx, busyWait)
		defer cancel()
		_ = poll(busy, func() error { return n.s.busy(p) }) // idle workers are killed as well
	}
	return errors.Join(p.kill(), p.start())
}

// busy returns nil if the worker is processing an attempt.
func (s *system) busy(p *process) error {
	running, err := s.sample(p, `reelmill_attempts_running{kind="thumbnail"}`)
	if err == nil && running < 1 {
		err = fmt.Errorf("%s is idle", p.name)
	}
	return err
}

// explain checks that every execution that did not succeed was one that a kill of a worker ended, and that
// the kills struck work at all.
func (n *nemesis) explain(jobs []jobView) {
	n.s.t.Helper()
	counts := map[string]int{}
	for _, j := range jobs {
		for _, task := range j.tasks() {
			for _, a := range task.Attempts {
				counts[a.Outcome]++
				if a.Outcome != "succeeded" && a.Outcome != "crashed" {
					n.s.t.Errorf("job %s: attempt %d %s: %+v", j.ID, a.Attempt, a.Outcome, a.Error)
				}
			}
		}
	}
	if counts["succeeded"] != killJobs || counts["crashed"] == 0 || counts["crashed"] > n.workers {
		n.s.t.Errorf("%d executions succeeded and %d crashed; want %d and 1 to %d", counts["succeeded"], counts["crashed"], killJobs, n.workers)
	}
	n.s.t.Logf("executions by outcome: %v", counts)
}
