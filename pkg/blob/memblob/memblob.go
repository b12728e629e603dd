// Package memblob keeps objects in memory: package blob's port for tests. It keeps every promise of
// the port, including presigned requests, which Handler serves. It is no storage for production:
// nothing survives the process.
package memblob

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
)

// maxListed is the most objects that one List returns, as in S3.
const maxListed = 1000

// Config says how a Store behaves. The zero Config is one that tells the time by time.Now and cannot
// presign.
type Config struct {
	// PublicURL is where the Store's Handler is reached, without a slash at the end. Presigning needs it.
	PublicURL string
	// Now tells the time of modification and of expiry; nil means time.Now.
	Now func() time.Time
}

// Store is a blob.Store, blob.Presigner and blob.Sweeper in memory. Its methods may be called concurrently.
type Store struct {
	publicURL string
	now       func() time.Time
	secret    []byte

	mu      sync.RWMutex
	objects map[string]stored
	uploads []upload
}

// stored is an object; its content is never changed once it is stored.
type stored struct {
	info    blob.Object
	content []byte
}

var (
	_ blob.Store     = (*Store)(nil)
	_ blob.Presigner = (*Store)(nil)
	_ blob.Sweeper   = (*Store)(nil)
	_ blob.Presigner = clocked{}
)

// New returns an empty Store.
func New(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // never fails: it crashes the program instead
	return &Store{publicURL: cfg.PublicURL, now: cfg.Now, secret: secret, objects: map[string]stored{}}
}

// Put is that of blob.Store.
func (s *Store) Put(ctx context.Context, key string, body io.ReadSeeker, opts blob.PutOptions) (blob.Object, error) {
	if err := check(ctx, key); err != nil {
		return blob.Object{}, fmt.Errorf("put object: %w", err)
	}
	if opts.ContentType == "" {
		return blob.Object{}, fmt.Errorf("put object %s: no content type", key)
	}
	content, err := readBody(ctx, body)
	if err != nil {
		return blob.Object{}, fmt.Errorf("put object %s: read body: %w", key, err)
	}
	o, err := s.store(key, content, opts)
	if err != nil {
		return blob.Object{}, fmt.Errorf("put object %s: %w", key, err)
	}
	return o, nil
}

// readBody reads a body to its end, which must be where the body said that it is.
func readBody(ctx context.Context, body io.ReadSeeker) ([]byte, error) {
	start, err := body.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	end, err := body.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if _, err := body.Seek(start, io.SeekStart); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(contextReader{ctx, body})
	if err == nil && int64(len(content)) != end-start {
		err = fmt.Errorf("it has %d bytes, had %d before it was read", len(content), end-start)
	}
	return content, err
}

func (s *Store) store(key string, content []byte, opts blob.PutOptions) (blob.Object, error) {
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	if opts.SHA256 != "" && opts.SHA256 != digest {
		return blob.Object{}, blob.ErrChecksum
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.objects[key]; exists && opts.IfAbsent {
		return blob.Object{}, blob.ErrPrecondition
	}
	info := blob.Object{
		Key: key, SizeBytes: int64(len(content)), ETag: digest[:32], ContentType: opts.ContentType,
		CacheControl: opts.CacheControl, SHA256: opts.SHA256, ModifiedAt: s.now().UTC(),
	}
	s.objects[key] = stored{info: info, content: content}
	return info, nil
}

// Get is that of blob.Store.
func (s *Store) Get(ctx context.Context, key string, opts blob.GetOptions) (io.ReadCloser, blob.Object, error) {
	if err := check(ctx, key); err != nil {
		return nil, blob.Object{}, fmt.Errorf("get object: %w", err)
	}
	if opts.OffsetBytes < 0 || opts.LengthBytes < 0 {
		return nil, blob.Object{}, fmt.Errorf("get object %s: negative range %d+%d", key, opts.OffsetBytes, opts.LengthBytes)
	}
	o, err := s.find(key)
	if err != nil {
		return nil, blob.Object{}, fmt.Errorf("get object %s: %w", key, err)
	}
	if opts.IfMatch != "" && opts.IfMatch != o.info.ETag {
		return nil, blob.Object{}, fmt.Errorf("get object %s: %w", key, blob.ErrPrecondition)
	}
	content := o.content[min(opts.OffsetBytes, o.info.SizeBytes):]
	if n := opts.LengthBytes; n > 0 && n < int64(len(content)) {
		content = content[:n]
	}
	return &reader{ctx: ctx, content: bytes.NewReader(content)}, o.info, nil
}

// Head is that of blob.Store.
func (s *Store) Head(ctx context.Context, key string) (blob.Object, error) {
	if err := check(ctx, key); err != nil {
		return blob.Object{}, fmt.Errorf("head object: %w", err)
	}
	o, err := s.find(key)
	if err != nil {
		return blob.Object{}, fmt.Errorf("head object %s: %w", key, err)
	}
	return o.info, nil
}

// Delete is that of blob.Store.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := check(ctx, key); err != nil {
			return fmt.Errorf("delete objects: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(s.objects, key)
	}
	return nil
}

// List is that of blob.Store.
func (s *Store) List(ctx context.Context, opts blob.ListOptions) ([]blob.Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list objects of %q: %w", opts.Prefix, err)
	}
	if opts.Limit < 0 || opts.Limit > maxListed {
		return nil, fmt.Errorf("list objects of %q: limit %d, want 0 to %d", opts.Prefix, opts.Limit, maxListed)
	}
	limit := opts.Limit
	if limit == 0 {
		limit = maxListed
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var page []blob.Object
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if len(page) == limit {
			break
		}
		if strings.HasPrefix(key, opts.Prefix) && key > opts.After {
			o := s.objects[key].info
			o.SHA256, o.ContentType, o.CacheControl = "", "", ""
			page = append(page, o)
		}
	}
	return page, nil
}

func (s *Store) find(key string) (stored, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, ok := s.objects[key]
	if !ok {
		return stored{}, blob.ErrNotFound
	}
	return o, nil
}

// check refuses calls of an ended context or of a key that no store need hold.
func check(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return blob.CheckKey(key)
}

// contextReader reads until its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// reader reads an object until its context ends or it is closed.
type reader struct {
	ctx     context.Context
	content *bytes.Reader
	closed  bool
}

func (r *reader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, fmt.Errorf("read object: %w", io.ErrClosedPipe)
	}
	return contextReader{r.ctx, r.content}.Read(p)
}

func (r *reader) Close() error {
	r.closed = true
	return nil
}
