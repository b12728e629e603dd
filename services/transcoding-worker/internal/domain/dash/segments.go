package dash

import (
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/film"
)

// fileName is what the names of segments look like where a template can express them, in fmt's and in
// DASH's notation.
const (
	fileName     = "%05d.m4s"
	fileTemplate = "$Number%05d$.m4s"
)

// segmented returns the representation of a rendition in segments, by a clock of that many ticks a second.
func segmented(f film.Film, folder string, files film.Files, clock int64) representation {
	rep := representation{ID: folder, Codecs: files.Codecs, BitsPerSecond: film.RateOf(files.Pieces()).PeakBitsPerSecond, BaseURL: folder + "/"}
	init := f.Relative(folder, files.Init)
	t := timeline(files, clock)
	if first, ok := numbered(f, folder, files); ok {
		rep.Template = &segmentTemplate{Clock: clock, Initialization: init, Media: fileTemplate, StartNumber: first, Timeline: repeated(t)}
		return rep
	}
	rep.List = &segmentList{Clock: clock, Initialization: source{URL: init}, Timeline: t}
	for _, o := range files.Segments {
		rep.List.URLs = append(rep.List.URLs, segmentURL{Media: f.Relative(folder, o)})
	}
	return rep
}

// numbered reports whether the names of segments follow the template without a gap, and the first number.
func numbered(f film.Film, folder string, files film.Files) (first int, ok bool) {
	for i, o := range files.Segments {
		if i == 0 {
			first = o.Segment.Number
		}
		if o.Segment.Number != first+i || f.Relative(folder, o) != fmt.Sprintf(fileName, o.Segment.Number) {
			return 0, false
		}
	}
	return first, len(files.Segments) > 0
}

// timeline returns an entry for each segment. What an entry begins with is said only where it is not the end of
// the one before. Instants are rounded, not spans, so rounding does not add up.
func timeline(files film.Files, clock int64) []entry {
	var all []entry
	end := int64(-1)
	for _, o := range files.Segments {
		from := ticks(o.Segment.Start.Duration(), clock)
		to := ticks((o.Segment.Start + o.Segment.Duration).Duration(), clock)
		e := entry{Duration: to - from}
		if from != end {
			e.Start = &from
		}
		all, end = append(all, e), to
	}
	return all
}

// repeated joins equal entries that follow each other. In a list of files each entry has to stand by itself: dash.js
// (5.2) counts entries there, not their repetitions.
func repeated(all []entry) []entry {
	var short []entry
	for _, e := range all {
		if n := len(short); n > 0 && e.Start == nil && e.Duration == short[n-1].Duration {
			short[n-1].Repeat++
			continue
		}
		short = append(short, e)
	}
	return short
}

// ticks returns the nearest whole number of ticks; instants before the beginning are 0.
func ticks(d time.Duration, clock int64) int64 {
	hi, lo := bits.Mul64(uint64(max(0, d)), uint64(clock))
	lo, carry := bits.Add64(lo, uint64(time.Second/2), 0)
	n, _ := bits.Div64(hi+carry, lo, uint64(time.Second))
	return int64(n)
}

// spanText returns a span as XML Schema writes it, exact.
func spanText(d time.Duration) string {
	d = max(0, d)
	s := fmt.Sprintf("%d.%09d", d/time.Second, d%time.Second)
	return "PT" + strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "S"
}
