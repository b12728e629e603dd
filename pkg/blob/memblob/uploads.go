package memblob

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// upload is one that was begun and not ended.
type upload struct {
	key   string
	begun time.Time
}

// BeginUpload begins an upload of key and leaves it unfinished, as a client does that dies in the middle of one.
// Put never does: it stores at once.
func (s *Store) BeginUpload(ctx context.Context, key string) error {
	if err := check(ctx, key); err != nil {
		return fmt.Errorf("begin upload: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uploads = append(s.uploads, upload{key: key, begun: s.now()})
	return nil
}

// AbortUploads is that of blob.Sweeper.
func (s *Store) AbortUploads(ctx context.Context, prefix string, before time.Time) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("abort uploads of %q: %w", prefix, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.uploads)
	s.uploads = slices.DeleteFunc(s.uploads, func(u upload) bool {
		return strings.HasPrefix(u.key, prefix) && u.begun.Before(before)
	})
	return n - len(s.uploads), nil
}
