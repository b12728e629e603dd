package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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

// fullDisk is a file on a disk that is full for a moment: a write takes in a part and fails, the next one all of it.
type fullDisk struct {
	bytes.Buffer
	fails int // how many writes fail
}

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.fails == 0 {
		return d.Buffer.Write(p)
	}
	d.fails--
	n, _ := d.Buffer.Write(p[:len(p)/3])
	return n, syscall.ENOSPC
}

func TestTheDigestIsThatOfTheFileAfterADiskThatWasFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		content := strings.Repeat("a film ", 50_000) // more than a few writes
		store := memblob.New(memblob.Config{})
		c, ref := newSourceCache(t.TempDir(), 1<<20, store), put(t, store, "k", content)
		disk := &fullDisk{fails: 2}
		to := &digestWriter{to: disk, sum: sha256.New()}
		var s source
		if err := c.download(t.Context(), ref, to, &s); err != nil {
			t.Fatal(err)
		}
		if got := disk.String(); got != content || s.fetched.Load() != int64(len(content)) {
			t.Errorf("%d bytes were written and %d counted, want the %d of the source", len(got), s.fetched.Load(), len(content))
		}
		if got := hex.EncodeToString(to.sum.Sum(nil)); got != digest(content) {
			t.Errorf("digest = %s, that of the file is %s", got, digest(content))
		}
	})
}
