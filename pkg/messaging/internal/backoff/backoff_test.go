package backoff

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestFullGrowsUpToItsLimit(t *testing.T) {
	for attempt, ceiling := range map[int]time.Duration{
		0: 200 * time.Millisecond, 1: 400 * time.Millisecond, 6: 12800 * time.Millisecond,
		7: 15 * time.Second, 31: 15 * time.Second, 1 << 20: 15 * time.Second,
	} {
		var longest time.Duration
		for range 2000 {
			got := Full(attempt, Base, Max)
			if got < 0 || got > ceiling {
				t.Fatalf("Full(%d) = %v, want within [0, %v]", attempt, got, ceiling)
			}
			longest = max(longest, got)
		}
		if longest < ceiling*9/10 {
			t.Errorf("Full(%d) reached %v in 2000 draws, want close to %v", attempt, longest, ceiling)
		}
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if !Sleep(ctx, 500*time.Millisecond) {
			t.Error("Sleep was cut short by a context that had not ended")
		}
		start := time.Now()
		if Sleep(ctx, time.Hour) || time.Since(start) != 500*time.Millisecond {
			t.Errorf("Sleep went on for %v, want to end with its context", time.Since(start))
		}
	})
}
