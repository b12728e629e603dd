package transcode

import (
	"fmt"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

// rate is how many bits a rendition takes in a second. It is computed here once more, by the sizes that were
// compared with what is stored and the instants that were measured: what the writers of manifests share proves
// nothing of them.
type rate struct{ peak, average int64 }

// String returns the peak and the average.
func (r rate) String() string { return fmt.Sprintf("%d (on average %d)", r.peak, r.average) }

func (r rate) plus(o rate) rate { return rate{r.peak + o.peak, r.average + o.average} }

func (r rate) most(o rate) rate { return rate{max(r.peak, o.peak), max(r.average, o.average)} }

// is reports whether two rates are the same but for rounding.
func (r rate) is(o rate) bool { return near(r.peak, o.peak) && near(r.average, o.average) }

// near reports whether two numbers of bits per second are the same but for rounding: parts are rounded one by one.
func near(a, b int64) bool { return max(a-b, b-a) <= 4+b/1000 }

// rateOf returns the rate of all of a part, keyRateOf that of its keyframes.
func rateOf(p part) rate { return rateBy(p, func(o contract.Output) int64 { return o.SizeBytes }) }

func keyRateOf(p part) rate {
	return rateBy(p, func(o contract.Output) int64 { return o.Segment.KeyBytes })
}

// rateBy applies the rule of RFC 8216bis, 4.1: the peak is that of the runs of segments which last between half and
// one and a half times the longest, in whole seconds, and the average where there is no such run.
func rateBy(p part, size func(contract.Output) int64) rate {
	// at are when segments begin, and when the last ends; sum are the bytes up to there.
	at, sum := make([]time.Duration, len(p.segments)+1), make([]int64, len(p.segments)+1)
	target := time.Second
	for i, o := range p.segments {
		at[i], at[i+1] = o.Segment.Start.Duration(), (o.Segment.Start + o.Segment.Duration).Duration()
		sum[i+1] = sum[i] + size(o)
	}
	for i := range p.segments {
		target = max(target, (at[i+1] - at[i]).Round(time.Second))
	}
	last := len(p.segments)
	r := rate{average: perSecond(sum[last], at[last]-at[0])}
	for i := range p.segments {
		for k := i + 1; k <= last && at[k]-at[i] <= target*3/2; k++ {
			if span := at[k] - at[i]; span >= target/2 {
				r.peak = max(r.peak, perSecond(sum[k]-sum[i], span))
			}
		}
	}
	if r.peak == 0 {
		r.peak = r.average
	}
	return r
}

// textRate returns the rate of a subtitle file, which is read once for a film of that length.
func textRate(o contract.Output, film time.Duration) rate {
	n := perSecond(o.SizeBytes, film)
	return rate{n, n}
}

func perSecond(bytes int64, span time.Duration) int64 {
	if span <= 0 {
		return 0
	}
	return int64(float64(8*bytes) / span.Seconds())
}
