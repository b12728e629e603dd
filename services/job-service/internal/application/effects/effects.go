// Package effects executes what jobs have in their outboxes: it makes and cancels tasks, writes
// manifests, tells outsiders, and deletes objects. Every effect may be executed any number of times, by
// any number of processes at once, with the same result.
package effects

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

// Source names this service in messages.
const Source = "/reelmill/job-service"

// Executor executes effects. It may be used concurrently.
type Executor struct {
	tasks     task.Repository
	workers   task.WorkerRepository
	blobs     blob.Store
	uploads   blob.Sweeper
	publisher messaging.Publisher
	dispatch  func()
}

// New returns an executor over these stores; uploads sweeps the one of blobs. dispatch is called, and must not block,
// after tasks were made.
func New(tasks task.Repository, workers task.WorkerRepository, blobs blob.Store, uploads blob.Sweeper, publisher messaging.Publisher, dispatch func()) *Executor {
	return &Executor{tasks: tasks, workers: workers, blobs: blobs, uploads: uploads, publisher: publisher, dispatch: dispatch}
}

// Execute executes one effect of the job and returns the event that says so. An error means that it is
// to be tried again.
func (x *Executor) Execute(ctx context.Context, j job.Job, e job.Effect) (saga.Event, error) {
	done := saga.EffectDone{ID: e.ID}
	switch e.Kind {
	case job.EnsureTasks:
		return x.ensureTasks(ctx, j, e.Step)
	case job.CancelTasks:
		return done, x.cancelTasks(ctx, j, e.Step)
	case job.PublishEvent:
		return done, x.publishEvent(ctx, j, e)
	case job.DeleteOutputs:
		return done, x.deleteOutputs(ctx, j)
	case job.PublishManifest:
		return x.publishManifest(ctx, j)
	default:
		return nil, fmt.Errorf("effect of unknown kind %q", e.Kind)
	}
}

func (x *Executor) cancelTasks(ctx context.Context, j job.Job, step string) error {
	tasks, err := x.tasks.ByJob(ctx, j.ID, step)
	if err != nil {
		return fmt.Errorf("find the tasks to cancel: %w", err)
	}
	running := false
	for _, t := range tasks {
		if t.State.Terminal() {
			continue
		}
		_, err := x.tasks.Update(ctx, t.ID, func(t *task.Task) error {
			running = running || t.State == task.Running // it may have been claimed meanwhile
			t.Cancel(time.Now())
			return nil
		})
		if err != nil && !errors.Is(err, task.ErrNotFound) {
			return fmt.Errorf("cancel task %s: %w", t.ID, err)
		}
	}
	if !running {
		return nil
	}
	// Workers learn of it by their heartbeat in any case; the broadcast only makes it quick. So a broker
	// that is down does not hold up the cancellation.
	env := contract.NewCancel(Source, j.ID, j.Tenant, contract.CancelTasks{Step: step}, time.Now())
	if m, err := messaging.Encode(env, messaging.CancelRoute); err == nil {
		hint, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_ = x.publisher.Publish(hint, m)
	}
	return nil
}

func (x *Executor) publishEvent(ctx context.Context, j job.Job, e job.Effect) error {
	data := contract.JobEvent{State: string(e.State), Sequence: e.Sequence, MediaID: j.MediaID, Metadata: j.Metadata}
	if e.State == j.State {
		data.Error, data.Manifest = j.Error, j.ManifestKey
	}
	env := contract.NewJobEvent(Source, j.ID, j.Tenant, data, time.Now())
	env.TraceParent, env.TraceState = j.Trace["traceparent"], j.Trace["tracestate"]
	m, err := messaging.Encode(env, messaging.JobEventRoute(string(e.State)))
	if err != nil {
		return fmt.Errorf("encode the event %s of job %s: %w", e.State, j.ID, err)
	}
	if err := faultinject.Point(ctx, "relay.before_publish"); err != nil {
		return err
	}
	if err := x.publisher.Publish(ctx, m); err != nil {
		return fmt.Errorf("publish the event %s of job %s: %w", e.State, j.ID, err)
	}
	return faultinject.Point(ctx, "relay.after_confirm_before_pull")
}

// deleteOutputs deletes what the job stored and did not publish: everything for a job that was undone,
// what no manifest names for a completed one.
func (x *Executor) deleteOutputs(ctx context.Context, j job.Job) error {
	x.abortUploads(ctx, j.OutputPrefix())
	if j.ManifestKey == "" {
		if _, err := blob.DeletePrefix(ctx, x.blobs, j.OutputPrefix()); err != nil {
			return fmt.Errorf("delete the outputs of job %s: %w", j.ID, err)
		}
		if err := faultinject.Point(ctx, "compensate.mid_delete"); err != nil {
			return err
		}
		if _, err := blob.DeletePrefix(ctx, x.blobs, j.Prefix()+"manifest/"); err != nil {
			return fmt.Errorf("delete the manifest of job %s: %w", j.ID, err)
		}
		return nil
	}
	m, err := ReadManifest(ctx, x.blobs, j.ManifestKey)
	if err != nil {
		return err
	}
	published := make(map[string]bool, len(m.Outputs))
	for _, o := range m.Outputs {
		published[o.Key] = true
	}
	for page, err := range blob.Pages(ctx, x.blobs, j.OutputPrefix()) {
		if err != nil {
			return err
		}
		var garbage []string
		for _, o := range page {
			if !published[o.Key] {
				garbage = append(garbage, o.Key)
			}
		}
		if len(garbage) > 0 {
			if err := x.blobs.Delete(ctx, garbage...); err != nil {
				return fmt.Errorf("delete %d unpublished outputs of job %s: %w", len(garbage), j.ID, err)
			}
		}
	}
	return nil
}

// Erase deletes every object and task of a job and returns the keys that it deleted in this call. The
// record of the job itself is the caller's to delete, last.
func (x *Executor) Erase(ctx context.Context, j job.Job) ([]string, error) {
	x.abortUploads(ctx, j.Prefix())
	keys, err := blob.DeletePrefix(ctx, x.blobs, j.Prefix())
	if err != nil {
		return keys, fmt.Errorf("delete the objects of job %s: %w", j.ID, err)
	}
	if err := x.tasks.DeleteByJob(ctx, j.ID); err != nil {
		return keys, fmt.Errorf("delete the tasks of job %s: %w", j.ID, err)
	}
	return keys, nil
}
