package media

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// lookInterval is how often is looked for new files: about as often as short segments of a fast encode
// appear.
const lookInterval = 250 * time.Millisecond

// watcher hands on the files of segmented outputs as they become whole. The muxer gives a segment its name
// when it is written, one after the other, and has written the initialization section before the first.
type watcher struct {
	folders []string
	// next are the numbers of the segments that come next, by rung.
	next    []int
	started []bool
	made    func(transcode.Made) error
}

func newWatcher(folders []string, first int, made func(transcode.Made) error) *watcher {
	w := &watcher{folders: folders, next: make([]int, len(folders)), started: make([]bool, len(folders)), made: made}
	for i := range w.next {
		w.next[i] = first
	}
	return w
}

// look hands on all files that are there by now.
func (w *watcher) look() error {
	for found := true; found; {
		found = false
		for i, folder := range w.folders {
			path := filepath.Join(folder, fmt.Sprintf(segmentName, w.next[i]))
			if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
				continue
			} else if err != nil {
				return fmt.Errorf("look for segments: %w", err)
			}
			if err := w.begin(i); err != nil {
				return err
			}
			if err := w.made(transcode.Made{Path: path, Rung: i, Number: w.next[i]}); err != nil {
				return err
			}
			w.next[i]++
			found = true
		}
	}
	return nil
}

// begin hands on the initialization section, once.
func (w *watcher) begin(i int) error {
	if w.started[i] {
		return nil
	}
	w.started[i] = true
	path := filepath.Join(w.folders[i], initName)
	if err := tidyInit(path); err != nil {
		return err
	}
	return w.made(transcode.Made{Path: path, Rung: i})
}

// watched carries out a job and hands on its files while it runs. An error of the receiver ends the job.
func (e *Encoder) watched(ctx context.Context, j job, w *watcher, meter *transcode.Meter) error {
	g, ctx := errgroup.WithContext(ctx)
	ended := make(chan struct{})
	g.Go(func() error {
		defer close(ended)
		_, err := e.ffmpeg(ctx, j, meter)
		return err
	})
	g.Go(func() error {
		tick := time.NewTicker(lookInterval)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return nil
			case <-tick.C:
				if err := w.look(); err != nil {
					return err
				}
			}
		}
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return w.look()
}
