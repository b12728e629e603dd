package chunk

import (
	"errors"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// Frames says when the frames of a film are shown, from the film's origin. The zero value has none.
type Frames struct {
	times []time.Duration
	end   time.Duration
	// rate, first and count are set instead of times where frames stand at the multiples of a rate.
	rate         media.FrameRate
	first, count int64
}

// ErrOrder is returned for instants that do not ascend.
var ErrOrder = errors.New("the frames' times do not ascend")

// At returns frames that are shown from the given instants on, the last until end. Several may have one
// instant. The slice is not copied: the caller leaves it as it is. ErrOrder is returned where the instants do
// not ascend, or end does not lie behind the last.
func At(times []time.Duration, end time.Duration) (Frames, error) {
	for i, t := range times {
		if i > 0 && t < times[i-1] || t >= end {
			return Frames{}, ErrOrder
		}
	}
	return Frames{times: times, end: end, count: int64(len(times))}, nil
}

// Every returns count frames of a constant rate, the first of which is number first of those that begin at
// the origin. A rate that is unknown has no frames.
func Every(rate media.FrameRate, first, count int64) Frames {
	if !rate.Known() || count < 0 {
		return Frames{}
	}
	return Frames{rate: rate, first: first, count: count, end: rate.Instant(first + count)}
}

// Count returns how many frames there are.
func (f Frames) Count() int64 { return f.count }

// Start returns when the first frame is shown, and End when the last one ends; both are 0 without frames.
func (f Frames) Start() time.Duration {
	if f.count == 0 {
		return 0
	}
	return f.at(0)
}

// End returns when the last frame ends.
func (f Frames) End() time.Duration {
	if f.count == 0 {
		return 0
	}
	return f.end
}

// at returns when frame i is shown; the one behind the last begins when that ends.
func (f Frames) at(i int64) time.Duration {
	switch {
	case i >= f.count:
		return f.end
	case f.times != nil:
		return f.times[i]
	}
	return f.rate.Instant(f.first + i)
}
