package taskstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/database"
)

// classes are the priority classes, in the order in which they are served.
var classes = []int64{0, 1, 2}

// Dispatchable implements task.Repository. It asks one short query for every tenant that has something
// to send and one or a few more for its tasks, so what it costs grows with limit and not with the
// backlog.
func (s *Tasks) Dispatchable(ctx context.Context, kind contract.Kind, now time.Time, cursor string, limit int) ([]task.Task, error) {
	var tasks []task.Task
	for _, class := range classes {
		left := limit - len(tasks)
		if left < 1 {
			break
		}
		waiting := []database.Filter{
			isKind(kind), isState(task.Pending), {Field: fieldPriority, Op: database.Equal, Value: database.Int(class)},
			notAfter(fieldRunAt, now),
		}
		docs, err := s.inTurn(ctx, waiting, cursor, left)
		if err != nil {
			return nil, fmt.Errorf("find dispatchable tasks of %s: %w", kind, err)
		}
		found, err := decodeAll(docs)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, found...)
	}
	return tasks, nil
}

// inTurn returns up to limit documents that meet the filters: the first of each tenant, then the second
// of each, and so on, tenants in the order of their names from after cursor on and round.
func (s *Tasks) inTurn(ctx context.Context, filters []database.Filter, cursor string, limit int) ([]database.Document, error) {
	tenants, err := s.tenants(ctx, filters, cursor, limit)
	if err != nil || len(tenants) == 0 {
		return nil, err
	}
	// Each round fetches an equal share of what is still wanted from every tenant that has more, so all of
	// these have lists of one length and taking turns never finds one short that is not at its end.
	lists := make([][]database.Document, len(tenants))
	active := make([]int, len(tenants))
	for i := range active {
		active[i] = i
	}
	for left := limit; left > 0 && len(active) > 0; {
		share := min((left+len(active)-1)/len(active), database.MaxLimit)
		var more []int
		for _, i := range active {
			q := database.Query{Filters: append(slices.Clip(filters), is(fieldTenant, tenants[i])), OrderBy: fieldRank, Limit: share}
			if n := len(lists[i]); n > 0 {
				q.Filters = append(q.Filters, above(fieldRank, lists[i][n-1].Fields[fieldRank].Str))
			}
			docs, err := s.c.Find(ctx, q)
			if err != nil {
				return nil, err
			}
			lists[i] = append(lists[i], docs...)
			left -= len(docs)
			if len(docs) == share {
				more = append(more, i)
			}
		}
		active = more
	}
	return interleave(lists, limit), nil
}

// tenants returns up to limit tenants that have documents that meet the filters, from after cursor on and
// round to cursor itself. It skips from each tenant to the next in the index.
func (s *Tasks) tenants(ctx context.Context, filters []database.Filter, cursor string, limit int) ([]string, error) {
	var tenants []string
	after, wrapped := cursor, cursor == ""
	for len(tenants) < limit {
		docs, err := s.c.Find(ctx, database.Query{
			Filters: append(slices.Clip(filters), above(fieldTenant, after)), OrderBy: fieldTenant, Limit: 1,
		})
		switch {
		case err != nil:
			return nil, err
		case len(docs) > 0:
			after = docs[0].Fields[fieldTenant].Str
		case wrapped:
			return tenants, nil
		default:
			after, wrapped = "", true
			continue
		}
		if slices.Contains(tenants, after) {
			return tenants, nil // once round
		}
		tenants = append(tenants, after)
		if wrapped && after == cursor {
			return tenants, nil
		}
	}
	return tenants, nil
}

// interleave takes the first of each list, then the second of each, up to limit in all.
func interleave(lists [][]database.Document, limit int) []database.Document {
	var out []database.Document
	for depth := 0; len(out) < limit; depth++ {
		before := len(out)
		for _, list := range lists {
			if depth < len(list) && len(out) < limit {
				out = append(out, list[depth])
			}
		}
		if len(out) == before {
			break
		}
	}
	return out
}
