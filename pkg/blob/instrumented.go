package blob

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// Observation is what one call did. All strings come from small fixed sets, so they can label metrics.
type Observation struct {
	// Op is "put", "get", "head", "delete" or "list".
	Op string
	// Bytes is how much content a put stored or a get delivered; 0 for the other operations.
	Bytes int64
	// Duration is the time the call took; for a get, until its reader was closed.
	Duration time.Duration
	// Outcome is "ok", "not_found", "precondition", "checksum", "forbidden", "cancelled", "unavailable"
	// or "error".
	Outcome string
}

// InstrumentedStore tells an observer of every call to a Store. See Instrumented.
type InstrumentedStore struct {
	next    Store
	observe func(Observation)
}

var _ Store = (*InstrumentedStore)(nil)

// Instrumented returns a Store that passes every call on to next and tells observe what came of it,
// once per call and before the call returns. A get is told of when its reader is closed, or at once
// where it gave none. observe is called concurrently and must not block.
func Instrumented(next Store, observe func(Observation)) *InstrumentedStore {
	return &InstrumentedStore{next: next, observe: observe}
}

// Put is that of Store.
func (s *InstrumentedStore) Put(ctx context.Context, key string, body io.ReadSeeker, opts PutOptions) (Object, error) {
	start := time.Now()
	o, err := s.next.Put(ctx, key, body, opts)
	s.report("put", start, o.SizeBytes, err)
	return o, err
}

// Get is that of Store.
func (s *InstrumentedStore) Get(ctx context.Context, key string, opts GetOptions) (io.ReadCloser, Object, error) {
	start := time.Now()
	r, o, err := s.next.Get(ctx, key, opts)
	if err != nil {
		s.report("get", start, 0, err)
		return nil, o, err
	}
	return &observedReader{ReadCloser: r, done: func(n int64, err error) { s.report("get", start, n, err) }}, o, nil
}

// Head is that of Store.
func (s *InstrumentedStore) Head(ctx context.Context, key string) (Object, error) {
	start := time.Now()
	o, err := s.next.Head(ctx, key)
	s.report("head", start, 0, err)
	return o, err
}

// Delete is that of Store.
func (s *InstrumentedStore) Delete(ctx context.Context, keys ...string) error {
	start := time.Now()
	err := s.next.Delete(ctx, keys...)
	s.report("delete", start, 0, err)
	return err
}

// List is that of Store.
func (s *InstrumentedStore) List(ctx context.Context, opts ListOptions) ([]Object, error) {
	start := time.Now()
	objects, err := s.next.List(ctx, opts)
	s.report("list", start, 0, err)
	return objects, err
}

func (s *InstrumentedStore) report(op string, start time.Time, bytes int64, err error) {
	s.observe(Observation{Op: op, Bytes: bytes, Duration: time.Since(start), Outcome: Outcome(err)})
}

// Outcome returns the name of err's kind, as Observation has it; "ok" for nil.
func Outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrNotFound):
		return "not_found"
	case errors.Is(err, ErrPrecondition):
		return "precondition"
	case errors.Is(err, ErrChecksum):
		return "checksum"
	case errors.Is(err, ErrForbidden):
		return "forbidden"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "cancelled"
	case fault.CodeOf(err) == fault.CodeStorageUnavailable:
		return "unavailable"
	default:
		return "error"
	}
}

// observedReader counts what is read and tells so once, when it is closed.
type observedReader struct {
	io.ReadCloser
	n    int64
	err  error
	once sync.Once
	done func(n int64, err error)
}

func (r *observedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.n += int64(n)
	if err != nil && err != io.EOF { //nolint:errorlint // a Reader returns io.EOF itself, never wrapped
		r.err = err
	}
	return n, err
}

func (r *observedReader) Close() error {
	err := r.ReadCloser.Close()
	r.once.Do(func() { r.done(r.n, errors.Join(r.err, err)) })
	return err
}
