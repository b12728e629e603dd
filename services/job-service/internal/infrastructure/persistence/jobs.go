// Package persistence keeps jobs in a document store. It is written once, over database.Collection, so
// that MongoDB, SQLite and memory behave alike.
package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

// schema declares the collection of jobs. "created" is the position in listings; "wakeup" is in
// milliseconds since 1970, neverWakes for jobs at rest.
var schema = database.Schema{
	Name: "jobs",
	Fields: map[string]database.Type{
		"tenant": database.TypeString, "state": database.TypeString, "created": database.TypeString,
		"media_id": database.TypeString, "wakeup": database.TypeInt,
	},
	Indexes: [][]string{{"tenant", "created"}, {"tenant", "state", "created"}, {"tenant", "media_id", "created"}, {"wakeup"}, {"state"}},
}

const neverWakes = math.MaxInt64

// Jobs keeps jobs. It implements job.Repository.
type Jobs struct{ c database.Collection }

var _ job.Repository = (*Jobs)(nil)

// OpenJobs opens the collection of jobs.
func OpenJobs(ctx context.Context, db database.Database) (*Jobs, error) {
	c, err := db.Open(ctx, schema)
	if err != nil {
		return nil, fmt.Errorf("open the collection of jobs: %w", err)
	}
	return &Jobs{c: c}, nil
}

// Insert stores a new job, or returns job.ErrExists.
func (s *Jobs) Insert(ctx context.Context, j job.Job) error {
	d, err := documentOf(j)
	if err != nil {
		return err
	}
	return translate(s.c.Insert(ctx, d))
}

// Get returns the tenant's job.
func (s *Jobs) Get(ctx context.Context, tenant, id string) (job.Job, error) {
	j, err := s.Load(ctx, id)
	if err == nil && j.Tenant != tenant {
		return job.Job{}, fmt.Errorf("job %s: %w", id, job.ErrNotFound)
	}
	return j, err
}

// Load returns the job whoever's it is.
func (s *Jobs) Load(ctx context.Context, id string) (job.Job, error) {
	d, err := s.c.Get(ctx, id)
	if err != nil {
		return job.Job{}, translate(err)
	}
	return jobOf(d)
}

// Save stores the job if it is at its version still.
func (s *Jobs) Save(ctx context.Context, j job.Job) (job.Job, error) {
	d, err := documentOf(j)
	if err != nil {
		return j, err
	}
	if err := s.c.Save(ctx, d); err != nil {
		return j, translate(err)
	}
	j.Version++
	return j, nil
}

// Delete removes the record.
func (s *Jobs) Delete(ctx context.Context, id string) error {
	if err := s.c.Delete(ctx, id, 0); err != nil && !errors.Is(err, database.ErrNotFound) {
		return translate(err)
	}
	return nil
}

// Waking returns the ids of jobs whose NextWakeup has come.
func (s *Jobs) Waking(ctx context.Context, now time.Time, limit int) ([]string, error) {
	docs, err := s.c.Find(ctx, database.Query{
		Filters: []database.Filter{{Field: "wakeup", Op: database.LessOrEqual, Value: database.Int(now.UnixMilli())}},
		OrderBy: "wakeup", Limit: limit, IDsOnly: true})
	if err != nil {
		return nil, translate(err)
	}
	ids := make([]string, len(docs))
	for i, d := range docs {
		ids[i] = d.ID
	}
	return ids, nil
}

// CountByState returns how many jobs are in each state.
func (s *Jobs) CountByState(ctx context.Context) (map[job.State]int, error) {
	counts := map[job.State]int{}
	for _, state := range job.States() {
		n, err := s.c.Count(ctx, database.Filter{Field: "state", Op: database.Equal, Value: database.String(string(state))})
		if err != nil {
			return nil, translate(err)
		}
		counts[state] = int(n)
	}
	return counts, nil
}

// page is how many documents a listing reads at a time, and maxScanned how many it looks at before it
// answers with fewer than were asked for: filters that have no index must not read a whole collection.
const (
	page       = 200
	maxScanned = 5000
)

// List returns the tenant's jobs, the newest first; see job.Repository.
func (s *Jobs) List(ctx context.Context, tenant string, f job.Filter) (found []job.Job, next string, err error) {
	f.Limit = max(f.Limit, 1)
	before := f.Before
	for scanned := 0; scanned < maxScanned; {
		q := listQuery(tenant, f, before, f.Limit-len(found))
		docs, err := s.c.Find(ctx, q)
		if err != nil {
			return nil, "", translate(err)
		}
		for _, d := range docs {
			j, err := jobOf(d)
			if err != nil {
				return nil, "", err
			}
			if matches(j, f) {
				if len(found) == f.Limit {
					return found, before, nil // this one is of the next page
				}
				found = append(found, j)
			}
			before = j.Position()
		}
		scanned += len(docs)
		if len(docs) < q.Limit {
			return found, "", nil
		}
	}
	return found, before, nil
}

// listQuery asks for a page of documents and for one more than are wanted, which tells whether there are
// more; where filters are left to matches, for as many as a page holds.
func listQuery(tenant string, f job.Filter, before string, want int) database.Query {
	limit := min(page, want+1)
	if f.Pipeline != "" || len(f.Metadata) > 0 {
		limit = page
	}
	filters := []database.Filter{{Field: "tenant", Op: database.Equal, Value: database.String(tenant)}}
	if len(f.States) > 0 {
		in := database.Filter{Field: "state", Op: database.In}
		for _, s := range f.States {
			in.Values = append(in.Values, database.String(string(s)))
		}
		filters = append(filters, in)
	}
	if f.MediaID != "" {
		filters = append(filters, database.Filter{Field: "media_id", Op: database.Equal, Value: database.String(f.MediaID)})
	}
	if !f.CreatedAfter.IsZero() {
		filters = append(filters, database.Filter{Field: "created", Op: database.GreaterOrEqual, Value: database.String(edge(f.CreatedAfter))})
	}
	upper := before
	if !f.CreatedBefore.IsZero() && (upper == "" || edge(f.CreatedBefore) < upper) {
		upper = edge(f.CreatedBefore)
	}
	if upper != "" {
		filters = append(filters, database.Filter{Field: "created", Op: database.Less, Value: database.String(upper)})
	}
	return database.Query{Filters: filters, OrderBy: "created", Descending: true, Limit: limit}
}

// edge returns the position that separates jobs created before the instant from the others.
func edge(t time.Time) string {
	j := job.Job{CreatedAt: t}
	return strings.TrimSuffix(j.Position(), "/")
}

func matches(j job.Job, f job.Filter) bool {
	if !j.DeletingAt.IsZero() || f.Pipeline != "" && j.Pipeline.Name != f.Pipeline {
		return false
	}
	for k, v := range f.Metadata {
		if got, ok := j.Metadata[k]; !ok || got != v {
			return false
		}
	}
	return true
}

func documentOf(j job.Job) (database.Document, error) {
	body, err := json.Marshal(j)
	if err != nil {
		return database.Document{}, fmt.Errorf("encode job %s: %w", j.ID, err)
	}
	wakeup := int64(neverWakes)
	if !j.NextWakeup.IsZero() {
		wakeup = j.NextWakeup.UnixMilli()
	}
	return database.Document{ID: j.ID, Version: j.Version, Body: body, Fields: map[string]database.Value{
		"tenant": database.String(j.Tenant), "state": database.String(string(j.State)), "created": database.String(j.Position()),
		"media_id": database.String(j.MediaID), "wakeup": database.Int(wakeup),
	}}, nil
}

func jobOf(d database.Document) (job.Job, error) {
	var j job.Job
	if err := json.Unmarshal(d.Body, &j); err != nil {
		return j, fmt.Errorf("decode job %s: %w", d.ID, err)
	}
	j.Version = d.Version
	return j, nil
}

// translate gives the store's errors the names of the domain.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, database.ErrNotFound):
		return fmt.Errorf("%w: %w", job.ErrNotFound, err)
	case errors.Is(err, database.ErrExists):
		return fmt.Errorf("%w: %w", job.ErrExists, err)
	case errors.Is(err, database.ErrConflict):
		return fmt.Errorf("%w: %w", job.ErrConflict, err)
	default:
		return err
	}
}
