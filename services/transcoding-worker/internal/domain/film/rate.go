package film

import (
	"math"
	"time"
)

// Rate is how many bits a rendition takes in a second.
type Rate struct {
	PeakBitsPerSecond, AverageBitsPerSecond int64
}

// Plus returns the rate of two renditions that play together.
func (r Rate) Plus(o Rate) Rate {
	return Rate{PeakBitsPerSecond: r.PeakBitsPerSecond + o.PeakBitsPerSecond, AverageBitsPerSecond: r.AverageBitsPerSecond + o.AverageBitsPerSecond}
}

// Most returns the larger of both peaks and of both averages: what has to be reckoned with where either may
// play.
func (r Rate) Most(o Rate) Rate {
	return Rate{PeakBitsPerSecond: max(r.PeakBitsPerSecond, o.PeakBitsPerSecond), AverageBitsPerSecond: max(r.AverageBitsPerSecond, o.AverageBitsPerSecond)}
}

// RateOf returns the rate of pieces that follow each other, as the second edition of RFC 8216 defines it
// (4.1): the average is all bits by the whole duration, the peak the largest rate of any consecutive pieces
// that last between half and one and a half times the target duration, which is that of the longest piece
// rounded to seconds. Where no pieces do, the peak is the average. Rates are rounded up; pieces without any
// duration have the zero Rate.
func RateOf(pieces []Piece) Rate {
	var all Piece
	target := time.Second
	for _, p := range pieces {
		all.Bytes, all.Duration = all.Bytes+p.Bytes, all.Duration+p.Duration
		target = max(target, p.Duration.Round(time.Second))
	}
	var peak float64
	for i := range pieces {
		var run Piece
		for _, p := range pieces[i:] {
			run.Bytes, run.Duration = run.Bytes+p.Bytes, run.Duration+p.Duration
			if run.Duration > target*3/2 {
				break
			}
			if run.Duration >= target/2 {
				peak = max(peak, run.bitsPerSecond())
			}
		}
	}
	if peak == 0 {
		peak = all.bitsPerSecond()
	}
	return Rate{PeakBitsPerSecond: int64(math.Ceil(peak)), AverageBitsPerSecond: int64(math.Ceil(all.bitsPerSecond()))}
}

func (p Piece) bitsPerSecond() float64 {
	if p.Duration <= 0 {
		return 0
	}
	return 8 * float64(p.Bytes) / p.Duration.Seconds()
}
