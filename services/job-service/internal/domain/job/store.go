package job

import (
	"context"
	"errors"
	"time"
)

// Errors of stores. Test with errors.Is.
var (
	// ErrNotFound means that the tenant has no such job.
	ErrNotFound = errors.New("job not found")
	// ErrExists means that the id is taken.
	ErrExists = errors.New("job exists")
	// ErrConflict means that the job was changed since it was read.
	ErrConflict = errors.New("job changed meanwhile")
)

// Filter selects jobs of one tenant. Zero fields select all.
type Filter struct {
	States        []State
	MediaID       string
	Pipeline      string
	CreatedAfter  time.Time
	CreatedBefore time.Time
	// Metadata must all be present in the job.
	Metadata map[string]string
	// Before continues a listing: only jobs older than this position; see Position.
	Before string
	// Limit is the most that are returned; at least 1.
	Limit int
}

// PositionTime is the layout of the instant that begins a position.
const PositionTime = "20060102T150405.000000"

// Position is a job's place in listings: newer jobs have greater positions.
func (j *Job) Position() string {
	return j.CreatedAt.UTC().Format(PositionTime) + "/" + j.ID
}

// Repository keeps jobs. Its methods may be called concurrently by any number of processes. Errors other
// than those named are classified; after one of them a write may have happened or not.
type Repository interface {
	// Insert stores a new job, or returns ErrExists.
	Insert(ctx context.Context, j Job) error
	// Get returns the tenant's job, or ErrNotFound also for another tenant's.
	Get(ctx context.Context, tenant, id string) (Job, error)
	// Load returns the job whoever's it is: for the orchestrator, never for users.
	Load(ctx context.Context, id string) (Job, error)
	// Save stores the job if it is still at j.Version, else ErrConflict or ErrNotFound, and returns it
	// at its new version.
	Save(ctx context.Context, j Job) (Job, error)
	// List returns the tenant's jobs, the newest first, but for those that are being deleted. next is the
	// position to go on before, empty where there are no more; there may be more although fewer than the
	// limit were returned, because one call looks at a bounded number of jobs.
	List(ctx context.Context, tenant string, f Filter) (list []Job, next string, err error)
	// Waking returns the ids of up to limit jobs whose NextWakeup has come, the longest due first.
	Waking(ctx context.Context, now time.Time, limit int) ([]string, error)
	// CountByState returns how many jobs of all tenants are in each state.
	CountByState(ctx context.Context) (map[State]int, error)
	// Delete removes the record; there being none is no error.
	Delete(ctx context.Context, id string) error
}
