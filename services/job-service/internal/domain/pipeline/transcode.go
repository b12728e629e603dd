package pipeline

import (
	"fmt"
	"maps"
	"slices"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

// suffixes make the names of the steps that a step of kind transcode stands for, in order of need.
var suffixes = []struct {
	op     contract.TranscodeOp
	suffix string
	needs  []contract.TranscodeOp
}{
	{contract.OpPlan, "plan", nil},
	// Tracks come before chunks: a film can be watched once its sound and its first chunk are there.
	{contract.OpTrack, "tracks", []contract.TranscodeOp{contract.OpPlan}},
	{contract.OpChunk, "chunks", []contract.TranscodeOp{contract.OpPlan}},
	{contract.OpPackage, "package", []contract.TranscodeOp{contract.OpTrack, contract.OpChunk}},
	{contract.OpJoin, "join", []contract.TranscodeOp{contract.OpTrack, contract.OpChunk}},
	{contract.OpVerify, "verify", []contract.TranscodeOp{contract.OpPackage, contract.OpJoin}},
}

// makes reports whether parameters ask for an operation.
func makes(p contract.TranscodeParams, op contract.TranscodeOp) bool {
	switch op {
	case contract.OpChunk:
		return !p.AudioOnly
	case contract.OpPackage:
		return slices.Contains(p.Formats, contract.HLS) || slices.Contains(p.Formats, contract.DASH)
	case contract.OpJoin:
		return slices.Contains(p.Formats, contract.MP4)
	default:
		return true
	}
}

// expand returns the steps with each one of kind transcode replaced by those that it stands for: one for
// each operation. Steps that need it need the last of them, and the first of them needs what it needs. The steps
// are valid.
func expand(steps []Step) []Step {
	last := map[string]string{}
	var all []Step
	for _, s := range steps {
		s.Needs = slices.Clone(s.Needs)
		group := []Step{s}
		if s.Kind == contract.KindTranscode {
			group = operations(s)
		}
		last[s.Name] = group[len(group)-1].Name
		all = append(all, group...)
	}
	for i := range all {
		// Operations name each other already.
		for j, need := range all[i].Needs {
			if name, ok := last[need]; ok {
				all[i].Needs[j] = name
			}
		}
	}
	return all
}

// operations returns the steps that a step of kind transcode stands for.
func operations(s Step) []Step {
	var p contract.TranscodeParams
	if errs := Decode(s.Params, &p, ""); len(errs) > 0 {
		panic("pipeline: " + errs[0].Detail) // normalize has just written them
	}
	names := map[contract.TranscodeOp]string{}
	for _, o := range suffixes {
		if makes(p, o.op) {
			names[o.op] = operationName(s.Name, o.suffix)
		}
	}
	var group []Step
	for _, o := range suffixes {
		if names[o.op] == "" {
			continue
		}
		step := Step{Name: names[o.op], Kind: s.Kind, Optional: s.Optional, Params: s.Params, Op: o.op, Folder: s.Name, Group: maps.Clone(names)}
		if o.op == contract.OpPlan {
			step.Needs = s.Needs
		}
		for _, need := range o.needs {
			if names[need] != "" {
				step.Needs = append(step.Needs, names[need])
			}
		}
		group = append(group, step)
	}
	return group
}

func operationName(step, suffix string) string { return step + "-" + suffix }

// collisions reports steps whose names are those of the steps that another stands for, and names that would
// grow too long.
func collisions(steps []Step, add func(field, format string, args ...any)) {
	for i, s := range steps {
		if s.Kind != contract.KindTranscode {
			continue
		}
		for _, o := range suffixes {
			name := operationName(s.Name, o.suffix)
			if contract.ValidName(s.Name) && !contract.ValidName(name) {
				add(fmt.Sprintf("steps[%d].name", i), "%q is too long for a step of kind %s, which stands for several: %q", s.Name, s.Kind, name)
				break
			}
			if at := slices.IndexFunc(steps, func(other Step) bool { return other.Name == name }); at >= 0 {
				add(fmt.Sprintf("steps[%d].name", at), "%q is the name of a part of step %q", name, s.Name)
			}
		}
	}
}
