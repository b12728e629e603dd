package worker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/memblob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

func TestScratchOfTheDeadIsDeletedAndThatOfTheLivingIsNot(t *testing.T) {
	root := t.TempDir()
	living, err := openScratch(root)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := openScratch(root)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dead.root, "a-1")
	if err := os.WriteFile(file, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	dead.lock.Close() // as the kernel does when a process dies
	fresh, old := filepath.Join(root, "new-1"), filepath.Join(root, "new-2")
	for _, dir := range []string{fresh, old} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	next, err := openScratch(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead.root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead process's folder: %v", err)
	}
	if _, err := os.Stat(living.root); err != nil {
		t.Errorf("the living process's folder: %v", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("a folder that is just being made: %v", err)
	}
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that was never finished: %v", err)
	}
	os.Remove(fresh)
	living.close()
	next.close()
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// counting counts reads and cuts the first ones short.
type counting struct {
	blob.Store
	gets atomic.Int64
	cut  int64
}

func (c *counting) Get(ctx context.Context, key string, o blob.GetOptions) (io.ReadCloser, blob.Object, error) {
	r, obj, err := c.Store.Get(ctx, key, o)
	if n := c.gets.Add(1); err == nil && n <= c.cut {
		return struct {
			io.Reader
			io.Closer
		}{io.LimitReader(r, 1), r}, obj, nil
	}
	return r, obj, err
}

func put(t *testing.T, s blob.Store, key, content string) contract.SourceRef {
	t.Helper()
	o, err := s.Put(t.Context(), key, strings.NewReader(content), blob.PutOptions{ContentType: "video/mp4"})
	if err != nil {
		t.Fatal(err)
	}
	return contract.SourceRef{Key: key, ETag: o.ETag, SizeBytes: o.SizeBytes}
}

func TestSourcesAreFetchedOnceForAllWhoWantThem(t *testing.T) {
	store := &counting{Store: memblob.New(memblob.Config{})}
	c := newSourceCache(filepath.Join(t.TempDir(), "cache"), 1, store)
	ref := put(t, store, "k", "content")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, release, err := c.acquire(t.Context(), ref)
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			if got, err := os.ReadFile(s.path); err != nil || string(got) != "content" {
				t.Errorf("source = %q, %v", got, err)
			}
		})
	}
	wg.Wait()
	if n := store.gets.Load(); n > 8 {
		t.Errorf("fetched %d times", n)
	}
	if len(c.entries) != 0 {
		t.Errorf("%d entries are kept beyond the limit", len(c.entries))
	}
	if left, err := os.ReadDir(c.dir); err != nil || len(left) != 0 {
		t.Errorf("left in the cache: %v, %v", left, err)
	}
}

func TestABrokenDownloadGoesOnWhereItBroke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counting{Store: memblob.New(memblob.Config{}), cut: 3}
		c := newSourceCache(filepath.Join(t.TempDir(), "cache"), 1<<20, store)
		ref := put(t, store, "k", "content")
		s, release, err := c.acquire(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		if got, err := os.ReadFile(s.path); err != nil || !bytes.Equal(got, []byte("content")) || s.fetched.Load() != 7 {
			t.Errorf("source = %q after %d bytes, %v", got, s.fetched.Load(), err)
		}
	})
}

func TestADownloadThatKeepsBreakingIsTransient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counting{Store: memblob.New(memblob.Config{}), cut: 1000}
		c := newSourceCache(filepath.Join(t.TempDir(), "cache"), 1<<20, store)
		_, _, err := c.acquire(t.Context(), put(t, store, "k", "content"))
		if fault.CodeOf(err) != fault.CodeStorageUnavailable || len(c.entries) != 0 {
			t.Errorf("acquire = %v, %d entries", err, len(c.entries))
		}
	})
}

func TestASourceThatCannotFitIsRefusedBeforeItIsFetched(t *testing.T) {
	store := &counting{Store: memblob.New(memblob.Config{})}
	c := newSourceCache(filepath.Join(t.TempDir(), "cache"), 1<<20, store)
	_, _, err := c.acquire(t.Context(), contract.SourceRef{Key: "k", ETag: "e", SizeBytes: 1 << 60})
	if fault.CodeOf(err) != fault.CodeScratchFull || store.gets.Load() != 0 {
		t.Errorf("acquire = %v after %d reads", err, store.gets.Load())
	}
}
