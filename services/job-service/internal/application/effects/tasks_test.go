package effects_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

func TestTheTasksOfAFilmFollowFromItsPlan(t *testing.T) {
	b := newBench(t, nil)
	b.planned(plan())
	for step, want := range map[string]int{"film-plan": 1, "film-tracks": 2, "film-chunks": 3, "film-package": 1, "film-join": 1, "film-verify": 1} {
		for range 2 { // made again they are the same
			if e := b.makeTasks(step); e != (saga.TasksPlanned{Step: step, Tasks: want}) {
				t.Errorf("%s: %+v, want %d tasks", step, e, want)
			}
		}
		all := b.of(step)
		if len(all) != want {
			t.Errorf("%s has %d tasks, want %d", step, len(all), want)
		}
		for i, tk := range all {
			var spec contract.TranscodeSpec
			if err := json.Unmarshal(tk.Spec, &spec); err != nil {
				t.Fatal(err)
			}
			if tk.ID != task.ID("j", step, i) || tk.Kind != contract.KindTranscode || tk.Folder != "film" || tk.Limits.StartToClose <= 0 {
				t.Errorf("task %+v", tk)
			}
			if spec.Index != i || spec.Steps[spec.Op] != step || spec.Source != b.job.Source.Ref() || len(spec.Sidecars) != 1 || spec.Sidecars[0].ETag != "f" || spec.Sidecars[0].Language != "de" {
				t.Errorf("the specification of task %s is %s", tk.ID, tk.Spec)
			}
		}
	}
}

func TestAFilmWithoutTracksHasNoTasksForThem(t *testing.T) {
	b := newBench(t, nil)
	silent := plan()
	silent.Tracks = nil
	b.planned(silent)
	if e := b.makeTasks("film-tracks"); e != (saga.TasksPlanned{Step: "film-tracks"}) || len(b.of("film-tracks")) != 0 {
		t.Errorf("%+v", e)
	}
}

func TestPlansThatCannotBeFollowedFailTheirStep(t *testing.T) {
	many := plan()
	many.Video.Chunks = make([]contract.Chunk, contract.MaxChunks+1)
	for name, before := range map[string]func(b *bench){
		"there is none":     func(*bench) {},
		"it is being made":  func(b *bench) { b.makeTasks("film-plan") },
		"it has no content": func(b *bench) { b.planned(nil) },
		"it has too much":   func(b *bench) { b.planned(many) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			before(b)
			e, ok := b.makeTasks("film-chunks").(saga.StepUnplannable)
			if !ok || e.Step != "film-chunks" || e.Error.Code != fault.CodeTaskSpecInvalid {
				t.Errorf("%+v", e)
			}
			if all := b.of("film-chunks"); len(all) != 0 {
				t.Errorf("%d tasks were made", len(all))
			}
		})
	}
}

func TestACrashBetweenTwoTasksDoesNoHarm(t *testing.T) {
	const chunks = 30
	for _, visit := range []string{"1", "2", "9", "20", "30"} {
		t.Run("at task "+visit, func(t *testing.T) {
			b := newBench(t, nil)
			long := plan()
			long.Video.Chunks = make([]contract.Chunk, chunks)
			b.planned(long)
			if err := faultinject.Arm("fanout.mid_insert=error@" + visit); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = faultinject.Arm("") })
			e := job.Effect{ID: 1, Kind: job.EnsureTasks, Step: "film-chunks"}
			if got, err := b.Execute(t.Context(), b.job, e); !errors.Is(err, faultinject.ErrInjected) {
				t.Fatalf("%+v, %v", got, err)
			}
			if got, err := b.Execute(t.Context(), b.job, e); err != nil || got != (saga.TasksPlanned{Step: "film-chunks", Tasks: chunks}) {
				t.Fatalf("%+v, %v", got, err)
			}
			if all := b.of("film-chunks"); len(all) != chunks {
				t.Errorf("%d tasks were made", len(all))
			}
		})
	}
}

func TestAPlanIsToldHowManyWorkersThereAre(t *testing.T) {
	now := time.Now()
	transcode := func(id string, slots int) task.Worker {
		return task.Worker{ID: id, Kind: contract.KindTranscode, Slots: slots, StartedAt: now, SeenAt: now}
	}
	gone, leaving, other := transcode("c", 8), transcode("d", 16), transcode("e", 32)
	gone.SeenAt, leaving.Draining, other.Kind = now.Add(-time.Hour), true, contract.KindThumbnail
	for name, tc := range map[string]struct {
		workers []task.Worker
		want    int
	}{
		"nobody":             {nil, 1},
		"two":                {[]task.Worker{transcode("a", 2), transcode("b", 4)}, 6},
		"only those that do": {[]task.Worker{transcode("a", 2), gone, leaving, other}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			for _, w := range tc.workers {
				if err := b.workers.Put(t.Context(), w); err != nil {
					t.Fatal(err)
				}
			}
			b.makeTasks("film-plan")
			var spec contract.TranscodeSpec
			if err := json.Unmarshal(b.of("film-plan")[0].Spec, &spec); err != nil {
				t.Fatal(err)
			}
			if spec.Workers != tc.want {
				t.Errorf("the plan is told of %d, want %d", spec.Workers, tc.want)
			}
		})
	}
}

func TestTasksOfStepsThatStartTogetherAreSentInTheirOrder(t *testing.T) {
	b := newBench(t, nil)
	b.planned(plan())
	b.makeTasks("film-tracks")
	b.makeTasks("film-chunks")
	all := append(b.of("film-chunks"), b.of("film-tracks")...)
	slices.SortStableFunc(all, func(x, y task.Task) int {
		if x.Rank() < y.Rank() {
			return -1
		}
		return 1
	})
	var got []string
	for _, tk := range all {
		got = append(got, tk.ID)
	}
	if want := []string{"j/film-tracks/0", "j/film-tracks/1", "j/film-chunks/0", "j/film-chunks/1", "j/film-chunks/2"}; !slices.Equal(got, want) {
		t.Errorf("sent are %v, want %v", got, want)
	}
}
