package taskstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/database"
)

var _ task.WorkerRepository = (*Workers)(nil)

const fieldSeen = "seen_at" // nanoseconds since 1970

// Workers implements task.WorkerRepository. It may be used concurrently, by any number of processes.
type Workers struct{ c database.Collection }

// OpenWorkers opens the collection "workers".
func OpenWorkers(ctx context.Context, db database.Database) (*Workers, error) {
	c, err := db.Open(ctx, database.Schema{
		Name:    "workers",
		Fields:  map[string]database.Type{fieldSeen: database.TypeInt},
		Indexes: [][]string{{fieldSeen}},
	})
	if err != nil {
		return nil, fmt.Errorf("open the worker store: %w", err)
	}
	return &Workers{c: c}, nil
}

// Put implements task.WorkerRepository. Of concurrent calls for one worker the last to write stays.
func (s *Workers) Put(ctx context.Context, w task.Worker) error {
	body, err := json.Marshal(w)
	if err != nil {
		return fault.Wrap(fault.CodeInternal, fmt.Errorf("encode worker %s: %w", w.ID, err), "")
	}
	d := database.Document{ID: w.ID, Body: body, Fields: map[string]database.Value{fieldSeen: database.Int(w.SeenAt.UnixNano())}}
	for try := range tries {
		if err := pause(ctx, try); err != nil {
			return fmt.Errorf("put worker %s: %w", w.ID, err)
		}
		err = s.replace(ctx, d)
		if !errors.Is(err, database.ErrConflict) && !errors.Is(err, database.ErrExists) && !errors.Is(err, database.ErrNotFound) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("put worker %s: %w", w.ID, err)
	}
	return nil
}

// replace inserts the document or saves it over the present one. The errors of the port tell that another
// call came between.
func (s *Workers) replace(ctx context.Context, d database.Document) error {
	old, err := s.c.Get(ctx, d.ID)
	if errors.Is(err, database.ErrNotFound) {
		return s.c.Insert(ctx, d)
	}
	if err != nil {
		return err
	}
	d.Version = old.Version
	return s.c.Save(ctx, d)
}

// Remove implements task.WorkerRepository.
func (s *Workers) Remove(ctx context.Context, id string) error {
	if err := s.c.Delete(ctx, id, 0); err != nil && !errors.Is(err, database.ErrNotFound) {
		return fmt.Errorf("remove worker %s: %w", id, err)
	}
	return nil
}

// Live implements task.WorkerRepository. A worker seen at the very instant is live.
func (s *Workers) Live(ctx context.Context, since time.Time) ([]task.Worker, error) {
	seen := database.Filter{Field: fieldSeen, Op: database.GreaterOrEqual, Value: database.Int(since.UnixNano())}
	docs, err := all(ctx, s.c, database.Query{Filters: []database.Filter{seen}})
	if err != nil {
		return nil, fmt.Errorf("list live workers: %w", err)
	}
	workers := make([]task.Worker, len(docs))
	for i, d := range docs {
		if err := json.Unmarshal(d.Body, &workers[i]); err != nil {
			return nil, fault.Wrap(fault.CodeInternal, fmt.Errorf("decode worker %s: %w", d.ID, err), "")
		}
	}
	return workers, nil
}

// RemoveStale implements task.WorkerRepository. A worker that reports meanwhile is kept.
func (s *Workers) RemoveStale(ctx context.Context, before time.Time) error {
	seen := database.Filter{Field: fieldSeen, Op: database.Less, Value: database.Int(before.UnixNano())}
	docs, err := all(ctx, s.c, database.Query{Filters: []database.Filter{seen}, IDsOnly: true})
	if err != nil {
		return fmt.Errorf("find stale workers: %w", err)
	}
	for _, d := range docs {
		err := s.c.Delete(ctx, d.ID, d.Version)
		if err != nil && !errors.Is(err, database.ErrNotFound) && !errors.Is(err, database.ErrConflict) {
			return fmt.Errorf("remove stale worker %s: %w", d.ID, err)
		}
	}
	return nil
}
