package persistence_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/ident"
	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/pkg/database"
	"github.com/reelmill/reelmill/pkg/database/databasetest"
	"github.com/reelmill/reelmill/pkg/database/memory"
	"github.com/reelmill/reelmill/pkg/database/mongodb"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/persistence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestJobsInMemory(t *testing.T) {
	suite(t, func(*testing.T) database.Database { return memory.New() })
}

func TestJobsInMongoDB(t *testing.T) {
	uri := testenv.Mongo(t)
	suite(t, func(t *testing.T) database.Database {
		db, err := mongodb.New(mongodb.Config{URI: uri, Database: testenv.UniqueName(t, "jobs")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return db
	})
}

// suite is what a store of jobs promises, whatever database lies below.
func suite(t *testing.T, newDB func(*testing.T) database.Database) {
	for name, test := range map[string]func(*testing.T, *persistence.Jobs){
		"a job comes back as it was stored":      comesBack,
		"an id is taken once":                    takenOnce,
		"only one of concurrent saves wins":      oneSaveWins,
		"a tenant sees its own jobs":             ownJobs,
		"a listing goes on where it ended":       listing,
		"filters select":                         filters,
		"due jobs are found, the longest first":  waking,
		"jobs are counted by state":              counting,
		"a deletion may be repeated":             deletion,
		"an ended context ends calls with cause": endedContext,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t, newDB(t))) })
	}
}

func open(t *testing.T, db database.Database) *persistence.Jobs {
	t.Helper()
	s, err := persistence.OpenJobs(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var created = time.Date(2026, 4, 5, 6, 7, 8, 123_456_789, time.UTC)

func newJob(change func(j *job.Job)) job.Job {
	j := job.Job{ID: ident.New(), Tenant: "acme", State: job.Queued, CreatedAt: created, Pipeline: pipeline.Pipeline{Name: "thumbnail"}}
	change(&j)
	return j
}

func insert(t *testing.T, s *persistence.Jobs, change func(j *job.Job)) job.Job {
	t.Helper()
	j := newJob(change)
	if err := s.Insert(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	return j
}

func comesBack(t *testing.T, s *persistence.Jobs) {
	builtin, err := pipeline.Builtin("thumbnail")
	if err != nil {
		t.Fatal(err)
	}
	want := insert(t, s, func(j *job.Job) {
		j.Pipeline, j.MediaID, j.Metadata = builtin, "film ü", map[string]string{"a": "\x00<&>", "b": ""}
		j.Steps = map[string]job.Step{"thumbnails": {State: job.StepFailed, Tasks: 1, StartedAt: created, Error: &fault.Record{Code: "x", Class: "invalid", Detail: "d"}}}
		j.Source = job.Source{Key: "k", ETag: `"e"`, SizeBytes: 5 << 30}
		j.Outbox = []job.Effect{{ID: 3, Kind: job.PublishEvent, State: job.Queued, Sequence: 2, After: created, Tries: 1}}
		j.Warnings, j.LastEffect, j.Sequence = []contract.Note{{Code: "w"}}, 3, 2
		j.Error, j.Deadline, j.NextWakeup = &fault.Record{Code: "y"}, created.Add(time.Hour), created
	})
	want.Version = 1
	for _, get := range []func() (job.Job, error){
		func() (job.Job, error) { return s.Get(t.Context(), "acme", want.ID) },
		func() (job.Job, error) { return s.Load(t.Context(), want.ID) },
	} {
		if got, err := get(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got\n%+v, %v\nwant\n%+v", got, err, want)
		}
	}
	want.State, want.Outbox = job.Completed, nil
	saved, err := s.Save(t.Context(), want)
	if err != nil || saved.Version != 2 {
		t.Fatalf("Save = version %d, %v", saved.Version, err)
	}
	if got, err := s.Load(t.Context(), want.ID); err != nil || !reflect.DeepEqual(got, saved) {
		t.Errorf("after the save got\n%+v, %v\nwant\n%+v", got, err, saved)
	}
}

func takenOnce(t *testing.T, s *persistence.Jobs) {
	id := ident.Derive("job", "acme", "key")
	const n = 20
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			errs[i] = s.Insert(t.Context(), newJob(func(j *job.Job) { j.ID, j.MediaID = id, fmt.Sprint(i) }))
		})
	}
	wg.Wait()
	winner := slices.Index(errs, nil)
	if winner < 0 {
		t.Fatal("no insert won")
	}
	for i, err := range errs {
		if i != winner && !errors.Is(err, job.ErrExists) {
			t.Errorf("insert %d: %v, want ErrExists", i, err)
		}
	}
	if got, err := s.Load(t.Context(), id); err != nil || got.MediaID != fmt.Sprint(winner) {
		t.Errorf("the stored job is %q's, %v; want %d's", got.MediaID, err, winner)
	}
}

func oneSaveWins(t *testing.T, s *persistence.Jobs) {
	j := insert(t, s, func(*job.Job) {})
	j.Version = 1
	const n = 20
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { _, errs[i] = s.Save(t.Context(), j) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, job.ErrConflict) {
			t.Errorf("a save that lost: %v, want ErrConflict", err)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d saves at one version won", won, n)
	}
	if _, err := s.Save(t.Context(), newJob(func(j *job.Job) { j.Version = 1 })); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a save of a job that is not there: %v, want ErrNotFound", err)
	}
}

func ownJobs(t *testing.T, s *persistence.Jobs) {
	j := insert(t, s, func(*job.Job) {})
	if got, err := s.Get(t.Context(), "rival", j.ID); !errors.Is(err, job.ErrNotFound) || !reflect.DeepEqual(got, job.Job{}) {
		t.Errorf("another tenant got %+v, %v", got, err)
	}
	if _, err := s.Get(t.Context(), "acme", ident.New()); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a job that is not there: %v", err)
	}
	if list, next, err := s.List(t.Context(), "rival", job.Filter{Limit: 10}); len(list) > 0 || next != "" || err != nil {
		t.Errorf("another tenant lists %d jobs, next %q, %v", len(list), next, err)
	}
}

// list follows a listing to its end.
func list(t *testing.T, s *persistence.Jobs, f job.Filter) (ids []string) {
	t.Helper()
	for pages := 0; ; pages++ {
		found, next, err := s.List(t.Context(), "acme", f)
		if err != nil || len(found) > f.Limit || pages > 1000 {
			t.Fatalf("page %d has %d jobs, limit %d, %v", pages, len(found), f.Limit, err)
		}
		for _, j := range found {
			ids = append(ids, j.ID)
		}
		if f.Before = next; next == "" {
			return ids
		}
	}
}

func listing(t *testing.T, s *persistence.Jobs) {
	var want []string
	for i := range 60 {
		want = append(want, insert(t, s, func(j *job.Job) { j.CreatedAt = created.Add(time.Duration(i/4) * time.Microsecond) }).ID)
	}
	slices.Reverse(want)
	for _, limit := range []int{1, 3, 59, 60, 61} {
		if got := list(t, s, job.Filter{Limit: limit}); !slices.Equal(got, want) {
			t.Errorf("limit %d: %d jobs, want %d in descending order", limit, len(got), len(want))
		}
	}
}

func filters(t *testing.T, s *persistence.Jobs) {
	a := insert(t, s, func(j *job.Job) { j.MediaID, j.Metadata = "m", map[string]string{"k": "v", "l": ""} }).ID
	b := insert(t, s, func(j *job.Job) {
		j.State, j.CreatedAt, j.Pipeline.Name = job.Failed, created.Add(time.Second), "inline"
	}).ID
	c := insert(t, s, func(j *job.Job) { j.State, j.CreatedAt, j.MediaID = job.Completed, created.Add(time.Minute), "m" }).ID
	insert(t, s, func(j *job.Job) { j.State, j.DeletingAt = job.Failed, created })
	for name, tc := range map[string]struct {
		f    job.Filter
		want []string
	}{
		"none":                   {job.Filter{}, []string{c, b, a}},
		"one state":              {job.Filter{States: []job.State{job.Failed}}, []string{b}},
		"two states":             {job.Filter{States: []job.State{job.Failed, job.Queued}}, []string{b, a}},
		"a media id":             {job.Filter{MediaID: "m"}, []string{c, a}},
		"a pipeline":             {job.Filter{Pipeline: "inline"}, []string{b}},
		"from an instant":        {job.Filter{CreatedAfter: created.Add(time.Second)}, []string{c, b}},
		"up to an instant":       {job.Filter{CreatedBefore: created.Add(time.Second)}, []string{a}},
		"between":                {job.Filter{CreatedAfter: created.Add(time.Millisecond), CreatedBefore: created.Add(time.Minute)}, []string{b}},
		"metadata":               {job.Filter{Metadata: map[string]string{"k": "v"}}, []string{a}},
		"empty metadata":         {job.Filter{Metadata: map[string]string{"l": ""}}, []string{a}},
		"metadata with no entry": {job.Filter{Metadata: map[string]string{"m": ""}}, nil},
		"everything together":    {job.Filter{States: []job.State{job.Completed}, MediaID: "m", Pipeline: "thumbnail", CreatedAfter: created}, []string{c}},
		"nothing":                {job.Filter{MediaID: "none"}, nil},
	} {
		for _, limit := range []int{1, 50} {
			tc.f.Limit = limit
			if got := list(t, s, tc.f); !slices.Equal(got, tc.want) {
				t.Errorf("%s, limit %d: %v, want %v", name, limit, got, tc.want)
			}
		}
	}
}

func waking(t *testing.T, s *persistence.Jobs) {
	now := created
	insert(t, s, func(*job.Job) {}) // never
	insert(t, s, func(j *job.Job) { j.NextWakeup = now.Add(time.Millisecond) })
	second := insert(t, s, func(j *job.Job) { j.NextWakeup = now }).ID
	first := insert(t, s, func(j *job.Job) { j.NextWakeup = now.Add(-time.Hour) }).ID
	if got, err := s.Waking(t.Context(), now, 10); err != nil || !slices.Equal(got, []string{first, second}) {
		t.Errorf("Waking = %v, %v; want %s, %s", got, err, first, second)
	}
	if got, err := s.Waking(t.Context(), now, 1); err != nil || !slices.Equal(got, []string{first}) {
		t.Errorf("Waking of one = %v, %v", got, err)
	}
	j, err := s.Load(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	j.NextWakeup = time.Time{}
	if _, err := s.Save(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Waking(t.Context(), now, 10); err != nil || !slices.Equal(got, []string{second}) {
		t.Errorf("Waking = %v, %v after the first was put to rest", got, err)
	}
}

func counting(t *testing.T, s *persistence.Jobs) {
	for _, state := range []job.State{job.Queued, job.Queued, job.Failed} {
		insert(t, s, func(j *job.Job) { j.State, j.Tenant = state, "t-"+string(state) })
	}
	got, err := s.CountByState(t.Context())
	if err != nil || got[job.Queued] != 2 || got[job.Failed] != 1 || got[job.Completed] != 0 || len(got) != len(job.States()) {
		t.Errorf("CountByState = %v, %v", got, err)
	}
}

func deletion(t *testing.T, s *persistence.Jobs) {
	j := insert(t, s, func(*job.Job) {})
	for range 2 {
		if err := s.Delete(t.Context(), j.ID); err != nil {
			t.Errorf("Delete = %v", err)
		}
	}
	if _, err := s.Load(t.Context(), j.ID); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("Load = %v after the deletion", err)
	}
}

func endedContext(t *testing.T, s *persistence.Jobs) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Load(ctx, ident.New()); !errors.Is(err, context.Canceled) {
		t.Errorf("Load = %v, want the context's error", err)
	}
	if _, _, err := s.List(ctx, "acme", job.Filter{Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("List = %v, want the context's error", err)
	}
}

func TestErrorsOfTheDatabaseAreNotMistakenForAnswers(t *testing.T) {
	fail := false
	s := open(t, databasetest.Faulty(memory.New(), func(string) faultinject.Kind {
		if fail {
			return faultinject.Error
		}
		return faultinject.None
	}))
	j := insert(t, s, func(*job.Job) {})
	fail = true
	for name, call := range map[string]func() error{
		"Insert":       func() error { return s.Insert(t.Context(), newJob(func(*job.Job) {})) },
		"Get":          func() error { _, err := s.Get(t.Context(), "acme", j.ID); return err },
		"Load":         func() error { _, err := s.Load(t.Context(), j.ID); return err },
		"Save":         func() error { _, err := s.Save(t.Context(), j); return err },
		"Delete":       func() error { return s.Delete(t.Context(), j.ID) },
		"List":         func() error { _, _, err := s.List(t.Context(), "acme", job.Filter{Limit: 1}); return err },
		"Waking":       func() error { _, err := s.Waking(t.Context(), created, 1); return err },
		"CountByState": func() error { _, err := s.CountByState(t.Context()); return err },
	} {
		err := call()
		if !errors.Is(err, faultinject.ErrInjected) || fault.ClassOf(err) != fault.Transient ||
			errors.Is(err, job.ErrNotFound) || errors.Is(err, job.ErrExists) || errors.Is(err, job.ErrConflict) {
			t.Errorf("%s = %v of class %v, want the database's own error", name, err, fault.ClassOf(err))
		}
	}
}
