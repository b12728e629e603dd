// Package chunk decides where a film is cut: into segments, which players fetch, and into chunks of whole
// segments, which workers encode by themselves. It plans on the numbers and instants of frames, never on
// durations that a header declares, so every frame belongs to exactly one chunk, at constant and at variable
// rates alike.
//
// Only pictures are cut. Sound is encoded as a whole: cut into chunks it would grow by an encoder's lead-in
// at each.
package chunk

import (
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

const (
	// fewest is how many segments a chunk has at least, but for the first: decoding up to its first frame
	// costs less than a tenth of the work then.
	fewest = 3
	// ahead is how many segments the first chunk has, so that a film can be watched from its beginning
	// while the rest is encoded.
	ahead = 2
	// longest bounds what is lost with a worker, and what a film has to last to be cut for a single one.
	longest = time.Minute
	// rounds is into how many chunks for each worker a film is cut: where some take longer than others,
	// workers that are done early have something left to do.
	rounds = 4
)

// Plan cuts a film into segments of about that length, and those into chunks for so many workers. keyframes are the
// instants of the source's keyframes from the film's origin, ascending; there may be none.
//
// A segment begins with the first frame at or behind each multiple of the length, counted from the first
// frame: where frames are rare it is longer. A rest shorter than half the length belongs to the last segment.
// A segment begins with a frame that is shown later than the one before it.
//
// Chunks last a quarter of a worker's share of the film, but three segments at least and a minute at most; for
// a single worker they last a minute. There are at most contract.MaxChunks. All are equally long as far as
// whole segments allow, but for the first, which is short; then their ends move by a quarter of that at most, to
// where the source has a keyframe just before. There is one chunk where the film has fewer than six
// segments, or is shorter than a minute and there is one worker. Without frames there is none; with a length of
// 0 or less there is a single segment.
func Plan(f Frames, segment time.Duration, workers int, keyframes []time.Duration) []contract.Chunk {
	if f.count == 0 {
		return nil
	}
	cuts := segments(f, segment)
	var chunks []contract.Chunk
	first := 0
	equal := sizes(len(cuts), f.End()-f.Start(), segment, max(1, workers))
	for _, n := range settle(equal, decodedTwice(f, cuts, keyframes)) {
		chunks = append(chunks, chunk(f, cuts, first, n))
		first += n
	}
	return chunks
}

// segments returns the numbers of the frames that segments begin with.
func segments(f Frames, length time.Duration) []int64 {
	cuts := []int64{0}
	if length <= 0 {
		return cuts
	}
	start, next := f.at(0), length
	for i := int64(1); i < f.count; i++ {
		if at := f.at(i); at-start >= next && at > f.at(i-1) {
			cuts = append(cuts, i)
			next = (at-start)/length*length + length
		}
	}
	if n := len(cuts); n > 1 && f.end-f.at(cuts[n-1]) < length/2 {
		cuts = cuts[:n-1]
	}
	return cuts
}

// sizes returns how many segments each chunk has where all are as equal as can be.
func sizes(segments int, span, segment time.Duration, workers int) []int {
	if segments < 2*fewest || workers < 2 && span < longest {
		return []int{segments}
	}
	length := longest
	if workers > 1 {
		length = min(length, span/time.Duration(rounds*workers))
	}
	size := max(fewest, int((length+segment/2)/segment))
	rest := segments - ahead
	n := (rest + size - 1) / size
	n = max(1, min(n, rest/fewest, contract.MaxChunks-1))
	all := []int{ahead}
	for i := range n {
		all = append(all, rest*(i+1)/n-rest*i/n)
	}
	return all
}

// chunk returns the chunk of n segments from number first of cuts on.
func chunk(f Frames, cuts []int64, first, n int) contract.Chunk {
	c := contract.Chunk{First: cuts[first], FirstSegment: first + 1}
	for _, i := range cuts[first : first+n] {
		c.Cuts = append(c.Cuts, contract.Seconds(f.at(i)))
	}
	behind := f.count
	if first+n < len(cuts) {
		behind = cuts[first+n]
	}
	c.Frames, c.End = behind-c.First, contract.Seconds(f.at(behind))
	if c.First > 0 {
		c.Lead = contract.Seconds(f.at(c.First) - f.at(c.First-1))
	}
	return c
}

// Join returns chunks that follow each other as one: for films that cannot be cut.
func Join(chunks []contract.Chunk) []contract.Chunk {
	if len(chunks) == 0 {
		return nil
	}
	one := chunks[0]
	one.Cuts = slices.Clone(one.Cuts)
	for _, c := range chunks[1:] {
		one.Frames += c.Frames
		one.Cuts = append(one.Cuts, c.Cuts...)
		one.End = c.End
	}
	return []contract.Chunk{one}
}
