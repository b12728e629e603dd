// Package uploads ends what nobody will finish: the multipart uploads of workers that died while they stored an
// output. Their parts are in no listing, so no sweep of a job sees them, and they are paid for until they are ended.
package uploads

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
)

const (
	// prefix is that of everything that belongs to a job; what else lies in the bucket is not ours.
	prefix = "t/"
	// age is how old an upload is that nobody can be at any more: it was begun by an attempt, and no attempt is
	// longer. The hour is for clocks that differ.
	age = pipeline.LongestAttempt + time.Hour
	// interval is the mean time between two sweeps, firstWithin when the first one is: a process that runs for some
	// hours a day only must sweep as well.
	interval    = 6 * time.Hour
	firstWithin = 10 * time.Minute
	// timeout bounds one sweep.
	timeout = 10 * time.Minute
)

// Sweeper ends old uploads again and again. Any number may do so for one bucket.
type Sweeper struct {
	store blob.Sweeper
	log   *slog.Logger
}

// New returns a sweeper of the store.
func New(store blob.Sweeper, log *slog.Logger) *Sweeper { return &Sweeper{store: store, log: log} }

// Run sweeps a few times a day until ctx ends, and returns nil. What fails is tried again with the next sweep.
func (s *Sweeper) Run(ctx context.Context) error {
	// All waits are jittered, so that several replicas do not sweep in step.
	for wait := rand.N(firstWithin); ; wait = interval/2 + rand.N(interval) {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		n, err := s.sweep(ctx)
		if n > 0 {
			s.log.InfoContext(ctx, "unfinished uploads ended", slog.Int("uploads", n))
		}
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "unfinished uploads could not be ended", slog.Any("error", err))
		}
	}
}

// sweep ends what is too old. A panic of the store becomes an error.
func (s *Sweeper) sweep(ctx context.Context) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("sweep of uploads panicked: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return s.store.AbortUploads(ctx, prefix, time.Now().Add(-age))
}
