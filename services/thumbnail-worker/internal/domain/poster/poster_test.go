package poster_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/poster"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/timeline"
)

const s = time.Second

func film() timeline.Timeline {
	return timeline.New(100*s, 40*time.Millisecond, []time.Duration{0, 20 * s, 49 * s, 90 * s})
}

func TestAtTimeNeverTakesAnotherFrame(t *testing.T) {
	for _, tt := range []struct {
		at, want     time.Duration
		key, clamped bool
	}{{20 * s, 20 * s, true, false}, {20*s + 1, 20*s + 1, false, false}, {0, 0, true, false}, {time.Hour, 99960 * time.Millisecond, false, true}} {
		got, clamped := poster.AtTime(film(), tt.at)
		if got != (timeline.Pick{At: tt.want, Keyframe: tt.key}) || clamped != tt.clamped {
			t.Errorf("AtTime(%v) = %+v, %v", tt.at, got, clamped)
		}
	}
}

func TestAtPercentTakesAKeyframeNearby(t *testing.T) {
	for _, tt := range []struct {
		share int
		want  timeline.Pick
	}{
		{5000, timeline.Pick{At: 49 * s, Keyframe: true}},
		{5150, timeline.Pick{At: 51500 * time.Millisecond}},
		{0, timeline.Pick{At: 0, Keyframe: true}},
		{10000, timeline.Pick{At: 99960 * time.Millisecond}},
	} {
		if got := poster.AtPercent(film(), tt.share); got != tt.want {
			t.Errorf("AtPercent(%d) = %+v, want %+v", tt.share, got, tt.want)
		}
	}
}

func TestStillsLieInTheMiddleHalvesOfTheirParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := time.Duration(rapid.Int64Range(0, int64(10*time.Hour)).Draw(t, "span"))
		keyframes := rapid.SliceOf(rapid.Map(rapid.Int64Range(0, int64(span)), func(n int64) time.Duration { return time.Duration(n) })).Draw(t, "keyframes")
		n := rapid.IntRange(1, 100).Draw(t, "n")
		picks := poster.Stills(timeline.New(span, 0, keyframes), n)
		if len(picks) != n {
			t.Fatalf("%d stills, want %d", len(picks), n)
		}
		part := span / time.Duration(n)
		for i, p := range picks {
			from := time.Duration(i) * part
			// Dividing rounds each boundary by at most n nanoseconds.
			slack := time.Duration(n)
			if p.At < from+part/4-slack || p.At > from+part*3/4+2*slack {
				t.Fatalf("still %d of %d is at %v of %v", i, n, p.At, span)
			}
			if i > 0 && p.At < picks[i-1].At {
				t.Fatalf("still %d is before the one before", i)
			}
		}
	})
	if got := poster.Stills(film(), 0); got != nil {
		t.Errorf("no stills are %v", got)
	}
}

func TestSizeStaysWithinFormats(t *testing.T) {
	for _, tt := range []struct {
		display media.Resolution
		width   int
		want    media.Resolution
	}{
		{media.Resolution{Width: 1920, Height: 1080}, 1280, media.Resolution{Width: 1280, Height: 720}},
		{media.Resolution{Width: 640, Height: 480}, 1280, media.Resolution{Width: 640, Height: 480}},
		{media.Resolution{Width: 500, Height: 64000}, 500, media.Resolution{Width: 124, Height: 16000}},
	} {
		if got := poster.Size(tt.display, tt.width); got != tt.want {
			t.Errorf("Size(%v, %d) = %v, want %v", tt.display, tt.width, got, tt.want)
		}
	}
}

func TestCandidates(t *testing.T) {
	many := timeline.New(1000*s, 0, func() (ks []time.Duration) {
		for i := range 500 {
			ks = append(ks, time.Duration(2*i)*s)
		}
		return ks
	}())
	got := poster.Candidates(many)
	if len(got) != 60 || got[0].At > 20*s || got[59].At < 980*s {
		t.Errorf("%d candidates from %v to %v, want 60 over the whole film", len(got), got[0].At, got[len(got)-1].At)
	}
	for _, p := range got {
		if !p.Keyframe {
			t.Errorf("%+v is no keyframe, although there are plenty", p)
		}
	}
	if got := poster.Candidates(timeline.New(60*s, 0, []time.Duration{0})); len(got) < 8 || !got[0].Keyframe || got[1].Keyframe {
		t.Errorf("a film with one keyframe has the candidates %+v", got)
	}
	if got := poster.Candidates(timeline.Timeline{}); len(got) != 1 || got[0].At != 0 {
		t.Errorf("a single picture has the candidates %+v", got)
	}
	if got := poster.MoreCandidates(many); len(got) != 24 {
		t.Errorf("%d more candidates", len(got))
	}
}

func TestAlternativesLieInTheMiddleHalfOfTheirPart(t *testing.T) {
	many := timeline.New(100*s, 0, func() (ks []time.Duration) {
		for i := range 100 {
			ks = append(ks, time.Duration(i)*s)
		}
		return ks
	}())
	for name, tt := range map[string]struct {
		film                 timeline.Timeline
		all, keyframes, part int
	}{
		"many keyframes": {many, 6, 3, 2},
		"one keyframe":   {film(), 4, 1, 2},
		"no keyframe":    {film(), 3, 0, 3},
		"one picture":    {timeline.New(0, 0, []time.Duration{0}), 2, 1, 0},
	} {
		first, rest := poster.KeyframeAlternatives(tt.film, 5, tt.part), poster.Alternatives(tt.film, 5, tt.part)
		picks := append(append([]timeline.Pick(nil), first...), rest...)
		keyframes := 0
		part := tt.film.Span() / 5
		for i, p := range picks {
			if p.At < time.Duration(tt.part)*part+part/4 || p.At > time.Duration(tt.part)*part+part*3/4 || i > 0 && i != len(first) && p.At <= picks[i-1].At {
				t.Errorf("%s: alternative %d is %+v", name, i, p)
			}
			if i < len(first) {
				keyframes++
				if !p.Keyframe {
					t.Errorf("%s: %+v is no keyframe", name, p)
				}
			}
		}
		if len(picks) != tt.all || keyframes != tt.keyframes {
			t.Errorf("%s: %d alternatives with %d keyframes, want %d and %d", name, len(picks), keyframes, tt.all, tt.keyframes)
		}
	}
}
