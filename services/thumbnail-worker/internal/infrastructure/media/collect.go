package media

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/application/generate"
)

// yield is what a reading wrote for one set: the times of the frames, ascending, with the files'
// common beginning.
type yield struct {
	prefix  string
	times   []time.Duration
	formats []generate.Format
}

// collect finds the files with that prefix in dir. Only frames that have a file in every format count.
func collect(dir, prefix string, formats []generate.Format) (yield, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return yield{}, fmt.Errorf("list the pictures: %w", err)
	}
	count := map[time.Duration]int{}
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(rest, filepath.Ext(rest)), 10, 64)
		if err != nil {
			return yield{}, fmt.Errorf("a picture has no time in its name: %w", err)
		}
		count[time.Duration(n)*tick]++
	}
	y := yield{prefix: filepath.Join(dir, prefix), formats: formats}
	for at, n := range count {
		if n == len(formats) {
			y.times = append(y.times, at)
		}
	}
	slices.Sort(y.times)
	return y, nil
}

// first returns the first frame at or after the instant.
func (y yield) first(from time.Duration) (at time.Duration, ok bool) {
	i, _ := slices.BinarySearch(y.times, from-tick)
	if i == len(y.times) {
		return 0, false
	}
	return y.times[i], true
}

// shown returns the frame that is shown at the instant: the last that does not begin after it, or else
// the first of all.
func (y yield) shown(at time.Duration) (begin time.Duration, ok bool) {
	if len(y.times) == 0 {
		return 0, false
	}
	i, _ := slices.BinarySearch(y.times, at+tick+1)
	return y.times[max(0, i-1)], true
}

// frame returns the frame that begins at the instant.
func (y yield) frame(at time.Duration) generate.Frame {
	f := generate.Frame{At: at}
	for _, format := range y.formats {
		f.Files = append(f.Files, fmt.Sprintf("%s%012d%s", y.prefix, at/tick, extension(format)))
	}
	return f
}
