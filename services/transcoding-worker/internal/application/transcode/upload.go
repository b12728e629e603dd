package transcode

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

// transfers is how many files are stored or fetched at a time: they are small, so the store's latency is
// what counts.
const transfers = 8

// uploads stores files while others are still being made.
type uploads struct {
	g   *errgroup.Group
	ctx context.Context //nolint:containedctx // lives as long as one call
	w   Workspace

	mu   sync.Mutex
	done map[Made]contract.Output
}

func newUploads(ctx context.Context, w Workspace) *uploads {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(transfers)
	return &uploads{g: g, ctx: ctx, w: w, done: map[Made]contract.Output{}}
}

// add stores a file in the background; it waits while too many are under way. An error of an earlier one is
// returned by wait.
func (u *uploads) add(m Made, o contract.Output) {
	u.g.Go(func() error {
		if u.ctx.Err() != nil {
			return context.Cause(u.ctx)
		}
		stored, err := u.w.Store(u.ctx, m.Path, o)
		if err != nil {
			return fmt.Errorf("store %s: %w", o.Path, err)
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		u.done[m] = stored
		return nil
	})
}

// wait waits for all uploads and returns the first error.
func (u *uploads) wait() error { return u.g.Wait() }
