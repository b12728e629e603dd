// Package consumer translates thumbnail tasks into requests of the application. It is the worker
// runtime's Processor: claiming, leases and reports are the runtime's.
package consumer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/worker"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/application/generate"
)

// Generator is the use case.
type Generator interface {
	Generate(ctx context.Context, req generate.Request, w generate.Workspace) (contract.TaskResult, error)
}

var (
	_ worker.Processor = (*Processor)(nil)
	_ Generator        = (*generate.Generator)(nil)
)

// Processor processes thumbnail tasks. It is safe for concurrent use.
type Processor struct{ generate Generator }

// New returns a processor over the use case.
func New(g Generator) *Processor { return &Processor{generate: g} }

// Process implements worker.Processor. A specification that cannot be carried out is task_spec_invalid.
func (p *Processor) Process(ctx context.Context, a worker.Attempt) (contract.TaskResult, error) {
	req, err := requestFrom(a.Task())
	if err != nil {
		return contract.TaskResult{}, err
	}
	return p.generate.Generate(ctx, req, a)
}

// requestFrom returns the request that a task stands for. Unknown fields are refused: a newer
// job-service may ask for what this worker does not make.
func requestFrom(t task.Task) (generate.Request, error) {
	var spec contract.ThumbnailSpec
	dec := json.NewDecoder(bytes.NewReader(t.Spec))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&spec); err != nil {
		return generate.Request{}, fault.Wrap(fault.CodeTaskSpecInvalid, err, "the specification of task %s does not fit its type", t.ID)
	}
	sets := spec.Params.WithDefaults()
	if wrong := sets.Validate(); len(wrong) > 0 {
		return generate.Request{}, invalid(t, fmt.Sprintf("%s: %s", wrong[0].Field, wrong[0].Detail))
	}
	if !contract.ValidName(t.Step) || spec.Source.Key == "" {
		return generate.Request{}, invalid(t, "a step's name and a source are needed")
	}
	if name, ok := collision(sets); ok {
		return generate.Request{}, invalid(t, fmt.Sprintf("the poster name %q is that of another output", name))
	}
	return generate.Request{Step: t.Step, Source: spec.Source, Sets: sets}, nil
}

func invalid(t task.Task, detail string) error {
	return fault.New(fault.CodeTaskSpecInvalid, "the specification of task %s cannot be carried out: %s", t.ID, detail)
}

// collision returns the name of a poster whose file could be one of the stills or sheets.
func collision(sets contract.ThumbnailSets) (name string, ok bool) {
	for _, p := range sets.Posters {
		if sets.Stills != nil && strings.HasPrefix(p.Name, "still-") || sets.Storyboard != nil && strings.HasPrefix(p.Name, "storyboard") {
			return p.Name, true
		}
	}
	return "", false
}
