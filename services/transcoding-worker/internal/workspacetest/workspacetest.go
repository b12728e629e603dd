// Package workspacetest carries out all operations of a transcode step without a worker or a job-service
// around them: a folder stands for the bucket, and results are kept in memory. Tests and benchmarks of
// whole films use it.
package workspacetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// Folder is the folder of the outputs of a Group, and the step's name.
const Folder = "video"

// Steps are the names of the operations' steps.
var Steps = map[contract.TranscodeOp]string{
	contract.OpPlan: "video-plan", contract.OpTrack: "video-tracks", contract.OpChunk: "video-chunks",
	contract.OpPackage: "video-package", contract.OpJoin: "video-join", contract.OpVerify: "video-verify",
}

// Group is one transcode step of a job. Its operations may be carried out one after the other, or those of one step
// concurrently.
type Group struct {
	transcoder *transcode.Transcoder
	dir        string
	source     string
	params     contract.TranscodeParams
	// Workers and Sidecars are those of the plan; set them before Run.
	Workers  int
	Sidecars []string

	mu sync.Mutex
	// fetched is how many bytes of segments were read by other tasks.
	fetched int64
	results map[contract.TranscodeOp][]contract.TaskResult
	runs    int
}

// New returns a group that processes the file source with a folder dir of its own.
func New(t *transcode.Transcoder, source, dir string, params contract.TranscodeParams) *Group {
	return &Group{transcoder: t, source: source, dir: dir, params: params.WithDefaults(), Workers: 2, results: map[contract.TranscodeOp][]contract.TaskResult{}}
}

// Run carries out everything up to the operation last, and returns the plan.
func (g *Group) Run(ctx context.Context, last contract.TranscodeOp) (contract.TranscodePlan, error) {
	for _, op := range g.Operations() {
		if err := g.Step(ctx, op); err != nil {
			return g.Plan(), err
		}
		if op == last {
			break
		}
	}
	return g.Plan(), nil
}

// Operations returns the operations of the group, in order.
func (g *Group) Operations() []contract.TranscodeOp {
	ops := []contract.TranscodeOp{contract.OpPlan, contract.OpTrack}
	if !g.params.AudioOnly {
		ops = append(ops, contract.OpChunk)
	}
	streams, join := false, false
	for _, f := range g.params.Formats {
		streams = streams || f != contract.MP4
		join = join || f == contract.MP4
	}
	if streams {
		ops = append(ops, contract.OpPackage)
	}
	if join {
		ops = append(ops, contract.OpJoin)
	}
	return append(ops, contract.OpVerify)
}

// Step carries out all tasks of one operation, one after the other.
func (g *Group) Step(ctx context.Context, op contract.TranscodeOp) error {
	n := 1
	switch p := g.Plan(); op {
	case contract.OpTrack:
		n = len(p.Tracks)
	case contract.OpChunk:
		n = len(p.Video.Chunks)
	}
	results := make([]contract.TaskResult, n)
	for i := range results {
		r, err := g.Task(ctx, op, i)
		if err != nil {
			return fmt.Errorf("%s %d: %w", op, i, err)
		}
		results[i] = r
	}
	g.Set(op, results)
	return nil
}

// Task carries out one task and returns its result, as it would be read from the database.
func (g *Group) Task(ctx context.Context, op contract.TranscodeOp, index int) (contract.TaskResult, error) {
	g.mu.Lock()
	g.runs++
	scratch := filepath.Join(g.dir, fmt.Sprintf("scratch-%d", g.runs))
	g.mu.Unlock()
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return contract.TaskResult{}, err
	}
	defer os.RemoveAll(scratch)
	spec := contract.TranscodeSpec{Op: op, Folder: Folder, Source: contract.SourceRef{Key: "source", SizeBytes: 1}, Params: g.params,
		Steps: map[contract.TranscodeOp]string{}, Workers: g.Workers, Index: index}
	for _, o := range g.Operations() {
		spec.Steps[o] = Steps[o]
	}
	for i := range g.Sidecars {
		spec.Sidecars = append(spec.Sidecars, contract.Sidecar{SourceRef: contract.SourceRef{Key: fmt.Sprintf("sidecar-%d", i)}, Language: "en"})
	}
	r, err := g.transcoder.Transcode(ctx, spec, &workspace{g: g, scratch: scratch, prefix: fmt.Sprintf("%s/%d/", Steps[op], index)})
	if err != nil {
		return r, err
	}
	// Through JSON, as everything that passes from task to task.
	b, err := json.Marshal(r)
	if err != nil {
		return r, err
	}
	var read contract.TaskResult
	return read, json.Unmarshal(b, &read)
}

// Plan returns the group's plan, zero before it was made.
func (g *Group) Plan() contract.TranscodePlan {
	if r := g.Results(contract.OpPlan); len(r) == 1 && r[0].Plan != nil {
		return *r[0].Plan
	}
	return contract.TranscodePlan{}
}

// Results returns what the tasks of an operation have recorded. They may be changed.
func (g *Group) Results(op contract.TranscodeOp) []contract.TaskResult {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.results[op]
}

// Set records the results of an operation.
func (g *Group) Set(op contract.TranscodeOp, results []contract.TaskResult) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.results[op] = results
}

// Fetched returns how many bytes of segments were read since the last call.
func (g *Group) Fetched() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.fetched
	g.fetched = 0
	return n
}

// Outputs returns everything that was made, by path.
func (g *Group) Outputs() map[string]contract.Output {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := map[string]contract.Output{}
	for _, results := range g.results {
		for _, r := range results {
			for _, o := range r.Outputs {
				all[o.Path] = o
			}
		}
	}
	return all
}

// File returns where an object is kept.
func (g *Group) File(o contract.Output) string {
	return filepath.Join(g.dir, "bucket", filepath.FromSlash(o.Key))
}

// Export copies all outputs to a folder, by their paths.
func (g *Group) Export(dir string) error {
	for path, o := range g.Outputs() {
		if err := copyFile(g.File(o), filepath.Join(dir, filepath.FromSlash(path))); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

// Rewrite makes the record of an object fit a content: what a worker would have recorded of it.
func (g *Group) Rewrite(o *contract.Output, content []byte) {
	sum := sha256.Sum256(content)
	o.SizeBytes, o.SHA256 = int64(len(content)), hex.EncodeToString(sum[:])
	_ = os.MkdirAll(filepath.Dir(g.File(*o)), 0o700) // writing fails where this did
}

// Clone returns a copy of the group, objects and results, with a folder of its own.
func (g *Group) Clone(dir string) *Group {
	c := &Group{transcoder: g.transcoder, source: g.source, dir: dir, params: g.params, Workers: g.Workers, Sidecars: g.Sidecars,
		results: map[contract.TranscodeOp][]contract.TaskResult{}}
	if err := os.CopyFS(filepath.Join(dir, "bucket"), os.DirFS(filepath.Join(g.dir, "bucket"))); err != nil {
		panic(err) // the folder is empty and the test's own
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for op, results := range g.results {
		for _, r := range results {
			r.Outputs, r.Working = slices.Clone(r.Outputs), slices.Clone(r.Working)
			c.results[op] = append(c.results[op], r)
		}
	}
	return c
}
