package chunk

import (
	"slices"
	"time"
)

const (
	// play is the part of a chunk, one in so many, by which its ends may move.
	play = 4
	// unseen is how many frames before a chunk's first a keyframe has to lie for decoding to begin with it: closer
	// ones may be shown after frames that are decoded later.
	unseen = 5
)

// settle moves the boundaries between chunks of so many segments to where the least is decoded twice: to decode the first
// frame of a chunk, everything from the keyframe before it is decoded as well, which in films with rare keyframes
// is a tenth of the work. waste returns how long that is for a chunk that begins with a segment.
//
// The number of chunks stays. The first has at most one segment more, the others at least fewest, and at most a quarter
// more than the longest has. Of boundaries that waste the same those that move least are taken.
func settle(sizes []int, waste func(segment int) time.Duration) []int {
	if len(sizes) < 2 {
		return sizes
	}
	most := slices.Max(sizes[1:])
	shift := max(1, most/play)
	// way is the best way to a boundary: what it wastes, and the boundary before it.
	type way struct {
		cost time.Duration
		from int
	}
	ways := []map[int]way{{0: {}}}
	nominal := 0
	for i, n := range sizes {
		nominal += n
		reach := map[int]way{}
		low, high := nominal-shift, nominal+shift
		switch i {
		case 0:
			low, high = nominal, nominal+1
		case len(sizes) - 1:
			low, high = nominal, nominal // the end of the film
		}
		for at := low; at <= high; at++ {
			cost := time.Duration(max(at-nominal, nominal-at)) // a nanosecond decides between equals
			if i < len(sizes)-1 {
				cost += waste(at)
			}
			for from, w := range ways[i] {
				if size := at - from; i > 0 && (size < fewest || size > most+shift) {
					continue
				}
				best, ok := reach[at]
				if c := w.cost + cost; !ok || c < best.cost || c == best.cost && from < best.from {
					reach[at] = way{c, from}
				}
			}
		}
		ways = append(ways, reach)
	}
	moved := make([]int, len(sizes))
	for i, at := len(sizes), nominal; i > 0; i-- {
		from := ways[i][at].from
		moved[i-1], at = at-from, from
	}
	return moved
}

// decodedTwice returns how long the part of the source is that is decoded only to get at a chunk that begins with a segment:
// from the last of the keyframes that serves. Where no keyframes are known it is 0.
func decodedTwice(f Frames, cuts []int64, keyframes []time.Duration) func(segment int) time.Duration {
	return func(segment int) time.Duration {
		if len(keyframes) == 0 {
			return 0
		}
		first := cuts[segment]
		behind, found := slices.BinarySearch(keyframes, f.at(max(0, first-unseen)))
		if found {
			behind++
		}
		if behind == 0 {
			return f.at(first) - f.Start()
		}
		return max(0, f.at(first)-keyframes[behind-1])
	}
}
