package rest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/ident"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
)

// page gets one page of a listing: the ids of its jobs and the cursor of the next.
func (s *server) page(query string) (ids []string, next string) {
	s.t.Helper()
	body := s.conforms(s.wants(s.do(s.keys[access.Read], "GET", "/v1/jobs?"+query, nil), http.StatusOK), "list-jobs")
	jobs, _ := body["jobs"].([]any)
	for _, j := range jobs {
		m, _ := j.(map[string]any)
		id, _ := m["id"].(string)
		ids = append(ids, id)
	}
	next, _ = body["next_cursor"].(string)
	return ids, next
}

// list follows the cursors to the end.
func (s *server) list(query string) []string {
	s.t.Helper()
	var all []string
	cursor := ""
	for at := query; ; at = query + "&cursor=" + cursor {
		ids, next := s.page(at)
		all = append(all, ids...)
		if next == "" {
			return all
		}
		if next == cursor || len(all) > 10_000 {
			s.t.Fatalf("the listing does not end: cursor %q", next)
		}
		cursor = next
	}
}

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// stored stores a job as it might be, without the saga.
func (s *server) stored(change func(j *job.Job)) job.Job {
	s.t.Helper()
	p, err := pipeline.Builtin("thumbnail")
	if err != nil {
		s.t.Fatal(err)
	}
	j := job.Job{ID: ident.New(), Tenant: tenant, Pipeline: p, State: job.Completed, CreatedAt: noon, Priority: 1}
	change(&j)
	j.Steps = map[string]job.Step{}
	for _, step := range j.Pipeline.Steps {
		j.Steps[step.Name] = job.Step{State: job.StepSucceeded}
	}
	if err := s.Jobs.Insert(s.t.Context(), j); err != nil {
		s.t.Fatal(err)
	}
	return j
}

func TestPagesHaveNeitherGapsNorRepeats(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	var want []string
	for i := range 120 { // forty instants with three jobs each
		j := s.stored(func(j *job.Job) { j.CreatedAt = noon.Add(time.Duration(i/3) * time.Second) })
		want = append(want, j.ID)
	}
	s.stored(func(j *job.Job) { j.Tenant = "rival" })
	slices.Reverse(want) // ids of one process ascend, so the newest job is the last
	for _, limit := range []int{1, 7, 50, 119, 120, 121, 200} {
		if got := s.list(fmt.Sprintf("limit=%d", limit)); !slices.Equal(got, want) {
			t.Errorf("limit %d: %d jobs in another order or number than %d", limit, len(got), len(want))
		}
	}
	if first, next := s.page(""); len(first) != 50 || next == "" {
		t.Errorf("without a limit a page has %d jobs, next %q", len(first), next)
	}
}

func TestJobsThatComeDuringAListingDoNotDisturbIt(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	var want []string
	for range 30 {
		want = append(want, s.stored(func(*job.Job) {}).ID)
	}
	slices.Reverse(want)
	var got []string
	ids, next := s.page("limit=10")
	for got = ids; next != ""; got = append(got, ids...) {
		s.stored(func(j *job.Job) { j.CreatedAt = noon.Add(time.Hour) })
		ids, next = s.page("limit=10&cursor=" + next)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d jobs, want the %d that were there", len(got), len(want))
	}
}

func TestFilters(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	inline, err := pipeline.New(pipeline.Inline, 1, []pipeline.Step{{Name: "a", Kind: "thumbnail", Params: []byte(`{"storyboard":{}}`)}})
	if err != nil {
		t.Fatal(err)
	}
	a := s.stored(func(j *job.Job) { j.MediaID, j.Metadata = "film", map[string]string{"album": "x", "a,b=c": "d.e"} }).ID
	b := s.stored(func(j *job.Job) { j.State, j.CreatedAt = job.Failed, noon.Add(time.Minute) }).ID
	c := s.stored(func(j *job.Job) { j.State, j.Pipeline, j.CreatedAt = job.Queued, inline, noon.Add(2*time.Minute) }).ID
	d := s.stored(func(j *job.Job) {
		j.MediaID, j.Metadata, j.CreatedAt = "film", map[string]string{"album": "y"}, noon.Add(3*time.Minute)
	}).ID
	s.stored(func(j *job.Job) { j.DeletingAt = noon })
	for query, want := range map[string][]string{
		"":                                    {d, c, b, a},
		"state=failed":                        {b},
		"state=failed,queued":                 {c, b},
		"state=cancelled":                     nil,
		"media_id=film":                       {d, a},
		"media_id=FILM":                       nil,
		"media_id=film&state=failed":          nil,
		"pipeline=inline":                     {c},
		"pipeline=thumbnail":                  {d, b, a},
		"pipeline=none":                       nil,
		"created_after=2026-03-04T12:01:00Z":  {d, c, b},
		"created_before=2026-03-04T12:01:00Z": {a},
		"created_after=2026-03-04T13:01:00%2B01:00&created_before=2026-03-04T12:03:00Z": {c, b},
		"metadata[album]=x":                      {a},
		"metadata.album=y":                       {d},
		"metadata.album=z":                       nil,
		"metadata[a,b%3Dc]=d.e&metadata.album=x": {a},
		"metadata[album]=x&metadata.other=x":     nil,
		"metadata.album=":                        nil, // a value may be empty
	} {
		for _, limit := range []string{"&limit=1", "&limit=200"} {
			if got := s.list(query + limit); !slices.Equal(got, want) {
				t.Errorf("%s%s gave %d jobs %v, want %v", query, limit, len(got), got, want)
			}
		}
	}
}

// A filter that no index serves looks at a bounded number of jobs for each page, and yet finds all.
func TestRareJobsAreFoundAmongVeryMany(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	want := s.stored(func(j *job.Job) { j.CreatedAt, j.Metadata = noon.Add(-time.Hour), map[string]string{"rare": "1"} }).ID
	for range 5200 {
		s.stored(func(*job.Job) {})
	}
	first, next := s.page("metadata.rare=1")
	if len(first) != 0 || next == "" {
		t.Errorf("the first page has %v, next %q: it should end at the bound and say that there may be more", first, next)
	}
	if got := s.list("metadata.rare=1"); !slices.Equal(got, []string{want}) {
		t.Errorf("found %v, want %s", got, want)
	}
}

func TestWrongQueriesNameTheParameter(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	for query, fields := range map[string][]string{
		"limit=0": {"query.limit"}, "limit=201": {"query.limit"}, "limit=ten": {"query.limit"}, "limit=1&limit=2": {"query.limit"},
		"state=done": {"query.state[0]"}, "state=failed,done": {"query.state[1]"}, "state=failed&state=queued": {"query.state"},
		"created_after=yesterday": {"query.created_after"}, "created_before=2026-13-01T00:00:00Z": {"query.created_before"},
		"sate=failed": {"query.sate"}, "metadata=x": {"query.metadata"}, "metadata.=x": {"query.metadata."}, "metadata[]=x": {"query.metadata[]"},
		"metadata.a=1&metadata.a=2": {"query.metadata.a"}, "media_id=%00": {"query.media_id"}, "media_id=%ff": {"query.media_id"},
		"metadata.a=c&metadata[a]=b": {"query.metadata[a]"}, "metadata[a]=b&metadata.a=b": {"query.metadata[a]"},
		"media_id=": {"query.media_id"}, "pipeline=": {"query.pipeline"}, "state=": {"query.state"}, "cursor=": {"query.cursor"}, "limit=": {"query.limit"},
		"created_after=": {"query.created_after"}, "created_before=": {"query.created_before"}, "media_id&limit=1": {"query.media_id"},
		"state=failed,": {"query.state[1]"}, "media_id=&state=": {"query.media_id", "query.state"},
		"cursor=x": {"query.cursor"}, "cursor=!!": {"query.cursor"}, "cursor=AAAA": {"query.cursor"}, "limit=%zz": {"query"},
		"cursor=" + url.QueryEscape("MjAyNjAxMDFUMDAwMDAwLjAwMDAwMC8A"): {"query.cursor"},
	} {
		p := refused(t, s.do(s.keys[access.Read], "GET", "/v1/jobs?"+query, nil), http.StatusUnprocessableEntity, fault.CodeRequestInvalid)
		if !slices.Equal(p.fields(), fields) {
			t.Errorf("%s: fields %q, want %q", query, p.fields(), fields)
		}
	}
}
