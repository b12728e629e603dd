package system

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	// costShare and costStep are what may pass between tasks: a part of the job's time, and a constant for each
	// step.
	costShare = 0.02
	costStep  = 150 * time.Millisecond
	// costGross is by how much more the machine may be slow before that counts as wrong.
	costGross = 3
)

// TestOrchestrationCostsLittle measures how long a film waits while none of its tasks runs: before the first, from
// the last task of a step to the first of the next, and after the last. Beside it stands how long workers had
// nothing to do between the chunks that they encoded.
func TestOrchestrationCostsLittle(t *testing.T) {
	s := newSystem(t, timing{lease: time.Minute, sweep: time.Second}, 0)
	s.addTranscoders(twoWorkers)
	s.up()
	source := filmSource(t, filmLength)
	// The first film pays for what is done once.
	s.completed(s.submit("first", filmToSpoil(t), transcode(segmentLength, 120)), filmDeadline)
	id := s.submit("film", source, transcode(segmentLength, 360, 240))
	begun := time.Now()
	j, _ := s.completed(id, filmDeadline)
	whole := j.FinishedAt.Sub(begun)

	var idle time.Duration
	at := begun
	for _, x := range executions(j) {
		if gap := x.StartedAt.Sub(at); gap > 0 {
			idle += gap
			t.Logf("%8v before %s", gap.Round(time.Millisecond), x.step)
		}
		if x.EndedAt.After(at) {
			at = x.EndedAt
		}
	}
	idle += j.FinishedAt.Sub(at)
	t.Logf("%8v before the job was completed", j.FinishedAt.Sub(at).Round(time.Millisecond))
	allowed := time.Duration(costShare*float64(whole)) + time.Duration(len(j.Steps))*costStep
	t.Logf("orchestration took %v of %v, %.1f%%; %v is the aim (%.0f%% and %v for each of %d steps)", idle.Round(time.Millisecond),
		whole.Round(time.Millisecond), 100*idle.Seconds()/whole.Seconds(), allowed.Round(time.Millisecond), 100*costShare, costStep, len(j.Steps))
	if idle > costGross*allowed {
		t.Errorf("orchestration took %v, more than %d times %v", idle, costGross, allowed)
	}
	pauses(t, j)
}

// execution is an execution and the step that it belongs to.
type execution struct {
	step string
	executionView
}

// executions returns all executions of a job in the order in which they began.
func executions(j jobView) []execution {
	var all []execution
	for _, step := range j.Steps {
		for _, task := range step.Tasks {
			for _, a := range task.Attempts {
				all = append(all, execution{step.Name, a})
			}
		}
	}
	slices.SortFunc(all, func(a, b execution) int { return a.StartedAt.Compare(b.StartedAt) })
	return all
}

// pauses logs how long workers were idle between two chunks.
func pauses(t *testing.T, j jobView) {
	t.Helper()
	var between []time.Duration
	last := map[string]execution{}
	for _, x := range executions(j) {
		worker, _, _ := strings.Cut(x.Worker, "/") // what follows is the claim
		if before, ok := last[worker]; ok && before.step == x.step && x.step == "video-chunks" {
			between = append(between, x.StartedAt.Sub(before.EndedAt))
		}
		last[worker] = x
	}
	slices.Sort(between)
	if len(between) == 0 {
		t.Error("no worker encoded two chunks")
		return
	}
	t.Logf("a worker began its next chunk %v after the one before (median), %v (longest) of %d", between[len(between)/2].Round(time.Millisecond),
		between[len(between)-1].Round(time.Millisecond), len(between))
}
