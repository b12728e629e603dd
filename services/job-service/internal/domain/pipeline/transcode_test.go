package pipeline_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
)

func transcode(t *testing.T, params string, more ...pipeline.Step) pipeline.Pipeline {
	t.Helper()
	p, err := pipeline.New("p", 1, append([]pipeline.Step{{Name: "film", Kind: contract.KindTranscode, Params: json.RawMessage(params)}}, more...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// needs returns the steps with what they need, in order.
func needs(p pipeline.Pipeline) map[string][]string {
	m := map[string][]string{}
	for _, s := range p.Steps {
		m[s.Name] = s.Needs
	}
	return m
}

func TestATranscodeStepStandsForItsOperations(t *testing.T) {
	for name, tt := range map[string]struct {
		params string
		want   map[string][]string
	}{
		"everything": {``, map[string][]string{"film-plan": nil, "film-tracks": {"film-plan"}, "film-chunks": {"film-plan"},
			"film-package": {"film-tracks", "film-chunks"}, "film-join": {"film-tracks", "film-chunks"}, "film-verify": {"film-package", "film-join"}}},
		"a file alone": {`{"formats":["mp4"]}`, map[string][]string{"film-plan": nil, "film-tracks": {"film-plan"}, "film-chunks": {"film-plan"},
			"film-join": {"film-tracks", "film-chunks"}, "film-verify": {"film-join"}}},
		"a stream of sound": {`{"formats":["hls"],"audio_only":true}`, map[string][]string{"film-plan": nil, "film-tracks": {"film-plan"},
			"film-package": {"film-tracks"}, "film-verify": {"film-package"}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := transcode(t, tt.params)
			if got := needs(p); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("steps %v, want %v", got, tt.want)
			}
			for _, s := range p.Steps {
				if s.Folder != "film" || s.Op == "" || s.Group[s.Op] != s.Name || len(s.Group) != len(tt.want) {
					t.Errorf("step %+v", s)
				}
			}
		})
	}
}

func TestTracksAreMadeBeforeChunks(t *testing.T) {
	p := transcode(t, ``)
	at := func(op contract.TranscodeOp) int {
		return slices.IndexFunc(p.Steps, func(s pipeline.Step) bool { return s.Op == op })
	}
	if at(contract.OpTrack) > at(contract.OpChunk) {
		t.Errorf("steps %+v", p.Steps)
	}
}

func TestStepsThatNeedAFilmWaitForItsVerification(t *testing.T) {
	before, after := step("before"), step("after", "film")
	p, err := pipeline.New("p", 1, []pipeline.Step{after, {Name: "film", Kind: contract.KindTranscode, Needs: []string{"before"}, Optional: true}, before})
	if err != nil {
		t.Fatal(err)
	}
	got := needs(p)
	if !slices.Equal(got["after"], []string{"film-verify"}) || !slices.Equal(got["film-plan"], []string{"before"}) {
		t.Errorf("needs %v", got)
	}
	for _, s := range p.Steps {
		if s.Optional != (s.Op != "") {
			t.Errorf("step %s: optional %t", s.Name, s.Optional)
		}
	}
	if !slices.Equal(after.Needs, []string{"film"}) {
		t.Errorf("the given step needs %v now", after.Needs)
	}
}

// plan has three chunks and two tracks, and lasts ten minutes.
func plan() *contract.TranscodePlan {
	second := contract.Seconds(time.Second)
	return &contract.TranscodePlan{Duration: 600 * second, Tracks: make([]contract.TrackPlan, 2),
		Video: &contract.VideoPlan{Chunks: []contract.Chunk{{Cuts: []contract.Seconds{0}, End: 10 * second}, {Cuts: []contract.Seconds{10 * second}, End: 70 * second}, {}}}}
}

func TestTheNumberOfTasksFollowsFromThePlan(t *testing.T) {
	in := pipeline.Input{Source: contract.SourceRef{Key: "k"}, Workers: 3, Plan: plan(), Sidecars: []contract.Sidecar{{Language: "de"}}}
	want := map[contract.TranscodeOp]int{contract.OpPlan: 1, contract.OpTrack: 2, contract.OpChunk: 3, contract.OpPackage: 1, contract.OpJoin: 1, contract.OpVerify: 1}
	for _, s := range transcode(t, ``).Steps {
		specs, err := s.Tasks(in)
		if err != nil || len(specs) != want[s.Op] {
			t.Errorf("%s has %d tasks, %v, want %d", s.Name, len(specs), err, want[s.Op])
		}
		for i, b := range specs {
			var spec contract.TranscodeSpec
			if err := json.Unmarshal(b, &spec); err != nil {
				t.Fatal(err)
			}
			if spec.Op != s.Op || spec.Index != i || spec.Folder != "film" || spec.Steps[contract.OpPlan] != "film-plan" || len(spec.Sidecars) != 1 {
				t.Errorf("task %d of %s: %s", i, s.Name, b)
			}
			if (spec.Workers == 3) != (s.Op == contract.OpPlan) {
				t.Errorf("task %d of %s is told of %d workers", i, s.Name, spec.Workers)
			}
		}
		if name, ok := s.PlanStep(); ok != (s.Op != contract.OpPlan) || ok && name != "film-plan" {
			t.Errorf("%s follows the plan of %q", s.Name, name)
		}
	}
}

func TestPlansThatCannotBeCarriedOut(t *testing.T) {
	steps := transcode(t, ``).Steps
	chunks := steps[slices.IndexFunc(steps, func(s pipeline.Step) bool { return s.Op == contract.OpChunk })]
	many := plan()
	many.Video.Chunks = make([]contract.Chunk, contract.MaxChunks+1)
	for name, in := range map[string]pipeline.Input{"no plan": {}, "too many chunks": {Plan: many}} {
		if _, err := chunks.Tasks(in); fault.CodeOf(err) != fault.CodeTaskSpecInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	sound := plan()
	sound.Video = nil
	if specs, err := chunks.Tasks(pipeline.Input{Plan: sound}); err != nil || len(specs) != 0 {
		t.Errorf("a film without a picture has %d chunks, %v", len(specs), err)
	}
}

func TestAttemptsMayTakeAsLongAsTheirWorkNeeds(t *testing.T) {
	day := plan()
	day.Duration = contract.Seconds(100 * time.Hour)
	in := pipeline.Input{Source: contract.SourceRef{SizeBytes: 2 << 20}, Plan: plan()}
	for _, s := range transcode(t, ``).Steps {
		want := map[contract.TranscodeOp]time.Duration{contract.OpPlan: 5*time.Minute + 2*time.Second, contract.OpChunk: 10*time.Minute + time.Second + 60*time.Minute}[s.Op]
		if want == 0 {
			want = 10*time.Minute + time.Second + 40*time.Minute
		}
		if got := s.Limits(in).StartToClose; got != want {
			t.Errorf("an attempt of %s may take %v, want %v", s.Name, got, want)
		}
		if got := s.Limits(pipeline.Input{Plan: day}).StartToClose; got > 24*time.Hour {
			t.Errorf("an attempt of %s may take %v", s.Name, got)
		}
	}
}
