package uploads_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/blob/memblob"
	"github.com/reelmill/reelmill/services/job-service/internal/application/uploads"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// troubled is a store whose first sweeps fail.
type troubled struct {
	*memblob.Store
	fails  []func() error
	sweeps int
}

func (s *troubled) AbortUploads(ctx context.Context, prefix string, before time.Time) (int, error) {
	if s.sweeps++; s.sweeps <= len(s.fails) {
		return 0, s.fails[s.sweeps-1]()
	}
	return s.Store.AbortUploads(ctx, prefix, before)
}

// open returns how many uploads below the prefix are not ended, which it ends.
func open(t *testing.T, s *memblob.Store, prefix string) int {
	t.Helper()
	n, err := s.AbortUploads(t.Context(), prefix, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// run sweeps for d.
func run(t *testing.T, s *troubled, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := uploads.New(s, slog.New(slog.DiscardHandler)).Run(ctx); err != nil {
		t.Errorf("Run = %v", err)
	}
}

func begin(t *testing.T, s *memblob.Store, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := s.BeginUpload(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOnlyWhatNoAttemptCanBeAtIsEnded(t *testing.T) {
	for name, tt := range map[string]struct {
		age                time.Duration
		wantJob, wantOther int
	}{
		"what the longest attempt may still be at stays":    {23 * time.Hour, 1, 1},
		"what is older goes, and what is not a job's stays": {26 * time.Hour, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &troubled{Store: memblob.New(memblob.Config{})}
				begin(t, s.Store, "t/acme/j/job/a/1-1/video/0/film.mp4", "other/film.mp4")
				time.Sleep(tt.age) // virtual
				run(t, s, 30*time.Minute)
				if job, other := open(t, s.Store, "t/"), open(t, s.Store, "other/"); job != tt.wantJob || other != tt.wantOther {
					t.Errorf("open are %d uploads of the job and %d others, want %d and %d", job, other, tt.wantJob, tt.wantOther)
				}
			})
		})
	}
}

func TestSweepsComeAFewTimesADayWhateverBecomesOfThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &troubled{Store: memblob.New(memblob.Config{}), fails: []func() error{
			func() error { return errors.New("store is away") },
			func() error { panic("broken") },
		}}
		begin(t, s.Store, "t/acme/j/job/a/1-1/video/0/film.mp4")
		const days = 10
		run(t, s, days*24*time.Hour)
		if s.sweeps < 2*days || s.sweeps > 9*days {
			t.Errorf("%d sweeps in %d days, want a few a day", s.sweeps, days)
		}
		if n := open(t, s.Store, "t/"); n != 0 {
			t.Errorf("%d uploads are still open", n)
		}
	})
}
