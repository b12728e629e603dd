package timeline_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/timeline"
)

const s = time.Second

func TestNewKeepsWhatLiesInTheFilm(t *testing.T) {
	tl := timeline.New(10*s, s, []time.Duration{5 * s, -s, 0, 5 * s, 10 * s, 11 * s})
	got := tl.Keyframes()
	if len(got) != 2 || got[0] != 0 || got[1] != 5*s {
		t.Errorf("Keyframes = %v, want 0 and 5s", got)
	}
	if tl.Last() != 9*s || tl.Span() != 10*s {
		t.Errorf("Last = %v, Span = %v", tl.Last(), tl.Span())
	}
	if zero := timeline.New(-s, -s, []time.Duration{0}); zero.Span() != 0 || zero.Last() != 0 || len(zero.Keyframes()) != 1 {
		t.Errorf("a film of negative length is %+v", zero)
	}
}

func TestClamp(t *testing.T) {
	tl := timeline.New(10*s, s, nil)
	for _, tt := range []struct {
		at, want time.Duration
		clamped  bool
	}{{-1, 0, true}, {0, 0, false}, {9500 * time.Millisecond, 9500 * time.Millisecond, false}, {10 * s, 9 * s, true}, {time.Hour, 9 * s, true}} {
		if got, clamped := tl.Clamp(tt.at); got != tt.want || clamped != tt.clamped {
			t.Errorf("Clamp(%v) = %v, %v, want %v, %v", tt.at, got, clamped, tt.want, tt.clamped)
		}
	}
	if got, clamped := (timeline.Timeline{}).Clamp(0); got != 0 || clamped {
		t.Errorf("a single picture clamps 0 to %v, %v", got, clamped)
	}
}

func TestNearestFindsWhatASearchOfAllFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		instants := rapid.SliceOf(rapid.Map(rapid.Int64Range(0, 99), func(n int64) time.Duration { return time.Duration(n) })).Draw(t, "keyframes")
		at := time.Duration(rapid.Int64Range(0, 99).Draw(t, "at"))
		tolerance := time.Duration(rapid.Int64Range(0, 30).Draw(t, "tolerance"))
		tl := timeline.New(100, 1, instants)
		var want time.Duration
		best := tolerance + 1
		for _, k := range tl.Keyframes() {
			if (k - at).Abs() < best {
				want, best = k, (k - at).Abs()
			}
		}
		got, ok := tl.Nearest(at, tolerance)
		if ok != (best <= tolerance) || ok && got != want {
			t.Fatalf("Nearest(%d, %d) of %v = %d, %v, want %d", at, tolerance, tl.Keyframes(), got, ok, want)
		}
		if p := tl.Pick(at, tolerance); p.Keyframe != ok || !ok && p.At != at {
			t.Fatalf("Pick(%d, %d) = %+v", at, tolerance, p)
		}
	})
}
