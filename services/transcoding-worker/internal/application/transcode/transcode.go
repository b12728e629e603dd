// Package transcode makes of a film what players need: renditions in segments, playlists and manifests, and
// an MP4. One task is one operation (contract.TranscodeOp): planning, encoding a chunk or a track, writing
// playlists, joining, verifying. It decides what is made, in which order, and what counts as good enough;
// how media are read and written is left to its ports.
//
// The order is the promise: the source passes the gate before anything is made, every file is checked by
// the task that made it before that task succeeds, playlists come after all that they name, and nothing is
// published unless the verification, which looks at everything as it is stored, has found no fault.
package transcode

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

// Transcoder carries out the operations. It is safe for concurrent use.
type Transcoder struct {
	inspect Inspector
	encode  Encoder
	check   Checker
	tools   map[string]string
}

// New returns a transcoder. tools are the names and versions of the media tools, for results.
func New(inspect Inspector, encode Encoder, check Checker, tools map[string]string) (*Transcoder, error) {
	if inspect == nil || encode == nil || check == nil {
		return nil, errors.New("a transcoder needs an inspector, an encoder and a checker")
	}
	return &Transcoder{inspect: inspect, encode: encode, check: check, tools: maps.Clone(tools)}, nil
}

// Transcode carries out one operation in w and returns its result. On an error, nothing is stored or what
// is stored is named by no result: the caller drops it. Of Usage it fills in the processor time of the
// tools.
func (t *Transcoder) Transcode(ctx context.Context, spec contract.TranscodeSpec, w Workspace) (contract.TaskResult, error) {
	j := &job{Transcoder: t, spec: spec, w: w}
	ops := map[contract.TranscodeOp]func(context.Context) (contract.TaskResult, error){
		contract.OpPlan: j.plan, contract.OpTrack: j.track, contract.OpChunk: j.chunk,
		contract.OpPackage: j.pack, contract.OpJoin: j.join, contract.OpVerify: j.verify,
	}
	op, ok := ops[spec.Op]
	if !ok {
		return contract.TaskResult{}, fault.New(fault.CodeTaskSpecInvalid, "this worker knows no operation %.40q", string(spec.Op))
	}
	result, err := op(ctx)
	if err != nil {
		return contract.TaskResult{}, fmt.Errorf("%s: %w", spec.Op, err)
	}
	if result.Outputs == nil {
		result.Outputs = []contract.Output{}
	}
	result.Tools, result.Usage.CPU = maps.Clone(t.tools), j.meter.CPU()
	return result, nil
}

// job is one operation under way.
type job struct {
	*Transcoder
	spec  contract.TranscodeSpec
	w     Workspace
	meter Meter
}

// planned returns the plan that the group follows.
func (j *job) planned(ctx context.Context) (contract.TranscodePlan, error) {
	results, err := j.w.Results(ctx, j.spec.Steps[contract.OpPlan])
	if err != nil {
		return contract.TranscodePlan{}, err
	}
	if len(results) != 1 || results[0].Plan == nil {
		return contract.TranscodePlan{}, fault.New(fault.CodeTaskSpecInvalid, "step %q has no plan", j.spec.Steps[contract.OpPlan])
	}
	return *results[0].Plan, nil
}

// input fetches what the plan is for and returns it for an encoder.
func (j *job) input(ctx context.Context, plan contract.TranscodePlan, ref contract.SourceRef, share float64) (Input, error) {
	path, err := j.w.Source(ctx, ref)
	if err != nil {
		return Input{}, fmt.Errorf("fetch the source: %w", err)
	}
	return Input{Path: path, Plan: plan, LoudnessLUFS: j.spec.Params.Audio.LoudnessLUFS,
		Progress: func(done float64) { j.w.Progress(int(1000 * share * done)) }}, nil
}

// path returns the path of an output of the group.
func (j *job) path(elements ...string) string {
	return filepath.ToSlash(filepath.Join(append([]string{j.spec.Folder}, elements...)...))
}

func invalid(format string, args ...any) error {
	return fault.New(fault.CodeOutputInvalid, format, args...)
}
