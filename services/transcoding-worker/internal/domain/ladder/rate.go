package ladder

import "github.com/reelmill/reelmill/pkg/core/media"

// maxDivisor is up to which divisor frames are dropped evenly. Above it frames of the source stand so close
// together that any rate is even enough: at 1000 frames per second, none is shown more than half a
// millisecond off its time.
const maxDivisor = 4

// slack is up to how many hundredths of the cap a rate meets it. The clocks of cameras are not exact, and the
// average that a file declares is less so: 60.03 frames per second are meant to be 60, and to halve them would
// cost a viewer every other frame.
const slack = 101

// CapRate returns the frame rate of outputs: that of the source where it is at most the cap or a hundredth more,
// else the source's divided by the smallest number, up to four, that brings it there (120 gives 60, 100 gives 50,
// 119.88 gives 59.94, 144 gives 48), so that every frame is shown equally long, and above that the cap itself
// (1000 gives 60). An unknown rate stays unknown; a cap below 1 is none.
func CapRate(rate media.FrameRate, limit int) media.FrameRate {
	if !rate.Known() || limit < 1 {
		return rate
	}
	frames, seconds := int64(rate.Num), int64(rate.Den)
	most := int64(limit) * seconds * slack
	n := (frames*100 + most - 1) / most
	switch {
	case n <= 1:
		return rate
	case n > maxDivisor:
		return media.FrameRate{Num: limit, Den: 1}
	}
	d := gcd(frames, seconds*n)
	return media.FrameRate{Num: int(frames / d), Den: int(seconds * n / d)}
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
