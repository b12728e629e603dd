package rest

import (
	"context"
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelmill/reelmill/pkg/core/ident"
	"github.com/reelmill/reelmill/services/job-service/internal/application/jobs"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

// listInput is the query of a listing.
type listInput struct {
	Limit         int               `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Most jobs in the answer; there may be more although it has fewer." example:"10"`
	Cursor        string            `query:"cursor" maxLength:"200" doc:"next_cursor of the answer before, with the same filters."`
	State         []string          `query:"state" enum:"awaiting_upload,queued,processing,compensating,completed,failed,cancelled" doc:"One or more states, separated by commas." example:"[\"queued\",\"processing\"]"`
	MediaID       string            `query:"media_id" maxLength:"200" example:"film-42"`
	Pipeline      string            `query:"pipeline" maxLength:"80" doc:"Name of the pipeline; inline for those that came with their jobs." example:"thumbnail"`
	CreatedAfter  time.Time         `query:"created_after" doc:"Created at this instant or later." example:"2026-01-31T12:00:00Z"`
	CreatedBefore time.Time         `query:"created_before" doc:"Created before this instant." example:"2026-02-01T00:00:00+01:00"`
	Metadata      map[string]string `query:"metadata,deepObject" doc:"Entries that must all be there: metadata[album]=holiday, or metadata.album=holiday for short."`

	filter job.Filter
}

var listNames = []string{"limit", "cursor", "state", "media_id", "pipeline", "created_after", "created_before"}

type listOutput struct{ Body listBody }

type listBody struct {
	Jobs       []jobBody `json:"jobs"`
	NextCursor string    `json:"next_cursor,omitempty" doc:"Absent at the end."`
}

// Resolve reads what the schema cannot say and refuses what would otherwise be ignored.
func (in *listInput) Resolve(ctx huma.Context) []error {
	var errs []error
	add := func(field, message string) {
		errs = append(errs, &huma.ErrorDetail{Location: field, Message: message})
	}
	in.filter = job.Filter{MediaID: in.MediaID, Pipeline: in.Pipeline, CreatedAfter: in.CreatedAfter, CreatedBefore: in.CreatedBefore,
		Limit: in.Limit, Metadata: map[string]string{}}
	u := ctx.URL()
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		add("query", "want percent-encoded names and values")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		values := query[name]
		entry, isEntry := metadataEntry(name)
		switch {
		case !isEntry && !slices.Contains(listNames, name):
			add("query."+name, "there is no such parameter")
		case len(values) > 1:
			add("query."+name, "stands twice")
		case isEntry:
			if _, twice := in.filter.Metadata[entry]; twice {
				add("query."+name, "stands twice, in both ways of writing it")
			}
			in.filter.Metadata[entry] = values[0]
		case values[0] == "":
			add("query."+name, "is empty; leave it out, or give it a value")
		}
	}
	for _, s := range in.State {
		in.filter.States = append(in.filter.States, job.State(s))
	}
	if !utf8.ValidString(in.MediaID) || strings.ContainsFunc(in.MediaID, unicode.IsControl) {
		add("query.media_id", "want text without control characters")
	}
	var ok bool
	if in.filter.Before, ok = positionOf(in.Cursor); !ok {
		add("query.cursor", "want next_cursor of an earlier answer")
	}
	return errs
}

// metadataEntry takes the name of an entry out of "metadata[name]" or "metadata.name".
func metadataEntry(parameter string) (name string, ok bool) {
	if name, ok = strings.CutPrefix(parameter, "metadata."); ok {
		return name, name != ""
	}
	name, ok = strings.CutPrefix(parameter, "metadata[")
	if !ok || !strings.HasSuffix(name, "]") {
		return "", false
	}
	name = strings.TrimSuffix(name, "]")
	return name, name != ""
}

// cursorOf makes a cursor of a position in a listing, empty where there is none.
func cursorOf(position string) string { return base64.RawURLEncoding.EncodeToString([]byte(position)) }

// positionOf is the reverse of cursorOf; ok is false for what cannot be a position.
func positionOf(cursor string) (position string, ok bool) {
	if cursor == "" {
		return "", true
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", false
	}
	at, id, ok := strings.Cut(string(b), "/")
	if _, err := time.Parse(job.PositionTime, at); err != nil || !ok || !ident.Valid(id) {
		return "", false
	}
	return string(b), true
}

func (s *server) list(ctx context.Context, in *listInput) (*listOutput, error) {
	found, next, err := s.jobs.List(ctx, principal(ctx).Tenant, in.filter)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	out := &listOutput{}
	out.Body.Jobs = make([]jobBody, len(found))
	for i, j := range found {
		out.Body.Jobs[i] = jobView(jobs.View{Job: j})
	}
	out.Body.NextCursor = cursorOf(next)
	return out, nil
}
