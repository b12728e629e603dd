package worker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/task"
)

// attempt is one attempt that is being claimed or processed. It implements Attempt from prepare on.
type attempt struct {
	r       *Runtime
	task    task.Task // guarded by the runtime's mutex until it is claimed, unchanged from then on
	dir     string
	sources *sourceCache
	wake    chan struct{}

	progress atomic.Int64
	bytesIn  atomic.Int64
	bytesOut atomic.Int64

	mu      sync.Mutex
	release []func()
	sha256  string
}

var _ Attempt = (*attempt)(nil)

// newAttempt returns what stands for an attempt at a task of the job before it is claimed.
func (r *Runtime) newAttempt(jobID, taskID string) *attempt {
	return &attempt{r: r, task: task.Task{ID: taskID, JobID: jobID}, wake: make(chan struct{}, 1)}
}

// prepare gives the attempt what it works with.
func (a *attempt) prepare(dir *scratch, sources *sourceCache) (err error) {
	a.dir, err = dir.attempt()
	a.sources = sources
	return err
}

// close deletes the attempt's files and lets go of its sources.
func (a *attempt) close() {
	for _, f := range a.release {
		f()
	}
	if err := os.RemoveAll(a.dir); err != nil {
		a.r.Log.Warn("scratch folder not deleted", slog.String("task_id", a.task.ID), slog.Any("error", err))
	}
}

// Task is the task as it was claimed.
func (a *attempt) Task() task.Task { return a.task }

// Scratch is the attempt's folder.
func (a *attempt) Scratch() string { return a.dir }

// Progress notes how much is done.
func (a *attempt) Progress(thousandths int) {
	for {
		old := a.progress.Load()
		if int64(thousandths) <= old || a.progress.CompareAndSwap(old, int64(min(thousandths, 1000))) {
			return
		}
	}
}

// Source returns a local copy of the object.
func (a *attempt) Source(ctx context.Context, ref contract.SourceRef) (string, error) {
	if err := faultinject.Point(ctx, "fetch.mid"); err != nil {
		return "", err
	}
	src, release, err := a.sources.acquire(ctx, ref)
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.release = append(a.release, release)
	a.sha256 = cmp.Or(a.sha256, src.sha256) // the job's source is the first that is asked for
	a.bytesIn.Add(src.fetched.Swap(0))
	return src.path, nil
}

// outputPrefix is where an attempt stores: no two attempts share it, so one that was superseded cannot
// overwrite what another made, and what one leaves behind can be deleted without touching its siblings.
func outputPrefix(t task.Task) string {
	return fmt.Sprintf("t/%s/j/%s/a/%d-%d/%s/%d/", t.Tenant, t.JobID, t.Attempt, t.Fence, t.Step, t.Index)
}

// Store uploads a verified file.
func (a *attempt) Store(ctx context.Context, localPath string, o contract.Output) (contract.Output, error) {
	name, ok := strings.CutPrefix(o.Path, a.task.OutputFolder()+"/")
	if !ok || name == "" || o.MediaType == "" || o.Kind == "" {
		return o, fault.New(fault.CodeOutputInvalid, "output %q of kind %q does not belong to step %s", o.Path, o.Kind, a.task.Step)
	}
	f, err := os.Open(localPath)
	if err != nil {
		return o, fmt.Errorf("open output %s: %w", o.Path, err)
	}
	defer f.Close()
	digest := sha256.New()
	if o.SizeBytes, err = io.Copy(digest, f); err != nil {
		return o, fmt.Errorf("read output %s: %w", o.Path, err)
	}
	if o.SizeBytes == 0 {
		return o, fault.New(fault.CodeOutputInvalid, "output %s is empty", o.Path)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return o, fmt.Errorf("read output %s: %w", o.Path, err)
	}
	o.SHA256, o.Key = hex.EncodeToString(digest.Sum(nil)), outputPrefix(a.task)+name
	if err := faultinject.Point(ctx, "upload.mid_part"); err != nil {
		return o, err
	}
	put, err := a.r.Blobs.Put(ctx, o.Key, f, blob.PutOptions{ContentType: o.MediaType, SHA256: o.SHA256,
		// A key is never written twice, so what was fetched once stays right.
		CacheControl: "private, max-age=31536000, immutable"})
	if err != nil {
		return o, fmt.Errorf("store output %s: %w", o.Path, err)
	}
	if put.SizeBytes != o.SizeBytes {
		return o, fault.New(fault.CodeOutputInvalid, "output %s was stored with %d of %d bytes", o.Path, put.SizeBytes, o.SizeBytes)
	}
	o.ETag = put.ETag
	a.bytesOut.Add(o.SizeBytes)
	return o, nil
}

// account fills in what the runtime knows of the attempt.
func (a *attempt) account(result *contract.TaskResult) {
	a.mu.Lock()
	defer a.mu.Unlock()
	result.SourceSHA256 = a.sha256
	result.Usage.BytesIn, result.Usage.BytesOut = a.bytesIn.Load(), a.bytesOut.Load()
}

// beatNow makes the heartbeat look at the task at once.
func (a *attempt) beatNow() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// heartbeat renews the lease and records progress until ctx ends. It cancels the work as soon as the
// lease is lost, also when the store has not answered for as long as the lease holds: then another
// worker may have the task.
func (a *attempt) heartbeat(ctx context.Context, cancel context.CancelCauseFunc) {
	cfg := a.r.cfg
	data := contract.TaskReply{TaskID: a.task.ID, Step: a.task.Step, Attempt: a.task.Attempt, Fence: a.task.Fence}
	a.r.publish(ctx, contract.NewStarted(a.task.Kind, a.r.source, a.task.JobID, a.task.Tenant, data, time.Now()))
	tick := time.NewTicker(min(cfg.ProgressInterval, cfg.Heartbeat))
	defer tick.Stop()
	held, beaten, told := a.task.Lease.Until, time.Now(), int64(0)
	for {
		forced := false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-a.wake:
			forced = true
		}
		progress := a.progress.Load()
		if !forced && progress == told && time.Since(beaten) < cfg.Heartbeat {
			continue
		}
		t, err := a.r.update(ctx, a.task.ID, func(t *task.Task) error {
			return t.Heartbeat(a.task.Fence, time.Now(), cfg.Lease, int(progress))
		})
		switch {
		case err == nil:
			held, beaten, told = t.Lease.Until, time.Now(), progress
		case errors.Is(err, task.ErrLeaseLost) || errors.Is(err, task.ErrNotFound):
			cancel(task.ErrLeaseLost)
			return
		case !time.Now().Before(held):
			a.r.Log.WarnContext(ctx, "lease could not be renewed in time", slog.String("task_id", a.task.ID), slog.Any("error", err))
			cancel(task.ErrLeaseLost)
			return
		}
	}
}

// jitter returns a random share of a backoff.
func jitter() float64 { return rand.Float64() }
