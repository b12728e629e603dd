// Package backoff says how long to wait before something is tried again.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Bounds of every wait of this module: long enough to spare a server that starts, short enough that work
// goes on soon after it has.
const (
	Base = 200 * time.Millisecond
	Max  = 15 * time.Second
)

// Full returns a wait before try number attempt (from 0): uniformly between 0 and
// min(limit, base·2^attempt), which is "full jitter", so that many clients that lost one server do not
// come back in step.
func Full(attempt int, base, limit time.Duration) time.Duration {
	ceiling := limit
	if attempt < 32 && base<<attempt < limit {
		ceiling = base << attempt
	}
	return rand.N(ceiling + 1)
}

// Sleep waits for d, or until ctx ends; it reports whether the whole of d passed.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
