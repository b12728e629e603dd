package worker

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/blob/blobtest"
	"github.com/reelmill/reelmill/pkg/blob/memblob"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/pkg/core/task"
)

func TestWhoWaitsForASourceIsNotCutOffWithWhoFetchesIt(t *testing.T) {
	for _, during := range []faultinject.Kind{faultinject.Error, faultinject.Hang} { // in a pause, in a call
		for _, cause := range []error{task.ErrLeaseLost, task.ErrTimeUp, task.ErrDrain, context.Canceled, context.DeadlineExceeded} {
			t.Run(during.String()+", "+cause.Error(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					mem, gets := memblob.New(memblob.Config{}), 0
					store := blobtest.Faulty(mem, func(op string) faultinject.Kind {
						if op == "get" {
							if gets++; gets == 1 {
								return during
							}
						}
						return faultinject.None
					})
					c, ref := newSourceCache(filepath.Join(t.TempDir(), "cache"), 1<<20, store), put(t, mem, "k", "content")
					one, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					first, second := make(chan error, 1), make(chan error, 1)
					go func() {
						_, _, err := c.acquire(one, ref)
						first <- err
					}()
					synctest.Wait()
					go func() {
						s, release, err := c.acquire(t.Context(), ref)
						if err == nil {
							defer release()
							_, err = os.Stat(s.path)
						}
						second <- err
					}()
					synctest.Wait()
					time.Sleep(100 * time.Millisecond) // virtual
					cancel(cause)
					if err := <-first; err == nil {
						t.Error("the attempt that was cut off has its source")
					}
					if err := <-second; err != nil {
						t.Errorf("the other attempt got %v", err)
					}
				})
			})
		}
	}
}
