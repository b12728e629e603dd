package worker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
)

// Results returns what the tasks of another step of the job have recorded.
func (a *attempt) Results(ctx context.Context, step string) ([]contract.TaskResult, error) {
	tasks, err := a.r.Tasks.ByJob(ctx, a.task.JobID, step)
	if err != nil {
		return nil, fmt.Errorf("read the results of step %s: %w", step, err)
	}
	slices.SortFunc(tasks, func(x, y task.Task) int { return cmp.Compare(x.Index, y.Index) })
	results := make([]contract.TaskResult, len(tasks))
	for i, t := range tasks {
		if t.State != task.Succeeded {
			return nil, fault.New(fault.CodeInternal, "task %s is %s, and its result is needed", t.ID, t.State)
		}
		if err := json.Unmarshal(t.Result, &results[i]); err != nil {
			return nil, fault.Wrap(fault.CodeTaskSpecInvalid, err, "the result of task %s cannot be read", t.ID)
		}
	}
	return results, nil
}

// Fetch downloads an output and checks that it is what was stored.
func (a *attempt) Fetch(ctx context.Context, o contract.Output, localPath string) error {
	for try := 1; ; try++ {
		err := a.fetch(ctx, o, localPath)
		if err == nil || try >= fetchTries || fault.ClassOf(err) != fault.Transient || ctx.Err() != nil {
			return err
		}
		if err := sleep(ctx, fetchPause<<try); err != nil {
			return err
		}
	}
}

func (a *attempt) fetch(ctx context.Context, o contract.Output, localPath string) error {
	r, _, err := a.r.Blobs.Get(ctx, o.Key, blob.GetOptions{})
	if errors.Is(err, blob.ErrNotFound) {
		return fault.Wrap(fault.CodeOutputMissing, err, "output %s is not stored any more", o.Path)
	}
	if err != nil {
		return sourceError(err)
	}
	defer r.Close()
	f, err := os.OpenFile(localPath, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fault.Wrap(fault.CodeScratchFull, err, "")
	}
	sum := sha256.New()
	// A byte more than expected is enough to know that there is too much.
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(r, o.SizeBytes+1))
	a.bytesIn.Add(n)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = cerr
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fault.Wrap(fault.CodeScratchFull, err, "")
	case err != nil:
		return fault.Wrap(fault.CodeStorageUnavailable, err, "output %s could not be fetched", o.Path)
	case n != o.SizeBytes || hex.EncodeToString(sum.Sum(nil)) != o.SHA256:
		return fault.New(fault.CodeOutputMissing, "output %s is stored with another content than was recorded", o.Path)
	}
	return nil
}

// sleep waits for d, or returns ctx's cause when that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
