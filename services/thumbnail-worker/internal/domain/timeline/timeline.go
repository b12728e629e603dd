// Package timeline says which frames of a source can be had cheaply. A Timeline knows where a film's
// keyframes are, a Pick names one frame of it. All instants count from the first frame that is shown.
//
// It is pure, and shared by the packages that plan pictures (poster, storyboard).
package timeline

import (
	"slices"
	"time"
)

// Timeline is what planning knows of the moving picture. It is immutable; the zero value is a single
// picture at 0.
type Timeline struct {
	span, frame time.Duration
	keyframes   []time.Duration
}

// New returns the timeline of a picture that is shown for span. frame is how long one frame is shown, 0
// where that is unknown or varies. keyframes need no order; those outside of the span are left out. A
// negative span or frame counts as 0.
func New(span, frame time.Duration, keyframes []time.Duration) Timeline {
	t := Timeline{span: max(0, span), frame: max(0, frame)}
	t.frame = min(t.frame, t.span)
	for _, k := range keyframes {
		if k >= 0 && (k < t.span || k == 0) {
			t.keyframes = append(t.keyframes, k)
		}
	}
	slices.Sort(t.keyframes)
	t.keyframes = slices.Compact(t.keyframes)
	return t
}

// Span is from the first frame to the end of the last.
func (t Timeline) Span() time.Duration { return t.span }

// Keyframes returns the instants of all keyframes, ascending. The caller owns the slice.
func (t Timeline) Keyframes() []time.Duration { return slices.Clone(t.keyframes) }

// Last returns an instant at which the last frame is shown.
func (t Timeline) Last() time.Duration { return t.span - t.frame }

// Clamp returns the instant nearest to at, at which there is a frame, and whether that is another one.
func (t Timeline) Clamp(at time.Duration) (instant time.Duration, clamped bool) {
	switch {
	case at < 0:
		return 0, true
	case at < t.span, at == 0:
		return at, false
	default:
		return t.Last(), true
	}
}

// Nearest returns the keyframe nearest to at, the earlier of two, where one lies no further away than
// tolerance.
func (t Timeline) Nearest(at, tolerance time.Duration) (keyframe time.Duration, ok bool) {
	i, exact := slices.BinarySearch(t.keyframes, at)
	if exact {
		return at, true
	}
	best := tolerance + 1
	if i > 0 && at-t.keyframes[i-1] < best {
		keyframe, best = t.keyframes[i-1], at-t.keyframes[i-1]
	}
	if i < len(t.keyframes) && t.keyframes[i]-at < best {
		keyframe, best = t.keyframes[i], t.keyframes[i]-at
	}
	return keyframe, best <= tolerance
}

// Pick returns the nearest keyframe within tolerance of at, and where there is none the frame that is
// shown at the instant itself. at is clamped into the film.
func (t Timeline) Pick(at, tolerance time.Duration) Pick {
	at, _ = t.Clamp(at)
	if k, ok := t.Nearest(at, tolerance); ok {
		return Pick{At: k, Keyframe: true}
	}
	return Pick{At: at}
}

// Pick names one frame.
type Pick struct {
	// At is an instant at which the frame is shown; for a keyframe the instant at which it begins.
	At time.Duration
	// Keyframe says that the frame is a keyframe, so that nothing else has to be decoded.
	Keyframe bool
	// Slack says, where it is above 0, that any frame which begins at most that long after At will do. A
	// source whose frames are not evenly spaced need not be searched for the one that is shown at At.
	Slack time.Duration
}
