package media

import (
	"maps"
	"slices"
	"time"

	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/timeline"
)

const (
	// maxInputs bounds how often one process opens the source.
	maxInputs = 16
	// maxSeeks bounds the seeks of one extraction; beyond, everything is decoded in one go.
	maxSeeks = 64
	// seekCost is what a seek to a keyframe costs, in keyframes of a pass that decodes keyframes only:
	// opening the file again, and the frames that the decoder wants before it gives out the first.
	seekCost = 5
)

// shot is one wanted frame on its way through the schedule.
type shot struct {
	set, pick int
	// key says that a keyframe is wanted.
	key bool
	// want is the instant at which the wanted frame begins, as well as it is known; from is where the
	// search for it begins: the first frame at or after it is the one.
	want, from time.Duration
	// slack is how much later than wanted the frame may begin.
	slack time.Duration
}

// reading is one opening of the source with what is taken from it.
type reading struct {
	// from is the keyframe to seek to; 0 is the beginning.
	from          time.Duration
	keyframesOnly bool
	// whole says that the reading is of one picture, whatever its time.
	whole bool
	// cut says that the source ends with what is needed last.
	cut   bool
	shots []shot
}

// until returns the last instant that is needed.
func (r reading) until() time.Duration {
	var last time.Duration
	for _, s := range r.shots {
		last = max(last, s.want, s.from)
	}
	return last
}

// thresholds returns for every set that takes part where its searches begin, ascending, each once.
func (r reading) thresholds() map[int][]time.Duration {
	m := map[int][]time.Duration{}
	for _, s := range r.shots {
		m[s.set] = append(m[s.set], s.from)
	}
	for set, ts := range m {
		slices.Sort(ts)
		m[set] = slices.Compact(ts)
	}
	return m
}

// sets returns the sets that take part, ascending.
func (r reading) sets() []int { return slices.Sorted(maps.Keys(r.thresholds())) }

// schedule returns the runs, each a list of readings, that yield all shots at the least cost in decoded
// frames. Where the source cannot be seeked in exactly, there are no seeks. It is pure.
func schedule(shots []shot, t timeline.Timeline, seekable bool) [][]reading {
	var keys, others []shot
	for _, s := range shots {
		if s.key {
			keys = append(keys, s)
		} else {
			others = append(others, s)
		}
	}
	keyframes := t.Keyframes()
	groups := byKeyframe(others, keyframes)
	if len(others) > 0 && (!seekable || len(groups) > maxSeeks || decoded(groups) > (reading{shots: others}).until()*3/4) {
		// One decode of everything serves the keyframes too.
		return [][]reading{{{shots: shots}}}
	}
	var all []reading
	if len(keys) > 0 {
		all = keyReadings(keys, keyframes, seekable)
	}
	all = append(all, groups...)
	var runs [][]reading
	for chunk := range slices.Chunk(all, maxInputs) {
		runs = append(runs, chunk)
	}
	return runs
}

// byKeyframe groups shots by the keyframe that their decoding begins at.
func byKeyframe(shots []shot, keyframes []time.Duration) []reading {
	m := map[time.Duration][]shot{}
	for _, s := range shots {
		m[floor(keyframes, s.want)] = append(m[floor(keyframes, s.want)], s)
	}
	var groups []reading
	for _, from := range slices.Sorted(maps.Keys(m)) {
		groups = append(groups, reading{from: from, shots: m[from]})
	}
	return groups
}

// floor returns the last of the ascending instants that is not after at, 0 where there is none.
func floor(instants []time.Duration, at time.Duration) time.Duration {
	i, exact := slices.BinarySearch(instants, at)
	if exact {
		return at
	}
	if i == 0 {
		return 0
	}
	return instants[i-1]
}

// decoded returns how much film is decoded for the groups, opening the file included.
func decoded(groups []reading) time.Duration {
	const opening = 250 * time.Millisecond // what is decoded in the time that opening takes
	var d time.Duration
	for _, g := range groups {
		d += g.until() - g.from + opening
	}
	return d
}

// keyReadings returns the readings of keyframes: one pass, or seeks where these are few.
func keyReadings(keys []shot, keyframes []time.Duration, seekable bool) []reading {
	pass := reading{keyframesOnly: true, shots: keys}
	seeks := byKeyframe(keys, keyframes)
	until := pass.until()
	passed := 0
	for passed < len(keyframes) && keyframes[passed] <= until {
		passed++
	}
	if !seekable || len(seeks) > maxSeeks || len(seeks)*seekCost > passed {
		return []reading{pass}
	}
	return seeks
}
