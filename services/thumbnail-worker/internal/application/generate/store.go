package generate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

// uploads is how many files are stored at a time: they are small, so the store's latency is what counts.
const uploads = 8

// store stores everything, the WebVTT file last, and returns the outputs in the order of made.
func (j *job) store(ctx context.Context, made pictures) ([]contract.Output, error) {
	outputs := make([]contract.Output, len(made.files))
	var done atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for i, f := range made.files {
		g.Go(func() error {
			if gctx.Err() != nil {
				return context.Cause(gctx)
			}
			o, err := j.w.Store(gctx, f.path, f.output)
			if err != nil {
				return fmt.Errorf("store %s: %w", f.output.Path, err)
			}
			outputs[i] = o
			j.w.Progress(doneChecking + int(done.Add(1))*(doneStoring-doneChecking)/(len(made.files)+1))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if j.plan.tiles < 0 {
		return outputs, nil
	}
	vtt, err := j.storeVTT(ctx, made)
	return append(outputs, vtt), err
}

func (j *job) storeVTT(ctx context.Context, made pictures) (contract.Output, error) {
	local := filepath.Join(j.w.Scratch(), "storyboard.vtt")
	if err := os.WriteFile(local, []byte(j.plan.board.WebVTT(names(made.files))), 0o600); err != nil {
		return contract.Output{}, fault.Wrap(fault.CodeScratchFull, err, "the storyboard's text could not be written")
	}
	o, err := j.w.Store(ctx, local, contract.Output{
		Path: j.path("storyboard.vtt"), Kind: KindStoryboard, MediaType: "text/vtt", Tiles: made.tiles,
	})
	if err != nil {
		return contract.Output{}, fmt.Errorf("store the storyboard's text: %w", err)
	}
	return o, nil
}
