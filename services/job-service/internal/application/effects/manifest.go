package effects

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

// publishManifest checks that every output of the job's succeeded tasks is stored as its task says, and
// writes the manifest. Its content follows from what is stored, so writing it twice writes the same.
func (x *Executor) publishManifest(ctx context.Context, j job.Job) (saga.Event, error) {
	tasks, err := x.tasks.ByJob(ctx, j.ID, "")
	if err != nil {
		return nil, fmt.Errorf("find the results of job %s: %w", j.ID, err)
	}
	m, err := manifestOf(j, tasks)
	if err == nil {
		err = x.checkStored(ctx, j, m.Outputs)
	}
	if fault.ClassOf(err) == fault.Permanent {
		return saga.ManifestRefused{Error: fault.RecordOf(err)}, nil
	}
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode the manifest of job %s: %w", j.ID, err)
	}
	if err := faultinject.Point(ctx, "publish.before_manifest"); err != nil {
		return nil, err
	}
	key := j.ManifestPath()
	if _, err := x.blobs.Put(ctx, key, bytes.NewReader(b), blob.PutOptions{ContentType: contract.MediaTypeManifest}); err != nil {
		return nil, fmt.Errorf("write the manifest of job %s: %w", j.ID, err)
	}
	if err := faultinject.Point(ctx, "publish.after_manifest_before_cas"); err != nil {
		return nil, err
	}
	return saga.ManifestWritten{Key: key}, nil
}

// manifestOf returns the manifest of a job whose steps have ended. Errors are Permanent: a result that
// cannot be read, or two outputs of one path.
func manifestOf(j job.Job, tasks []task.Task) (contract.Manifest, error) {
	m := contract.Manifest{Schema: contract.ManifestSchema, JobID: j.ID, Tenant: j.Tenant, Revision: 1, Pipeline: j.Pipeline.Name,
		CreatedAt: j.PublishAt, Source: contract.ManifestSource{SourceRef: j.Source.Ref()}, Outputs: []contract.Output{},
		Warnings: j.Warnings, Tools: map[string]string{}}
	seen := map[string]bool{}
	for _, t := range tasks {
		if t.State != task.Succeeded || !whole(j, t.Step) {
			continue
		}
		var r contract.TaskResult
		if err := json.Unmarshal(t.Result, &r); err != nil {
			return m, fault.Wrap(fault.CodeWorkerCrashed, err, "the result of step %s cannot be read", t.Step)
		}
		for _, o := range r.Outputs {
			if seen[o.Path] {
				return m, fault.New(fault.CodeTaskSpecInvalid, "two outputs have the path %s", o.Path)
			}
			seen[o.Path] = true
		}
		m.Outputs = append(m.Outputs, r.Outputs...)
		m.Notes = append(m.Notes, r.Notes...)
		m.Checks = append(m.Checks, r.Checks...)
		maps.Copy(m.Tools, r.Tools)
		// What some tasks read is a remux of the source: only who inspected it tells of it.
		if m.Source.Media == nil && r.Media != nil {
			m.Source.Media, m.Source.SHA256 = r.Media, r.SourceSHA256
		}
	}
	slices.SortFunc(m.Outputs, func(a, b contract.Output) int { return strings.Compare(a.Path, b.Path) })
	return m, nil
}

// whole reports whether a step has succeeded, and with it all that make a film together: the parts of one that
// could not be verified are not published.
func whole(j job.Job, step string) bool {
	p, _ := j.Pipeline.Step(step)
	for _, part := range p.Group {
		if j.Steps[part].State != job.StepSucceeded {
			return false
		}
	}
	return j.Steps[step].State == job.StepSucceeded
}

// looks is how many outputs are looked at in storage at a time: what counts is the store's latency.
const looks = 16

// checkStored reports with a Permanent fault an output of the job that is not stored in the size that was
// recorded. Segments are looked up in the listing of the bucket, a thousand at a time: a film of two hours in
// four rungs has 9000 of them, and so many single looks would outlast an effect wherever one takes 50 ms. Nothing
// is lost by it, since their verification has read them all back and compared digests. Everything else is
// looked at by itself, and the digest that the store keeps is compared too.
func (x *Executor) checkStored(ctx context.Context, j job.Job, outputs []contract.Output) error {
	var segments, others []contract.Output
	for _, o := range outputs {
		if o.Kind == contract.OutputSegment {
			segments = append(segments, o)
		} else {
			others = append(others, o)
		}
	}
	g, looking := errgroup.WithContext(ctx)
	g.SetLimit(looks)
	for _, o := range others {
		g.Go(func() error { return x.checkOutput(looking, o) })
	}
	if err := g.Wait(); err != nil || len(segments) == 0 {
		return err
	}
	sizes, err := x.sizes(ctx, j.OutputPrefix())
	if err != nil {
		return err
	}
	for _, o := range segments {
		switch bytes, ok := sizes[o.Key]; {
		case !ok:
			return gone(o)
		case bytes != o.SizeBytes:
			return changed(o)
		}
	}
	return nil
}

func (x *Executor) checkOutput(ctx context.Context, o contract.Output) (err error) {
	defer caught(&err, "looking at an output")
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	head, err := x.blobs.Head(ctx, o.Key)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return gone(o)
	case err != nil:
		return fmt.Errorf("check output %s: %w", o.Path, err)
	case head.SizeBytes != o.SizeBytes || head.SHA256 != "" && head.SHA256 != o.SHA256:
		return changed(o)
	}
	return nil
}

func gone(o contract.Output) error {
	return fault.New(fault.CodeOutputMissing, "output %s is not stored any more", o.Path)
}

func changed(o contract.Output) error {
	return fault.New(fault.CodeOutputMissing, "output %s is stored with another content than was verified", o.Path)
}

// sizes returns the sizes of all objects below a prefix, by their keys.
func (x *Executor) sizes(ctx context.Context, prefix string) (map[string]int64, error) {
	all := map[string]int64{}
	for page, err := range blob.Pages(ctx, x.blobs, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list the outputs: %w", err)
		}
		for _, o := range page {
			all[o.Key] = o.SizeBytes
		}
	}
	return all, nil
}

// ReadManifest returns the manifest under the key.
func ReadManifest(ctx context.Context, store blob.Store, key string) (contract.Manifest, error) {
	var m contract.Manifest
	r, _, err := store.Get(ctx, key, blob.GetOptions{})
	if errors.Is(err, blob.ErrNotFound) {
		return m, fault.Wrap(fault.CodeOutputMissing, err, "the job's manifest is not stored any more")
	}
	if err != nil {
		return m, fmt.Errorf("read manifest %s: %w", key, err)
	}
	defer r.Close()
	if err := json.NewDecoder(r).Decode(&m); err != nil {
		return m, fmt.Errorf("read manifest %s: %w", key, err)
	}
	return m, nil
}
