package system

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// filmKills is how often a worker is killed while one film is made.
	filmKills = 10
	// lastKill is the progress, in percent, up to which workers are killed.
	lastKill = 92
	// crashesAllowed is with how many vanished workers a task is still tried again.
	crashesAllowed = 2
)

// TestAFilmSurvivesKillsOfItsWorkers makes a film on two workers, of which one is killed at ten moments that are
// spread over the job. The film is whole, and nothing was made again but what a kill had interrupted.
func TestAFilmSurvivesKillsOfItsWorkers(t *testing.T) {
	s := newSystem(t, timing{lease: 6 * time.Second, sweep: 10 * time.Second}, 1)
	s.addTranscoders(twoWorkers)
	s.up()
	source := filmSource(t, filmLength)
	ctx, cancel := context.WithTimeout(t.Context(), filmDeadline)
	defer cancel()
	begun := time.Now()
	id := s.submit("film", source, vod(segmentLength, 360, 240))
	killed, err := s.killTranscoders(ctx, id)
	if err != nil {
		t.Fatalf("after %d kills: %v", len(killed), err)
	}
	j, m := s.completed(id, time.Until(begun.Add(filmDeadline)))
	t.Logf("completed in %v; killed: %s", time.Since(begun).Round(time.Second), strings.Join(killed, ", "))

	again, chunksAgain := 0, 0
	for _, step := range j.Steps {
		for i, task := range step.Tasks {
			again += len(task.Attempts) - 1
			if step.Name == "video-chunks" {
				chunksAgain += len(task.Attempts) - 1
			}
			for _, a := range task.Attempts {
				if a.Outcome != "succeeded" && a.Outcome != "crashed" {
					t.Errorf("an execution of %s/%d %s: %+v", step.Name, i, a.Outcome, a.Error)
				}
			}
		}
	}
	if chunks := len(j.step("video-chunks").Tasks); chunks < 2*twoWorkers {
		t.Errorf("the film was cut into %d chunks", chunks)
	}
	if again == 0 || again > len(killed) {
		t.Errorf("%d executions had to be repeated after %d kills", again, len(killed))
	}
	t.Logf("%d executions were repeated, %d of them of chunks", again, chunksAgain)

	const want = int(filmLength/time.Second) * filmRate
	for _, path := range []string{"video/360p/index.m3u8", "video/240p/index.m3u8", "video/video.mp4"} {
		if n, err := s.packets(id, path); err != nil || n != want {
			t.Errorf("%s has %d frames, want %d (%v)", path, n, want, err)
		}
	}
	s.nothingElse(time.Minute, []string{id}, m)
	if ps := commandsWith(t, s.settings["REELMILL_SCRATCH_DIR"]); len(ps) > 0 {
		t.Errorf("processes are left: %q", ps)
	}
	if parked := s.parked(); len(parked) > 0 {
		t.Errorf("messages are parked: %v", parked)
	}
}

// killTranscoders kills a transcoding-worker, and starts it again, each time the job's progress reaches one of
// filmKills random places, of which one lies in each equal part. It tells whom it killed in the middle of what.
func (s *system) killTranscoders(ctx context.Context, id string) (killed []string, err error) {
	random := rand.New(rand.NewPCG(killSeed, 1))
	moments := make([]float64, filmKills)
	for i := range moments { // one in each tenth
		moments[i] = (float64(i) + random.Float64()) * lastKill / filmKills
	}
	for _, moment := range moments {
		var j jobView
		if err := poll(ctx, func() (err error) {
			if j, err = s.api.job(ctx, id); err == nil && !j.terminal() && j.Progress < moment {
				err = fmt.Errorf("the job is at %v%%, waiting for %v%%", j.Progress, moment)
			}
			return err
		}); err != nil {
			return killed, err
		}
		if j.terminal() {
			return killed, fmt.Errorf("the job is %s: %+v", j.State, j.Error)
		}
		victim, doing, err := s.victim(ctx, id, random)
		if err != nil {
			return killed, err
		}
		if err := errors.Join(victim.kill(), victim.start()); err != nil {
			return killed, err
		}
		killed = append(killed, fmt.Sprintf("%s at %.0f%% in %s", victim.name, moment, doing))
	}
	return killed, nil
}

// victim returns the transcoding-worker that is to be killed next, a busy one where there is one soon, and what it
// does. Workers are spared whose task has lost as many as it may: another would be the end of the job.
func (s *system) victim(ctx context.Context, id string, random *rand.Rand) (p *process, doing string, err error) {
	busy, cancel := context.WithTimeout(ctx, busyWait)
	defer cancel()
	order := random.Perm(len(s.transcoders))
	err = poll(busy, func() error {
		j, err := s.api.job(ctx, id)
		if err != nil {
			return err
		}
		p, doing = nil, "nothing"
		for _, i := range order {
			task := running(s.transcoders[i])
			if task != "" && j.crashes(task) < crashesAllowed {
				p, doing = s.transcoders[i], task
				return nil
			}
			if task == "" && p == nil {
				p = s.transcoders[i]
			}
		}
		return errors.New("no worker is busy")
	})
	switch {
	case p != nil:
		return p, doing, nil // idle workers are killed as well
	case err != nil:
		return nil, "", fmt.Errorf("find a worker that may be killed: %w", err)
	}
	return nil, "", errors.New("no worker may be killed")
}

// running returns the task that a worker with one slot is at, as STEP/INDEX, by its log; "" where it has none.
func running(p *process) (task string) {
	for line := range strings.Lines(p.run()) {
		var entry struct {
			Message string `json:"msg"`
			JobID   string `json:"job_id"`
			TaskID  string `json:"task_id"`
		}
		if json.Unmarshal([]byte(line), &entry) != nil {
			continue
		}
		switch entry.Message {
		case "attempt started":
			task = strings.TrimPrefix(entry.TaskID, entry.JobID+"/")
		case "attempt ended":
			task = ""
		}
	}
	return task
}

// crashes returns how often a worker vanished with the task STEP/INDEX.
func (j jobView) crashes(task string) (n int) {
	step, index, _ := strings.Cut(task, "/")
	tasks := j.step(step).Tasks
	if i, err := strconv.Atoi(index); err == nil && i < len(tasks) {
		for _, a := range tasks[i].Attempts {
			if a.Outcome == "crashed" {
				n++
			}
		}
	}
	return n
}
