// Package worker is what every worker does alike: it takes hints from the queue, claims the task and
// acks at once, keeps the lease alive while a Processor works, stops the work when the task is
// cancelled or superseded, stores outputs, records the outcome under the fence and reports it; it keeps
// scratch folders and a source cache, drains in two steps, and tells that it is alive. What the work
// is, a service's own application layer says in a Processor.
package worker

import (
	"context"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/task"
)

// Processor does the work of one kind of task.
type Processor interface {
	// Process carries out one attempt. It returns when the work is done and its outputs are stored, or
	// soon after ctx ends; the cause of ctx says why (task.ErrDrain: the process is stopping; task.ErrLeaseLost:
	// the task was cancelled or superseded; task.ErrTimeUp: the attempt's time is used up). Errors are
	// classified (package fault): the class decides whether there is another attempt. Several attempts
	// may be processed at a time. The runtime fills Usage.Wall, BytesIn and BytesOut and SourceSHA256.
	Process(ctx context.Context, a Attempt) (contract.TaskResult, error)
}

// Attempt is what a Processor works with. It is valid until Process returns.
type Attempt interface {
	// Task is the task as it was claimed; it is not to be changed.
	Task() task.Task
	// Scratch is an empty folder of this attempt alone, with mode 0700. Everything in it is deleted
	// when Process returns, and at the next start if the process dies.
	Scratch() string
	// Source returns the path of a local, read-only copy of the object, whose name says nothing of the
	// user's and which stays until Process returns. Errors: source_not_found, source_changed (another
	// ETag or size), source_forbidden, storage_unavailable, scratch_full.
	Source(ctx context.Context, ref contract.SourceRef) (path string, err error)
	// Store uploads a verified file and returns o completed with Key, SizeBytes, SHA256 and ETag; Path (which
	// begins with the task's OutputFolder), Kind and MediaType are the caller's to give. Files of one attempt may be stored concurrently.
	Store(ctx context.Context, localPath string, o contract.Output) (contract.Output, error)
	// Results returns the results of the tasks of another step of the same job, in order of their index. A
	// task of it that has not succeeded is an error of class Transient: nobody needs a step before it has
	// ended, unless what is known of it is old.
	Results(ctx context.Context, step string) ([]contract.TaskResult, error)
	// Fetch downloads an output that a task of the same job has stored, and checks its size and digest. It
	// replaces a file at localPath. Errors: output_missing (it is gone, or is not what was stored),
	// storage_unavailable, scratch_full. Several may be fetched concurrently.
	Fetch(ctx context.Context, o contract.Output, localPath string) error
	// Progress tells how much of the work is done, in thousandths. It does not block, and lower values
	// than before are ignored.
	Progress(thousandths int)
}
