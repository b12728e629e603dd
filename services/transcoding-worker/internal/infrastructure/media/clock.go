package media

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// fineTicks is a clock that most frame rates divide, 29.97 among them, and that every player knows: that of
// MPEG transport streams. No film's clock is finer.
const fineTicks = 90_000

// clock counts the time of outputs in ticks. The clock of a film follows from its plan alone, and so do all
// instants on it: a chunk that is made by another process ends where the next begins.
type clock struct{ perSecond int64 }

// clockOf returns the clock on which frames of that rate begin at whole ticks.
func clockOf(r media.FrameRate) clock {
	num, den := int64(r.Num), int64(r.Den)
	if !r.Known() || fineTicks*den%num == 0 || num > fineTicks {
		return clock{fineTicks}
	}
	// A multiple of the rate's numerator, fine enough that rounding to ticks does not show.
	const coarsest = 10_000
	return clock{num * ((coarsest + num - 1) / num)}
}

// ticks returns an instant on the clock, rounded to the nearest tick.
func (c clock) ticks(d time.Duration) int64 {
	n := new(big.Int).Mul(big.NewInt(int64(d)), big.NewInt(2*c.perSecond))
	n.Add(n, big.NewInt(int64(time.Second)))
	q, _ := new(big.Int).DivMod(n, big.NewInt(2*int64(time.Second)), new(big.Int))
	return q.Int64()
}

// span returns how long n ticks take.
func (c clock) span(n int64) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(c.perSecond)
}

// rational returns the length of a tick as ffmpeg reads it.
func (c clock) rational() string { return fmt.Sprintf("1:%d", c.perSecond) }

// keyframes returns a list of instants for ffmpeg: at each the next frame becomes a keyframe. The instants
// are early by two ticks, which rounding may take from the times of frames.
func (c clock) keyframes(cuts []contract.Seconds) string {
	var list []string
	for _, cut := range cuts {
		at := max(0, cut.Duration()-c.span(2))
		list = append(list, fmt.Sprintf("%d.%06d", at/time.Second, at%time.Second/time.Microsecond))
	}
	return strings.Join(list, ",")
}
