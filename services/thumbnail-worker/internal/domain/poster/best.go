package poster

import (
	"math"
	"slices"
	"time"

	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/timeline"
)

const (
	// maxCandidates is how many keyframes are looked at; more make no better poster.
	maxCandidates = 60
	// fewCandidates is how many there must be: films with fewer keyframes give other frames too.
	fewCandidates = 8
	// secondLook is how many frames between keyframes are looked at where no keyframe will do.
	secondLook = 24

	// edge is the share of the film at each end that a poster had better not come from: titles, credits.
	edge = 20
)

// Limits of what is fit to stand for a film. They were set on the planted black, faded, flat and blurred
// spans of the test clips and on a real film.
const (
	maxDark       = 0.85
	maxBright     = 0.85
	minDeviation  = 14.0
	minEntropy    = 0.7
	minBrightness = 24.0
	// blurShare is the detail below which a picture counts as blurred, as a share of the candidates'
	// upper quartile.
	blurShare = 0.25
	// dimShare is the brightness, and contrast, below which a picture counts as faded, as a share of the
	// candidates' upper quartile.
	dimShare = 0.6
)

// Candidates returns the frames to measure for the best frame: keyframes spread over the film and,
// where those are few, frames from the middles of equal parts besides. There is at least one.
func Candidates(t timeline.Timeline) []timeline.Pick {
	keyframes := t.Keyframes()
	var picks []timeline.Pick
	for i := range min(len(keyframes), maxCandidates) {
		n := min(len(keyframes), maxCandidates)
		picks = append(picks, timeline.Pick{At: keyframes[(2*i+1)*len(keyframes)/(2*n)], Keyframe: true})
	}
	if len(picks) < fewCandidates {
		picks = append(picks, between(t, fewCandidates)...)
	}
	return sorted(picks)
}

// MoreCandidates returns frames between the keyframes, to be measured where all of Candidates are poor:
// films whose every scene fades in at a keyframe.
func MoreCandidates(t timeline.Timeline) []timeline.Pick { return sorted(between(t, secondLook)) }

func between(t timeline.Timeline, n int) []timeline.Pick {
	var picks []timeline.Pick
	for i := range n {
		pick := t.Pick(scale(t.Span(), int64(2*i+1), int64(2*n)), 0)
		if !pick.Keyframe {
			pick.Slack = t.Span() / time.Duration(2*n)
		}
		picks = append(picks, pick)
	}
	return picks
}

func sorted(picks []timeline.Pick) []timeline.Pick {
	slices.SortFunc(picks, func(a, b timeline.Pick) int { return int(min(1, max(-1, a.At-b.At))) })
	return slices.CompactFunc(picks, func(a, b timeline.Pick) bool { return a.At == b.At })
}

// Best returns the index of the candidate that stands for the film best, -1 where there is none. good is
// false where every candidate is black, white, flat, faded or blurred by the measure of the others; the
// index is then that of the least poor. span is the film's, to tell its edges.
func Best(candidates []Features, span time.Duration) (index int, good bool) {
	index = -1
	r := reference(candidates)
	best := math.Inf(-1)
	for i, f := range candidates {
		fit := r.fit(f)
		score := f.Deviation + f.Mean/10 // of poor pictures, the one that shows anything
		if fit {
			score = r.score(f, span)
		}
		if fit == good && score > best || fit && !good {
			index, best, good = i, score, fit
		}
	}
	return index, good
}

// Fit reports for each candidate whether it is neither black, white, flat, faded nor blurred.
func Fit(candidates []Features) []bool {
	r := reference(candidates)
	fit := make([]bool, len(candidates))
	for i, f := range candidates {
		fit[i] = r.fit(f)
	}
	return fit
}

// standard is what the candidates of a film are like at their better side, and in the middle.
type standard struct {
	mean, deviation, detail, sharpness float64
	histogram                          [histogramBins]float64
}

func reference(candidates []Features) standard {
	s := standard{
		mean:      quantile(candidates, 0.75, func(f Features) float64 { return f.Mean }),
		deviation: quantile(candidates, 0.75, func(f Features) float64 { return f.Deviation }),
		detail:    quantile(candidates, 0.75, func(f Features) float64 { return f.Detail }),
		sharpness: quantile(candidates, 0.75, func(f Features) float64 { return f.Sharpness }),
	}
	for i := range s.histogram {
		s.histogram[i] = quantile(candidates, 0.5, func(f Features) float64 { return f.Histogram[i] })
	}
	return s
}

func quantile(fs []Features, q float64, of func(Features) float64) float64 {
	if len(fs) == 0 {
		return 0
	}
	vs := make([]float64, len(fs))
	for i, f := range fs {
		vs[i] = of(f)
	}
	slices.Sort(vs)
	return vs[int(math.Ceil(q*float64(len(vs)-1)))]
}

func (s standard) fit(f Features) bool {
	switch {
	case f.Dark > maxDark, f.Bright > maxBright, f.Mean < minBrightness:
		return false
	case f.Deviation < minDeviation, f.Entropy < minEntropy:
		return false
	case f.Detail < blurShare*s.detail:
		return false
	case f.Mean < dimShare*s.mean && f.Deviation < dimShare*s.deviation:
		return false
	}
	return true
}

// score is higher for pictures that are rich, sharp and like the rest of the film. Every term is about
// 0 to 1; sharpness is capped, since noise is sharp too.
func (s standard) score(f Features, span time.Duration) float64 {
	var distance float64
	for i, p := range f.Histogram {
		distance += math.Abs(p - s.histogram[i])
	}
	score := 1.0*f.Entropy/math.Log2(histogramBins) + 0.7*ratio(f.Detail, s.detail) + 0.3*ratio(f.Deviation, s.deviation) +
		0.3*ratio(f.Mean, s.mean) - 0.4*distance/2 - 0.5*f.Dark - 0.3*f.Bright
	if f.At < span/edge || f.At > span-span/edge {
		score -= 0.3
	}
	return score
}

func ratio(v, of float64) float64 {
	if of <= 0 {
		return 0
	}
	return min(1.2, v/of)
}
