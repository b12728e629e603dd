package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

// sourceCache keeps local copies of sources by their version, so that the tasks of one job fetch it once.
// It may be used concurrently.
type sourceCache struct {
	dir   string
	limit int64
	store blob.Store

	mu      sync.Mutex
	entries map[contract.SourceRef]*source
	clock   int64
}

// source is one cached object.
type source struct {
	ready   chan struct{} // closed when path, sha256, err and cutOff are set
	path    string
	sha256  string
	err     error
	cutOff  bool         // err came after the end of the attempt that downloaded, and is that one's alone
	fetched atomic.Int64 // bytes not yet put to anybody's account

	// Guarded by the cache's mutex.
	users    int
	lastUsed int64
}

// failed reports whether the download has ended with an error.
func (s *source) failed() bool {
	select {
	case <-s.ready:
		return s.err != nil
	default:
		return false
	}
}

func newSourceCache(dir string, limit int64, store blob.Store) *sourceCache {
	return &sourceCache{dir: dir, limit: limit, store: store, entries: map[contract.SourceRef]*source{}}
}

// acquire returns a local copy of the object, which stays until release is called. Callers that want the
// same object at the same time share one download; when the one that downloads is cut off, another
// takes over and learns nothing of why.
func (c *sourceCache) acquire(ctx context.Context, ref contract.SourceRef) (s *source, release func(), err error) {
	for {
		s, fetch := c.enter(ref)
		release := sync.OnceFunc(func() { c.leave(ref, s) })
		if fetch {
			c.fill(ctx, ref, s)
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			release()
			return nil, nil, context.Cause(ctx)
		}
		if s.err == nil {
			return s, release, nil
		}
		release()
		if fetch || !s.cutOff {
			return nil, nil, s.err
		}
	}
}

// fill downloads the object into its entry. The entry becomes ready whatever happens: others wait for it.
func (c *sourceCache) fill(ctx context.Context, ref contract.SourceRef, s *source) {
	defer close(s.ready)
	defer func() {
		if p := recover(); p != nil {
			s.err = fmt.Errorf("fetching the source panicked: %v", p)
		}
	}()
	s.path, s.sha256, s.err = c.fetch(ctx, ref, s)
	s.cutOff = s.err != nil && (ctx.Err() != nil || fault.ClassOf(s.err) == fault.Cancelled)
}

// enter returns the entry of the object as one of its users; fetch is true for the one who must fill it.
func (c *sourceCache) enter(ref contract.SourceRef) (s *source, fetch bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s = c.entries[ref]
	if s == nil {
		s, fetch = &source{ready: make(chan struct{})}, true
		c.entries[ref] = s
	}
	s.users++
	c.clock++
	s.lastUsed = c.clock
	return s, fetch
}

// leave ends one use, and deletes what failed or what exceeds the limit, the longest unused first.
func (c *sourceCache) leave(ref contract.SourceRef, s *source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.users--
	if s.failed() && c.entries[ref] == s {
		delete(c.entries, ref)
	}
	for {
		var oldest contract.SourceRef
		var idle int64
		found := false
		for r, e := range c.entries {
			if e.users > 0 {
				continue
			}
			idle += r.SizeBytes
			if !found || e.lastUsed < c.entries[oldest].lastUsed {
				oldest, found = r, true
			}
		}
		if !found || idle <= c.limit {
			return
		}
		_ = os.RemoveAll(filepath.Dir(c.entries[oldest].path)) // the folder is deleted with the process at the latest
		delete(c.entries, oldest)
	}
}

// Download settings: an object is fetched in ranges, each tried again where it broke off.
const (
	rangeBytes = 64 << 20
	fetchTries = 5
	fetchPause = 500 * time.Millisecond
)

func (c *sourceCache) fetch(ctx context.Context, ref contract.SourceRef, s *source) (path, digest string, err error) {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return "", "", fault.Wrap(fault.CodeScratchFull, err, "")
	}
	if err := checkRoom(c.dir, ref.SizeBytes); err != nil {
		return "", "", err
	}
	dir, err := os.MkdirTemp(c.dir, "s-")
	if err != nil {
		return "", "", fault.Wrap(fault.CodeScratchFull, err, "")
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	// A neutral name without extension: demuxers that go by names find nothing to go by.
	path = filepath.Join(dir, "src")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return "", "", fault.Wrap(fault.CodeScratchFull, err, "")
	}
	to := &digestWriter{to: f, sum: sha256.New()}
	err = c.download(ctx, ref, to, s)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = fault.Wrap(fault.CodeScratchFull, cerr, "")
	}
	return path, hex.EncodeToString(to.sum.Sum(nil)), err
}

// digestWriter writes and takes the digest of what was written: of a write that fails in the middle, of the part
// that arrived. io.MultiWriter would leave that part out, and the digest be wrong for good once writing goes on.
type digestWriter struct {
	to  io.Writer
	sum hash.Hash
}

// Write is that of io.Writer.
func (w *digestWriter) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	w.sum.Write(p[:n])
	return n, err
}

// download copies the whole object, range by range; what was written is never fetched again.
func (c *sourceCache) download(ctx context.Context, ref contract.SourceRef, to io.Writer, s *source) error {
	head, err := c.store.Head(ctx, ref.Key)
	if err == nil && (head.SizeBytes != ref.SizeBytes || head.ETag != ref.ETag) {
		return fault.New(fault.CodeSourceChanged, "")
	}
	if err != nil {
		return sourceError(err)
	}
	var have int64
	for tries := 0; have < ref.SizeBytes; {
		want := min(rangeBytes, ref.SizeBytes-have)
		n, err := c.copyRange(ctx, ref, have, want, to)
		have += n
		s.fetched.Add(n)
		if err == nil {
			tries = 0
			continue
		}
		if tries++; tries >= fetchTries || fault.ClassOf(err) != fault.Transient || ctx.Err() != nil {
			return err
		}
		if err := sleep(ctx, fetchPause<<tries); err != nil {
			return err
		}
	}
	return nil
}

// copyRange appends a range and returns how many bytes of it were written, also with an error.
func (c *sourceCache) copyRange(ctx context.Context, ref contract.SourceRef, offset, length int64, to io.Writer) (int64, error) {
	r, _, err := c.store.Get(ctx, ref.Key, blob.GetOptions{OffsetBytes: offset, LengthBytes: length, IfMatch: ref.ETag})
	if err != nil {
		return 0, sourceError(err)
	}
	defer r.Close()
	n, err := io.Copy(to, io.LimitReader(r, length))
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return n, fault.Wrap(fault.CodeScratchFull, err, "")
	case err != nil:
		return n, sourceError(err)
	case n < length:
		return n, fault.Wrap(fault.CodeStorageUnavailable, io.ErrUnexpectedEOF, "the download broke off")
	}
	return n, nil
}

// sourceError says what an error of the store means for a source.
func sourceError(err error) error {
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return fault.Wrap(fault.CodeSourceNotFound, err, "")
	case errors.Is(err, blob.ErrPrecondition):
		return fault.Wrap(fault.CodeSourceChanged, err, "")
	case errors.Is(err, blob.ErrForbidden):
		return fault.Wrap(fault.CodeSourceForbidden, err, "")
	case fault.CodeOf(err) == fault.CodeInternal:
		return fault.Wrap(fault.CodeStorageUnavailable, err, "the source could not be fetched")
	default:
		return err
	}
}

// roomFactor is how much free space a source needs before it is fetched: itself and as much again for
// what is made of it.
const roomFactor = 2

func checkRoom(dir string, size int64) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	if free := int64(st.Bavail) * st.Bsize; free < roomFactor*size {
		return fault.New(fault.CodeScratchFull, "the worker has %d bytes free, %d are needed", free, roomFactor*size)
	}
	return nil
}
