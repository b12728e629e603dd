// Package pipeline holds the recipes that jobs follow: named, versioned DAGs of steps with their
// parameters. A Pipeline that New or Builtin returned is valid and has its defaults set; it is stored in
// the job, so that a job in flight does not change when a recipe does.
package pipeline

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
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
	// Params are the parameters of the kind, with defaults set: contract.ThumbnailSets for thumbnails.
	Params json.RawMessage `json:"params"`
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
// everything that is wrong.
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
		params, fieldErrs := normalize(s.Kind, s.Params)
		for _, e := range fieldErrs {
			add(at+"."+e.Field, "%s", e.Detail)
		}
		s.Params = params
	}
	if len(errs) == 0 {
		sorted, ok := order(steps)
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

// normalize checks the parameters of a kind and returns them with defaults set.
func normalize(kind contract.Kind, params json.RawMessage) (json.RawMessage, []contract.FieldError) {
	switch kind {
	case contract.KindThumbnail:
		var p contract.ThumbnailSets
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
	default:
		return nil, []contract.FieldError{{Field: "kind", Detail: fmt.Sprintf("want %q, got %.40q", contract.KindThumbnail, string(kind))}}
	}
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

// Spec returns the specification of the step's task for a source.
func (s Step) Spec(source contract.SourceRef) (json.RawMessage, error) {
	var p contract.ThumbnailSets
	if err := json.Unmarshal(s.Params, &p); err != nil {
		return nil, fault.Wrap(fault.CodeTaskSpecInvalid, err, "the parameters of step %s cannot be read", s.Name)
	}
	b, err := json.Marshal(contract.ThumbnailSpec{Source: source, Params: p})
	if err != nil {
		return nil, fmt.Errorf("encode the specification of step %s: %w", s.Name, err)
	}
	return b, nil
}

// Limits returns the bounds of the step's attempts for a source of that size. The time of an attempt
// grows with the source, whose duration is not known before it was probed: five minutes and what fetching
// and decoding keyframes takes at 2 MiB/s, which is slower than any machine measured.
func (s Step) Limits(sourceBytes int64) task.Limits {
	return task.Limits{
		MaxAttempts: 3, MaxCrashes: 3,
		StartToClose: 5*time.Minute + time.Duration(sourceBytes/(2<<20))*time.Second,
		HintTimeout:  30 * time.Second,
		BackoffBase:  2 * time.Second, BackoffCap: time.Minute,
	}
}
