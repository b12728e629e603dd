// Package generate makes the pictures that a thumbnail task asks for: posters, stills, and storyboards.
// It decides what is made, in which order, and what counts as good enough to be stored; how frames are
// decoded and pictures are written is left to its ports.
//
// The order is the promise: the source passes the gate before anything is made, every picture is decoded
// and checked before any is stored, and the storyboard's WebVTT file, which names the sheets, is stored
// last.
package generate

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

// Request is what a task asks for.
type Request struct {
	// Step is the step's name, the first element of every output's path.
	Step   string
	Source contract.SourceRef
	// Sets are valid and have their defaults set.
	Sets contract.ThumbnailSets
}

// Workspace is where an attempt works: see worker.Attempt, which is one.
type Workspace interface {
	Scratch() string
	Source(ctx context.Context, ref contract.SourceRef) (path string, err error)
	Store(ctx context.Context, localPath string, o contract.Output) (contract.Output, error)
	Progress(thousandths int)
}

// Generator makes pictures. It is safe for concurrent use.
type Generator struct {
	inspect  Inspector
	extract  FrameExtractor
	pictures Pictures
	tools    map[string]string
}

// New returns a generator. tools are the names and versions of the media tools, for results.
func New(inspect Inspector, extract FrameExtractor, pictures Pictures, tools map[string]string) (*Generator, error) {
	if inspect == nil || extract == nil || pictures == nil {
		return nil, errors.New("a generator needs an inspector, an extractor and pictures")
	}
	return &Generator{inspect: inspect, extract: extract, pictures: pictures, tools: maps.Clone(tools)}, nil
}

// The share of the work, in thousandths, that is done when a phase ends.
const (
	doneInspecting = 50
	doneExtracting = 800
	doneChecking   = 850
	doneStoring    = 1000
)

// Generate carries out the request in w and returns what it stored. On an error, nothing is stored or
// what is stored is named by no result: the caller drops it. A source that no picture can be made of is
// an error of class invalid, and then nothing was stored. Only what is needed of Usage is filled in: the
// processor time of the tools.
func (g *Generator) Generate(ctx context.Context, req Request, w Workspace) (contract.TaskResult, error) {
	path, err := w.Source(ctx, req.Source)
	if err != nil {
		return contract.TaskResult{}, fmt.Errorf("fetch the source: %w", err)
	}
	src, err := g.inspect.Inspect(ctx, path)
	if err != nil {
		return contract.TaskResult{}, fmt.Errorf("inspect the source: %w", err)
	}
	w.Progress(doneInspecting)

	j := &job{Generator: g, req: req, src: src, w: w, plan: newPlan(req.Sets, src)}
	j.notes = append(append(j.notes, src.Notes...), j.plan.notes...)
	made, err := j.make(ctx)
	if err != nil {
		return contract.TaskResult{}, err
	}
	outputs, err := j.store(ctx, made)
	if err != nil {
		return contract.TaskResult{}, err
	}
	return contract.TaskResult{
		Outputs: outputs, Media: &src.Info, Notes: compact(j.notes), Tools: maps.Clone(g.tools),
		Usage: contract.Usage{CPU: j.meter.CPU()},
	}, nil
}

// job is one request under way.
type job struct {
	*Generator
	req   Request
	src   Source
	w     Workspace
	plan  plan
	meter Meter
	notes []contract.Note
}

// compact returns the notes without repetitions.
func compact(notes []contract.Note) []contract.Note {
	var out []contract.Note
	seen := map[contract.Note]bool{}
	for _, n := range notes {
		if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}
