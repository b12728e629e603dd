package inmemory

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/worker"
)

// TestARestartGoesOnAtOnceWithWhatWaited stops everything while more jobs wait than there are slots, and starts it
// again on the same stores: the broker in memory has forgotten what it held.
func TestARestartGoesOnAtOnceWithWhatWaited(t *testing.T) {
	for _, after := range []time.Duration{7 * time.Minute, 10 * time.Minute, 14 * time.Minute} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				begun := 0
				work := func(ctx context.Context, _ worker.Attempt) error {
					mu.Lock()
					begun++
					mu.Unlock()
					wait := time.NewTimer(4 * time.Minute) // virtual
					defer wait.Stop()
					select {
					case <-wait.C:
						return nil
					case <-ctx.Done():
						return context.Cause(ctx)
					}
				}
				first := startKinds(t, func(p ports) ports {
					p.fail = work
					return p
				}, contract.KindThumbnail)
				for i := range 12 {
					first.submit(fmt.Sprint("job", i), fmt.Sprint("content", i))
				}
				time.Sleep(after) // virtual
				first.stop()
				mu.Lock()
				before := begun
				mu.Unlock()
				second := startKinds(t, func(p ports) ports {
					p.db, p.blobs, p.fail = first.db, first.blobs, work
					return p
				}, contract.KindThumbnail)
				time.Sleep(10 * time.Second) // virtual
				mu.Lock()
				if begun != before+2 {
					t.Errorf("%d of 2 free slots work, with jobs waiting for them", begun-before)
				}
				mu.Unlock()
				second.stop()
			})
		})
	}
}
