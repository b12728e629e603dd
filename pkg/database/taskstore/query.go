package taskstore

import (
	"context"
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/pkg/database"
)

func is(field, value string) database.Filter {
	return database.Filter{Field: field, Op: database.Equal, Value: database.String(value)}
}

func isKind(k contract.Kind) database.Filter { return is(fieldKind, string(k)) }

func isState(s task.State) database.Filter { return is(fieldState, string(s)) }

func notAfter(field string, at time.Time) database.Filter {
	return database.Filter{Field: field, Op: database.LessOrEqual, Value: database.Int(at.UnixNano())}
}

func above(field, value string) database.Filter {
	return database.Filter{Field: field, Op: database.Greater, Value: database.String(value)}
}

func ofJob(jobID, step string) []database.Filter {
	if step == "" {
		return []database.Filter{is(fieldJob, jobID)}
	}
	return []database.Filter{is(fieldJob, jobID), is(fieldStep, step)}
}

// all returns every document of the query, ordered by id, page by page.
func all(ctx context.Context, c database.Collection, q database.Query) ([]database.Document, error) {
	var docs []database.Document
	filters := q.Filters
	for {
		page, err := c.Find(ctx, q)
		if err != nil {
			return nil, err
		}
		docs = append(docs, page...)
		if len(page) < database.MaxLimit {
			return docs, nil
		}
		q.Filters = append(slices.Clip(filters), above(database.FieldID, page[len(page)-1].ID))
	}
}
