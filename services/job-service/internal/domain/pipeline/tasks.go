package pipeline

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
)

// Input is what the tasks of a step are made from.
type Input struct {
	Source   contract.SourceRef
	Sidecars []contract.Sidecar
	// Workers is how many tasks of the step's kind could run at a time now.
	Workers int
	// Plan is the result of the step that PlanStep names; nil where it names none.
	Plan *contract.TranscodePlan
}

// PlanStep returns the name of the step whose plan says what the tasks of s are; ok is false where none is
// needed.
func (s Step) PlanStep() (name string, ok bool) {
	if s.Op == "" || s.Op == contract.OpPlan {
		return "", false
	}
	return s.Group[contract.OpPlan], true
}

// Tasks returns the specification of every task of the step, in order of their index: the same for the same
// input. There may be none. Errors have the code task_spec_invalid.
func (s Step) Tasks(in Input) ([]json.RawMessage, error) {
	if s.Op == "" {
		var p contract.ThumbnailSets
		if err := s.params(&p); err != nil {
			return nil, err
		}
		b, err := json.Marshal(contract.ThumbnailSpec{Source: in.Source, Params: p})
		return []json.RawMessage{b}, err
	}
	spec := contract.TranscodeSpec{Op: s.Op, Folder: s.Folder, Source: in.Source, Sidecars: in.Sidecars, Steps: s.Group}
	if err := s.params(&spec.Params); err != nil {
		return nil, err
	}
	n, err := s.count(in.Plan)
	if err != nil {
		return nil, err
	}
	if s.Op == contract.OpPlan {
		spec.Workers = max(1, in.Workers)
	}
	specs := make([]json.RawMessage, n)
	for i := range specs {
		spec.Index = i
		if specs[i], err = json.Marshal(spec); err != nil {
			return nil, fmt.Errorf("encode the specification of step %s: %w", s.Name, err)
		}
	}
	return specs, nil
}

func (s Step) params(into any) error {
	if err := json.Unmarshal(s.Params, into); err != nil {
		return fault.Wrap(fault.CodeTaskSpecInvalid, err, "the parameters of step %s cannot be read", s.Name)
	}
	return nil
}

// count returns how many tasks the step has.
func (s Step) count(plan *contract.TranscodePlan) (int, error) {
	if s.Op != contract.OpPlan && plan == nil {
		return 0, fault.New(fault.CodeTaskSpecInvalid, "step %s has no plan that it could follow", s.Name)
	}
	switch s.Op {
	case contract.OpTrack:
		return len(plan.Tracks), nil
	case contract.OpChunk:
		if plan.Video == nil {
			return 0, nil
		}
		if n := len(plan.Video.Chunks); n > contract.MaxChunks {
			return 0, fault.New(fault.CodeTaskSpecInvalid, "the plan of step %s has %d chunks, more than %d", s.Name, n, contract.MaxChunks)
		}
		return len(plan.Video.Chunks), nil
	default:
		return 1, nil
	}
}

// LongestAttempt is how long an attempt of any task may take at most.
const LongestAttempt = 24 * time.Hour

// Bounds of one attempt. They end work that will not end by itself; what is slow must fit into them.
const (
	// Fetching a source and decoding its keyframes takes less than this at 2 MiB/s, which is slower than any
	// machine measured. Planning may have to write it once more.
	baseTime        = 5 * time.Minute
	bytesPerSecond  = 2 << 20
	encodeTime      = 10 * time.Minute
	encodeFactor    = 60 // a ladder from 2160p takes about 10 s a second on one processor
	handleFactor    = 4  // decoding or copying everything takes less than a second a second
	maxAttempts     = 3
	maxCrashes      = 3
	hintTimeout     = 30 * time.Second
	backoffBase     = 2 * time.Second
	backoffCap      = time.Minute
	planningPerByte = 2
)

// Limits returns the bounds of the attempts of each of the step's tasks. The time of an attempt grows with the size of
// the source before it was inspected, and with its duration after that.
func (s Step) Limits(in Input) task.Limits {
	bySize := time.Duration(in.Source.SizeBytes/bytesPerSecond) * time.Second
	span := baseTime + bySize
	switch {
	case s.Op == contract.OpPlan:
		span = baseTime + planningPerByte*bySize
	case s.Op == contract.OpChunk && in.Plan != nil && in.Plan.Video != nil:
		var longest time.Duration
		for _, c := range in.Plan.Video.Chunks {
			if len(c.Cuts) > 0 {
				longest = max(longest, (c.End - c.Cuts[0]).Duration())
			}
		}
		span = encodeTime + bySize + encodeFactor*longest
	case s.Op != "" && in.Plan != nil:
		span = encodeTime + bySize + handleFactor*in.Plan.Duration.Duration()
	}
	return task.Limits{MaxAttempts: maxAttempts, MaxCrashes: maxCrashes, StartToClose: min(span, LongestAttempt),
		HintTimeout: hintTimeout, BackoffBase: backoffBase, BackoffCap: backoffCap}
}
