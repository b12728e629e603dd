// Package poster decides which frames become posters and stills, and how large they are: at a time, at
// a share of the duration, from the middles of equal parts, and the best frame of all. It is pure: the
// choice of the best frame is made over measured Features.
package poster

import (
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/timeline"
)

const (
	// maxSide is the longest side of a picture: WebP ends at 16383 pixels.
	maxSide = 16000
	// percentSlack and percentCap bound how far the keyframe of a poster at a percentage may lie from the
	// instant that the percentage means: a fiftieth of the duration, and at most five seconds.
	percentSlack = 50
	percentCap   = 5 * time.Second
	// stillSlack bounds it for a still: a quarter of its part on both sides, so that the still comes from
	// the middle half of the part.
	stillSlack = 4
)

// AtTime returns the frame that is shown at the instant, never another one nearby. An instant behind the
// end means the last frame; clamped reports that.
func AtTime(t timeline.Timeline, at time.Duration) (p timeline.Pick, clamped bool) {
	at, clamped = t.Clamp(at)
	return t.Pick(at, 0), clamped
}

// AtPercent returns a frame at the share of the duration, given in hundredths of a percent: the keyframe
// nearest to it where that is less than a fiftieth of the duration and five seconds away, else exactly
// the frame shown there. 10000 means the last frame.
func AtPercent(t timeline.Timeline, hundredths int) timeline.Pick {
	at := scale(t.Span(), int64(min(max(hundredths, 0), 10000)), 10000)
	return t.Pick(at, min(t.Span()/percentSlack, percentCap))
}

// Stills returns n frames in ascending order, one from the middle half of each of n equal parts: the
// keyframe nearest to the middle where there is one, else exactly the frame in the middle. So a black
// first or last frame is not chosen. Parts shorter than a frame share it. n below 1 gives none.
func Stills(t timeline.Timeline, n int) []timeline.Pick {
	if n < 1 {
		return nil
	}
	picks := make([]timeline.Pick, n)
	part := t.Span() / time.Duration(n)
	for i := range picks {
		picks[i] = t.Pick(scale(t.Span(), int64(2*i+1), int64(2*n)), part/stillSlack)
	}
	return picks
}

// alternatives is how many frames are looked at in place of a poor still, first of keyframes and then of
// others.
const alternatives = 3

// KeyframeAlternatives returns up to three keyframes spread over the middle half of the i-th of n parts, in
// ascending order. They cost little to look at; there may be none.
func KeyframeAlternatives(t timeline.Timeline, n, i int) []timeline.Pick {
	from, to := middleHalf(t, n, i)
	var inside []time.Duration
	for _, k := range t.Keyframes() {
		if k >= from && k <= to {
			inside = append(inside, k)
		}
	}
	var picks []timeline.Pick
	m := min(len(inside), alternatives)
	for k := range m {
		picks = append(picks, timeline.Pick{At: inside[(2*k+1)*len(inside)/(2*m)], Keyframe: true})
	}
	return sorted(picks)
}

// Alternatives returns three frames at even distances over the middle half of the i-th of n parts, in
// ascending order, for where all keyframes are poor: film may be decoded up to each of them.
func Alternatives(t timeline.Timeline, n, i int) []timeline.Pick {
	from, to := middleHalf(t, n, i)
	var picks []timeline.Pick
	for k := range alternatives {
		picks = append(picks, t.Pick(from+scale(to-from, int64(2*k+1), 2*alternatives), 0))
	}
	return sorted(picks)
}

// middleHalf returns the begin and the end of the middle half of the i-th of n equal parts.
func middleHalf(t timeline.Timeline, n, i int) (from, to time.Duration) {
	return scale(t.Span(), int64(4*i+1), int64(4*n)), scale(t.Span(), int64(4*i+3), int64(4*n))
}

// scale returns d*num/den for 0 <= num <= den without overflow.
func scale(d time.Duration, num, den int64) time.Duration {
	q, r := int64(d)/den, int64(d)%den
	return time.Duration(q*num + r*num/den)
}

// Size returns the size of a picture of at most that width, with the shape of display, even, never
// larger than display, and with no side that a format cannot hold.
func Size(display media.Resolution, width int) media.Resolution {
	r := display.FitWidth(width)
	if r.Height > maxSide {
		r = display.FitWidth(max(1, int(int64(display.Width)*maxSide/int64(display.Height))))
		r.Height = min(r.Height, maxSide)
	}
	return r
}
