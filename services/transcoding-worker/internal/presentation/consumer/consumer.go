// Package consumer translates transcode tasks into calls of the application. It is the worker runtime's
// Processor: claiming, leases and reports are the runtime's.
package consumer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/worker"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// Transcoder is the use case.
type Transcoder interface {
	Transcode(ctx context.Context, spec contract.TranscodeSpec, w transcode.Workspace) (contract.TaskResult, error)
}

var (
	_ worker.Processor    = (*Processor)(nil)
	_ Transcoder          = (*transcode.Transcoder)(nil)
	_ transcode.Workspace = (worker.Attempt)(nil)
)

// Processor processes transcode tasks. It is safe for concurrent use.
type Processor struct{ transcode Transcoder }

// New returns a processor over the use case.
func New(t Transcoder) *Processor { return &Processor{transcode: t} }

// Process implements worker.Processor. A specification that cannot be carried out is task_spec_invalid.
func (p *Processor) Process(ctx context.Context, a worker.Attempt) (contract.TaskResult, error) {
	spec, err := specFrom(a.Task())
	if err != nil {
		return contract.TaskResult{}, err
	}
	return p.transcode.Transcode(ctx, spec, a)
}

// specFrom returns the task's specification with defaults set. Unknown fields are refused: a newer
// job-service may ask for what this worker does not make.
func specFrom(t task.Task) (contract.TranscodeSpec, error) {
	var spec contract.TranscodeSpec
	dec := json.NewDecoder(bytes.NewReader(t.Spec))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&spec); err != nil {
		return spec, fault.Wrap(fault.CodeTaskSpecInvalid, err, "the specification of task %s does not fit its type", t.ID)
	}
	spec.Params = spec.Params.WithDefaults()
	if wrong := spec.Params.Validate(); len(wrong) > 0 {
		return spec, invalid(t, fmt.Sprintf("%s: %s", wrong[0].Field, wrong[0].Detail))
	}
	if spec.Folder != t.OutputFolder() || !contract.ValidName(spec.Folder) || spec.Source.Key == "" || spec.Index != t.Index {
		return spec, invalid(t, "a folder, a source and the task's own index are needed")
	}
	if spec.Op != contract.OpPlan && spec.Steps[contract.OpPlan] == "" {
		return spec, invalid(t, "there is no step whose plan it could follow")
	}
	return spec, nil
}

func invalid(t task.Task, detail string) error {
	return fault.New(fault.CodeTaskSpecInvalid, "the specification of task %s cannot be carried out: %s", t.ID, detail)
}
