package effects

import (
	"context"
	"time"
)

const (
	// abortTimeout bounds how long a job waits for its uploads to be ended.
	abortTimeout = 10 * time.Second
	// abortAhead is how far the store's clock may be ahead of this one's: every upload is to be ended.
	abortAhead = time.Hour
)

// abortUploads ends the uploads that workers which died, or were cut off, left below the prefix. It comes before
// what is stored is deleted, so that none of them is completed after that. It is tried once, and nobody waits for
// its success: parts of an upload are in no listing, a store may not be able to tell of them, and what stays the
// sweep of package uploads takes.
func (x *Executor) abortUploads(ctx context.Context, prefix string) {
	ctx, cancel := context.WithTimeout(ctx, abortTimeout)
	defer cancel()
	_, _ = x.uploads.AbortUploads(ctx, prefix, time.Now().Add(abortAhead))
}
