package pipeline_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
)

const some = `{"stills":{"count":1}}`

func step(name string, needs ...string) pipeline.Step {
	return pipeline.Step{Name: name, Kind: contract.KindThumbnail, Needs: needs, Params: json.RawMessage(some)}
}

func TestNewSetsDefaultsAndOrdersByNeed(t *testing.T) {
	given := []pipeline.Step{step("d", "b", "c"), step("b", "a"), step("x"), step("c", "a"), step("a")}
	got, err := pipeline.New("p", 3, given)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range got.Steps {
		names = append(names, s.Name)
		if want := `{"stills":{"count":1,"widths":[640],"formats":["jpeg"]}}`; string(s.Params) != want {
			t.Errorf("parameters of %s are %s, want %s", s.Name, s.Params, want)
		}
	}
	if want := []string{"x", "a", "b", "c", "d"}; !slices.Equal(names, want) || got.Name != "p" || got.Version != 3 {
		t.Errorf("%s version %d with steps %v, want %v", got.Name, got.Version, names, want)
	}
	if given[0].Name != "d" || string(given[0].Params) != some {
		t.Errorf("the given steps became %+v", given)
	}
	if s, ok := got.Step("c"); !ok || s.Name != "c" {
		t.Errorf("Step = %+v, %t", s, ok)
	}
	if _, ok := got.Step("none"); ok {
		t.Error("a step was found that is not there")
	}
}

func TestNewNamesEverythingThatIsWrong(t *testing.T) {
	many := make([]pipeline.Step, pipeline.MaxSteps+1)
	for i := range many {
		many[i] = step(fmt.Sprintf("s%d", i))
	}
	with := func(params string) []pipeline.Step {
		s := step("a")
		s.Params = json.RawMessage(params)
		return []pipeline.Step{s}
	}
	for name, tc := range map[string]struct {
		steps []pipeline.Step
		want  []string
	}{
		"no step":                       {nil, []string{"steps"}},
		"too many steps":                {many, []string{"steps"}},
		"a circle":                      {[]pipeline.Step{step("a", "b"), step("b", "a")}, []string{"steps"}},
		"a long circle":                 {[]pipeline.Step{step("x"), step("a", "x", "c"), step("b", "a"), step("c", "b")}, []string{"steps"}},
		"a step that needs itself":      {[]pipeline.Step{step("a", "a")}, []string{"steps[0].needs[0]"}},
		"a need that does not exist":    {[]pipeline.Step{step("a"), step("b", "a", "z")}, []string{"steps[1].needs[1]"}},
		"a name twice":                  {[]pipeline.Step{step("a"), step("a")}, []string{"steps[1].name"}},
		"names that cannot be":          {[]pipeline.Step{step(""), step("A"), step("a/b")}, []string{"steps[0].name", "steps[1].name", "steps[2].name"}},
		"an unknown kind":               {[]pipeline.Step{{Name: "a", Kind: "narrate"}}, []string{"steps[0].kind"}},
		"what is not to be given":       {[]pipeline.Step{{Name: "a", Kind: contract.KindTranscode, Op: contract.OpPlan, Folder: "a"}}, []string{"steps[0]"}},
		"a name of a part of another":   {[]pipeline.Step{step("film-chunks"), {Name: "film", Kind: contract.KindTranscode}}, []string{"steps[0].name"}},
		"a name too long for its parts": {[]pipeline.Step{{Name: strings.Repeat("a", 60), Kind: contract.KindTranscode}}, []string{"steps[0].name"}},
		"transcoding out of bounds":     {[]pipeline.Step{{Name: "a", Kind: contract.KindTranscode, Params: json.RawMessage(`{"video":{"codec":"mpeg1","max_frame_rate":0.5}}`)}}, []string{"steps[0].params.video.max_frame_rate"}},
		"no parameters":                 {with(``), []string{"steps[0].params"}},
		"parameters that want nothing":  {with(`{}`), []string{"steps[0].params"}},
		"parameters that are no object": {with(`[1]`), []string{"steps[0].params"}},
		"null":                          {with(`null`), []string{"steps[0].params"}},
		"an unknown parameter":          {with(`{"stils":{"count":1}}`), []string{"steps[0].params.stils"}},
		"unknown parameters deep down":  {with(`{"posters":[{"b":1,"a":2}],"storyboard":{"cols":1}}`), []string{"steps[0].params.posters[0].a", "steps[0].params.posters[0].b", "steps[0].params.storyboard.cols"}},
		"a name in other case":          {with(`{"Stills":{"count":1}}`), []string{"steps[0].params.Stills"}},
		"values of other types":         {with(`{"posters":[{"name":1,"width":"x","formats":"jpeg","at":true}],"stills":[]}`), []string{"steps[0].params.posters[0].name", "steps[0].params.posters[0].at", "steps[0].params.posters[0].width", "steps[0].params.posters[0].formats", "steps[0].params.stills"}},
		"values out of bounds":          {with(`{"stills":{"count":0},"posters":[{"width":1}]}`), []string{"steps[0].params.posters[0].width", "steps[0].params.stills.count"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := pipeline.New("p", 1, tc.steps)
			inv, ok := errors.AsType[*pipeline.Invalid](err)
			if !ok || fault.CodeOf(err) != fault.CodePipelineInvalid || fault.ClassOf(err) != fault.Invalid || !reflect.DeepEqual(p, pipeline.Pipeline{}) {
				t.Fatalf("New = %+v, %v; want an *Invalid", p, err)
			}
			var got []string
			for _, f := range inv.Fields {
				got = append(got, f.Field)
				if f.Detail == "" {
					t.Errorf("%s has no detail", f.Field)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("fields %q, want %q", got, tc.want)
			}
			if msg := err.Error(); !strings.Contains(msg, tc.want[0]) || !strings.Contains(msg, fmt.Sprint(len(got))) {
				t.Errorf("the message is %q", msg)
			}
		})
	}
}

func TestEveryBuiltinIsValidAndIsWhatItSays(t *testing.T) {
	for _, name := range pipeline.Names() {
		p, err := pipeline.Builtin(name)
		if err != nil || p.Name != name || p.Version < 1 || len(p.Steps) == 0 {
			t.Errorf("Builtin(%s) = %+v, %v", name, p, err)
		}
		again, err := pipeline.New(p.Name, p.Version, given(p.Steps))
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("%s is not what New makes of it: %v", name, err)
		}
	}
	p, err := pipeline.Builtin(pipeline.Thumbnail)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"posters":[{"name":"poster","at":"best","width":1280,"formats":["jpeg","webp"]}],` +
		`"stills":{"count":10,"widths":[640,320],"formats":["jpeg"]},` +
		`"storyboard":{"max_tiles":100,"tile_width":160,"columns":10,"rows":10,"format":"jpeg"}}`
	if len(p.Steps) != 1 || p.Steps[0].Name != "thumbnails" || string(p.Steps[0].Params) != want {
		t.Errorf("the thumbnail pipeline is %+v with %s", p, p.Steps[0].Params)
	}
}

func TestAnUnknownPipelineIsAnsweredWithTheKnown(t *testing.T) {
	_, err := pipeline.Builtin(strings.Repeat("x", 1000))
	if fault.CodeOf(err) != fault.CodePipelineUnknown || !strings.Contains(fault.DetailOf(err), pipeline.Thumbnail) || len(err.Error()) > 300 {
		t.Errorf("Builtin = %v", err)
	}
	if _, err := pipeline.Builtin(pipeline.Inline); fault.CodeOf(err) != fault.CodePipelineUnknown {
		t.Errorf("Builtin(inline) = %v", err)
	}
}

// given returns the steps that a pipeline was made of: those of a group as the one that stands for them.
func given(steps []pipeline.Step) []pipeline.Step {
	var all []pipeline.Step
	for _, s := range steps {
		switch s.Op {
		case "":
			all = append(all, s)
		case contract.OpPlan:
			all = append(all, pipeline.Step{Name: s.Folder, Kind: s.Kind, Needs: s.Needs, Optional: s.Optional, Params: s.Params})
		}
	}
	return all
}

func TestATaskOfThumbnailsHoldsSourceAndParameters(t *testing.T) {
	p, err := pipeline.Builtin(pipeline.Thumbnail)
	if err != nil {
		t.Fatal(err)
	}
	ref := contract.SourceRef{Key: "k", ETag: "e", SizeBytes: 7}
	specs, err := p.Steps[0].Tasks(pipeline.Input{Source: ref})
	var got contract.ThumbnailSpec
	if err != nil || len(specs) != 1 {
		t.Fatalf("Tasks = %s, %v", specs, err)
	}
	if err := json.Unmarshal(specs[0], &got); err != nil || got.Source != ref || len(got.Params.Posters) != 1 || got.Params.Stills.Count != 10 {
		t.Errorf("Tasks = %s, %v", specs, err)
	}
	if _, err := (pipeline.Step{Name: "a", Params: json.RawMessage(`{`)}).Tasks(pipeline.Input{}); fault.CodeOf(err) != fault.CodeTaskSpecInvalid {
		t.Errorf("Tasks of parameters that cannot be read: %v", err)
	}
}

func TestLimitsGrowWithTheSource(t *testing.T) {
	limits := func(bytes int64) time.Duration {
		return step("a").Limits(pipeline.Input{Source: contract.SourceRef{SizeBytes: bytes}}).StartToClose
	}
	if small, large := limits(0), limits(5<<30); small != 5*time.Minute || large != 5*time.Minute+2560*time.Second {
		t.Errorf("time of an attempt: %v for nothing, %v for 5 GiB", small, large)
	}
	if l := step("a").Limits(pipeline.Input{}); l.MaxAttempts < 2 || l.MaxCrashes > l.MaxAttempts || l.BackoffCap < l.BackoffBase {
		t.Errorf("limits %+v", l)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{some, `{"posters":[{"at":"50%"}]}`, `{"storyboard":null}`, `{"a":{"b":[]}}`, `[]`, `null`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var sets, plain contract.ThumbnailSets
		if errs := pipeline.Decode(b, &sets, "p"); len(errs) > 0 {
			for _, e := range errs {
				if !strings.HasPrefix(e.Field, "p") || e.Detail == "" {
					t.Errorf("error %+v", e)
				}
			}
			return
		}
		// Whatever is accepted the standard decoder accepts as well, with the same meaning.
		if err := json.Unmarshal(b, &plain); err != nil || !reflect.DeepEqual(sets.WithDefaults(), plain.WithDefaults()) {
			t.Errorf("%s was decoded as %+v, by encoding/json as %+v, %v", b, sets, plain, err)
		}
	})
}
