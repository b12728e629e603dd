// Package pipeline holds the recipes that jobs follow: named, versioned DAGs of steps with their
// parameters. A Pipeline that New or Builtin returned is valid and has its defaults set; it is stored in
// the job, so that a job in flight does not change when a recipe does.
package pipeline

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

// MaxSteps is the most steps of a pipeline.
const MaxSteps = 20

// Inline is the name of pipelines whose steps came with the request.
const Inline = "inline"

// Pipeline is a recipe.
type Pipeline struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	// Steps are in an order in which every step comes after those that it needs.
	Steps []Step `json:"steps"`
}

// Step is a node of the recipe.
type Step struct {
	Name string        `json:"name"`
	Kind contract.Kind `json:"kind"`
	// Needs names the steps that must have succeeded before.
	Needs []string `json:"needs,omitempty"`
	// Optional steps may fail without failing the job.
	Optional bool `json:"optional,omitempty"`
	// Params are the parameters of the kind, with defaults set: contract.ThumbnailSets for thumbnails,
	// contract.TranscodeParams for transcoding.
	Params json.RawMessage `json:"params"`
	// Op, Folder and Group are New's to set, for steps that a step of kind transcode stands for: what the step
	// does, the name of the step that was asked for, in whose folder its outputs lie, and the names of all steps
	// of the group.
	Op     contract.TranscodeOp            `json:"op,omitempty"`
	Folder string                          `json:"folder,omitempty"`
	Group  map[contract.TranscodeOp]string `json:"group,omitempty"`
}

// Invalid says what is wrong with a pipeline. It wraps a fault of code pipeline_invalid.
type Invalid struct {
	// Fields are paths from the list of steps: "steps[0].params.posters[1].width".
	Fields []contract.FieldError
}

// Error returns the first problem and how many there are.
func (e *Invalid) Error() string {
	return fmt.Sprintf("%s: %s (%d problems)", e.Fields[0].Field, e.Fields[0].Detail, len(e.Fields))
}

// Unwrap returns the error's classification.
func (e *Invalid) Unwrap() error { return fault.New(fault.CodePipelineInvalid, "%s", e.Error()) }

// New returns the pipeline of these steps, in order of need and with defaults set, or an *Invalid with
// everything that is wrong. A step of kind transcode is replaced by those that it stands for.
func New(name string, version int, steps []Step) (Pipeline, error) {
	var errs []contract.FieldError
	add := func(field, format string, args ...any) {
		errs = append(errs, contract.FieldError{Field: field, Detail: fmt.Sprintf(format, args...)})
	}
	if len(steps) == 0 || len(steps) > MaxSteps {
		add("steps", "want 1 to %d steps, got %d", MaxSteps, len(steps))
	}
	steps = slices.Clone(steps)
	for i := range steps {
		s, at := &steps[i], fmt.Sprintf("steps[%d]", i)
		if !contract.ValidName(s.Name) {
			add(at+".name", "want lower-case letters, digits, '-' and '_', at most 64, got %.80q", s.Name)
		}
		if slices.ContainsFunc(steps[:i], func(o Step) bool { return o.Name == s.Name }) {
			add(at+".name", "%q stands twice", s.Name)
		}
		for j, need := range s.Needs {
			if need == s.Name || !slices.ContainsFunc(steps, func(o Step) bool { return o.Name == need }) {
				add(fmt.Sprintf("%s.needs[%d]", at, j), "there is no other step %.80q", need)
			}
		}
		if s.Op != "" || s.Folder != "" || s.Group != nil {
			add(at, "op, folder and group are not to be given")
		}
		params, fieldErrs := normalize(s.Kind, s.Params)
		for _, e := range fieldErrs {
			add(at+"."+e.Field, "%s", e.Detail)
		}
		s.Params = params
	}
	collisions(steps, add)
	if len(errs) == 0 {
		// Circles show among the steps as they were given; what these stand for adds none.
		sorted, ok := order(steps)
		if ok {
			sorted, ok = order(expand(sorted))
		}
		if ok {
			return Pipeline{Name: name, Version: version, Steps: sorted}, nil
		}
		add("steps", "the needs of the steps form a circle")
	}
	return Pipeline{}, &Invalid{Fields: errs}
}

// order returns the steps so that each comes after those that it needs, keeping the given order
// otherwise; ok is false where the needs form a circle.
func order(steps []Step) (sorted []Step, ok bool) {
	placed := map[string]bool{}
	for len(sorted) < len(steps) {
		before := len(sorted)
		for _, s := range steps {
			if placed[s.Name] || slices.ContainsFunc(s.Needs, func(n string) bool { return !placed[n] }) {
				continue
			}
			placed[s.Name] = true
			sorted = append(sorted, s)
		}
		if len(sorted) == before {
			return nil, false
		}
	}
	return sorted, true
}

// parameters are those of a kind of step.
type parameters[P any] interface {
	WithDefaults() P
	Validate() []contract.FieldError
}

// normalize checks the parameters of a kind and returns them with defaults set.
func normalize(kind contract.Kind, params json.RawMessage) (json.RawMessage, []contract.FieldError) {
	switch kind {
	case contract.KindThumbnail:
		return withDefaults[contract.ThumbnailSets](params)
	case contract.KindTranscode:
		return withDefaults[contract.TranscodeParams](params)
	default:
		return nil, []contract.FieldError{{Field: "kind", Detail: fmt.Sprintf("want %q or %q, got %.40q", contract.KindThumbnail, contract.KindTranscode, string(kind))}}
	}
}

func withDefaults[P parameters[P]](params json.RawMessage) (json.RawMessage, []contract.FieldError) {
	var p P
	if len(params) == 0 {
		params = json.RawMessage("{}")
	}
	if errs := Decode(params, &p, "params"); len(errs) > 0 {
		return nil, errs
	}
	p = p.WithDefaults()
	errs := p.Validate()
	for i := range errs {
		errs[i].Field = join("params", errs[i].Field)
	}
	b, err := json.Marshal(p)
	if err != nil {
		return nil, []contract.FieldError{{Field: "params", Detail: err.Error()}}
	}
	return b, errs
}

// Step returns the step of that name; ok is false where there is none.
func (p Pipeline) Step(name string) (s Step, ok bool) {
	for _, s := range p.Steps {
		if s.Name == name {
			return s, true
		}
	}
	return Step{}, false
}
