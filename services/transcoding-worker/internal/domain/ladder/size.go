package ladder

import "github.com/reelmill/reelmill/pkg/core/media"

func shorter(r media.Resolution) int { return min(r.Width, r.Height) }

func longer(r media.Resolution) int { return max(r.Width, r.Height) }

// even returns the size with both sides rounded down to even numbers, at least 2, as 4:2:0 sampling asks.
func even(r media.Resolution) media.Resolution {
	return media.Resolution{Width: max(2, r.Width&^1), Height: max(2, r.Height&^1)}
}

// scaled returns r scaled to that shorter side, both sides even. The longer side is the even number that
// comes closest to r's shape, but is not larger than r's.
func scaled(r media.Resolution, short int) media.Resolution {
	whole := even(r)
	short = max(2, min(short, shorter(whole))&^1)
	if short == shorter(whole) {
		return whole
	}
	s, l := int64(shorter(r)), int64(longer(r))
	long := int((int64(short)*l+s)/(2*s)) * 2
	long = max(short, min(long, longer(whole)))
	if r.Width < r.Height {
		return media.Resolution{Width: short, Height: long}
	}
	return media.Resolution{Width: long, Height: short}
}

// largest returns the largest size of r's shape that some level allows at the rate, r itself (with even
// sides) where that is one.
func (c codec) largest(r media.Resolution, rate media.FrameRate) media.Resolution {
	top := c.levels[len(c.levels)-1]
	size := even(r)
	for short := shorter(size) - 2; short >= 2 && !c.allows(top, size, rate); short -= 2 {
		size = scaled(r, short)
	}
	if c.allows(top, size, rate) {
		return size
	}
	// A line, longer than any level allows: its shape cannot be kept.
	long := c.block * int(top.maxSide())
	return media.Resolution{Width: min(size.Width, long), Height: min(size.Height, long)}
}
