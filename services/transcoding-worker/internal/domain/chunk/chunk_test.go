package chunk_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/chunk"
)

const s = time.Second

var fps25 = media.FrameRate{Num: 25, Den: 1}

// lasting returns a film at 25 frames per second.
func lasting(d time.Duration) chunk.Frames {
	return chunk.Every(fps25, 0, int64(d/(40*time.Millisecond)))
}

// lengths are the chunks' numbers of segments.
func lengths(chunks []contract.Chunk) []int {
	var all []int
	for _, c := range chunks {
		all = append(all, len(c.Cuts))
	}
	return all
}

func TestHowManySegmentsChunksHave(t *testing.T) {
	for _, tt := range []struct {
		name        string
		span        time.Duration
		segment     time.Duration
		workers     int
		chunks      int
		first       int
		least, most int // of the others
	}{
		{"a short film for one worker", 59 * s, 4 * s, 1, 1, 15, 0, 0},
		{"a short film for no worker", 59 * s, 4 * s, 0, 1, 15, 0, 0},
		{"a minute for one worker", 60 * s, 4 * s, 1, 2, 2, 13, 13},
		{"an hour for one worker", time.Hour, 4 * s, 1, 61, 2, 14, 15},
		{"too short to cut", 20 * s, 4 * s, 8, 1, 5, 0, 0},
		{"just long enough to cut", 24 * s, 4 * s, 2, 2, 2, 4, 4},
		{"half a minute for two workers", 30 * s, 4 * s, 2, 3, 2, 3, 3},
		{"two minutes for two workers", 120 * s, 4 * s, 2, 8, 2, 4, 4},
		{"ten minutes for two workers", 600 * s, 4 * s, 2, 11, 2, 14, 15},
		{"ten minutes for ten workers", 600 * s, 4 * s, 10, 38, 2, 4, 4},
		{"ten minutes for hundreds of workers", 600 * s, 4 * s, 500, 50, 2, 3, 4},
		{"long segments", 120 * s, 15 * s, 2, 3, 2, 3, 3},
		{"two days for one worker", 50 * time.Hour, 4 * s, 1, contract.MaxChunks, 2, 90, 91},
		{"two days for hundreds of workers", 50 * time.Hour, 4 * s, 500, contract.MaxChunks, 2, 90, 91},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := lengths(chunk.Plan(lasting(tt.span), tt.segment, tt.workers, nil))
			if len(got) != tt.chunks || got[0] != tt.first {
				t.Fatalf("chunks of %v segments, want %d, the first of %d", got, tt.chunks, tt.first)
			}
			for _, n := range got[1:] {
				if n < tt.least || n > tt.most {
					t.Errorf("chunks of %v segments, want %d to %d", got, tt.least, tt.most)
				}
			}
		})
	}
}

func TestSegmentsBeginAtMultiplesOfTheLength(t *testing.T) {
	ntsc := chunk.Every(media.FrameRate{Num: 30000, Den: 1001}, 3, 300)
	got := chunk.Plan(ntsc, 4*s, 1, nil)
	// From the first frame, at 100.1 ms: the first frames at or behind 4 s and 8 s are 120 and 240 frames later.
	want := []contract.Chunk{{First: 0, Frames: 300, FirstSegment: 1, End: contract.Seconds(10110100000),
		Cuts: []contract.Seconds{100100000, 100100000 + 4004000000, 100100000 + 8008000000}}}
	if len(got) != 1 || got[0].Frames != want[0].Frames || got[0].End != want[0].End || !slices.Equal(got[0].Cuts, want[0].Cuts) || got[0].Lead != 0 {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestFramesAtAnyInstants(t *testing.T) {
	for _, tt := range []struct {
		name  string
		times []time.Duration
		end   time.Duration
		cuts  []contract.Seconds
	}{
		{"one frame", []time.Duration{s}, 2 * s, []contract.Seconds{contract.Seconds(s)}},
		{"a gap makes a longer segment", []time.Duration{0, s, 13 * s, 16 * s, 18 * s}, 19 * s,
			[]contract.Seconds{0, contract.Seconds(13 * s), contract.Seconds(16 * s)}},
		{"a short rest belongs to the last segment", []time.Duration{0, 2 * s, 4 * s, 5 * s, 8 * s}, 9900 * time.Millisecond,
			[]contract.Seconds{0, contract.Seconds(4 * s)}},
		{"a long rest is a segment", []time.Duration{0, 2 * s, 4 * s, 5 * s, 8 * s}, 10 * s,
			[]contract.Seconds{0, contract.Seconds(4 * s), contract.Seconds(8 * s)}},
		{"frames of one instant stay together", []time.Duration{0, 4 * s, 4 * s, 4 * s, 8 * s}, 12 * s,
			[]contract.Seconds{0, contract.Seconds(4 * s), contract.Seconds(8 * s)}},
		{"a beginning before the origin", []time.Duration{-s, 2 * s, 3 * s}, 7 * s, []contract.Seconds{contract.Seconds(-s), contract.Seconds(3 * s)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := chunk.At(tt.times, tt.end)
			if err != nil {
				t.Fatal(err)
			}
			got := chunk.Plan(f, 4*s, 1, nil)
			if len(got) != 1 || !slices.Equal(got[0].Cuts, tt.cuts) || got[0].End.Duration() != tt.end || got[0].Frames != int64(len(tt.times)) {
				t.Errorf("got %+v, want cuts %v", got, tt.cuts)
			}
		})
	}
}

func TestFramesThatAreNone(t *testing.T) {
	for name, times := range map[string][]time.Duration{
		"back in time": {0, 2 * s, s}, "at the end": {0, 3 * s}, "behind the end": {4 * s},
	} {
		if _, err := chunk.At(times, 3*s); !errors.Is(err, chunk.ErrOrder) {
			t.Errorf("%s: %v", name, err)
		}
	}
	empty, err := chunk.At(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []chunk.Frames{{}, empty, chunk.Every(media.FrameRate{}, 0, 5), chunk.Every(fps25, 0, -1), chunk.Every(fps25, 7, 0)} {
		if f.Count() != 0 || f.Start() != 0 || f.End() != 0 || chunk.Plan(f, s, 4, nil) != nil {
			t.Errorf("%+v has frames", f)
		}
	}
	if got := chunk.Plan(lasting(100*s), 0, 4, nil); len(got) != 1 || len(got[0].Cuts) != 1 {
		t.Errorf("segments without a length: %+v", got)
	}
}

// instants draws frames of any rhythm.
func instants(t *rapid.T) ([]time.Duration, time.Duration) {
	times := []time.Duration{time.Duration(rapid.Int64Range(0, int64(10*s)).Draw(t, "start"))}
	usual := time.Duration(rapid.Int64Range(1, int64(2*s)).Draw(t, "usual"))
	for range rapid.IntRange(0, 400).Draw(t, "frames") {
		step := usual
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			step = 0
		case 1:
			step = time.Duration(rapid.Int64Range(0, int64(30*s)).Draw(t, "gap"))
		}
		times = append(times, times[len(times)-1]+step)
	}
	return times, times[len(times)-1] + time.Duration(rapid.Int64Range(1, int64(5*s)).Draw(t, "last"))
}

// TestPlans checks what holds for every plan.
func TestPlans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times, end := instants(t)
		f, err := chunk.At(times, end)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "constant") {
			rate := media.FrameRate{Num: rapid.IntRange(1, 120000).Draw(t, "num"), Den: 1001}
			first, n := rapid.Int64Range(0, 100).Draw(t, "first"), rapid.Int64Range(1, 5000).Draw(t, "n")
			f, times = chunk.Every(rate, first, n), nil
			for i := range n {
				times = append(times, rate.Instant(first+i))
			}
			end = rate.Instant(first + n)
		}
		segment := time.Duration(rapid.Int64Range(int64(s), int64(15*s)).Draw(t, "segment"))
		workers := rapid.IntRange(0, 100).Draw(t, "workers")
		keyframes := drawKeyframes(t, times)
		chunks, equal := chunk.Plan(f, segment, workers, keyframes), chunk.Plan(f, segment, workers, nil)
		if len(chunks) == 0 || len(chunks) > contract.MaxChunks || f.Start() != times[0] || f.End() != end {
			t.Fatalf("%d chunks", len(chunks))
		}
		checkCover(t, chunks, times, end)
		checkSegments(t, chunks, times, segment)
		checkLengths(t, chunks, end-times[0], workers)
		checkMoves(t, chunks, equal, times, keyframes)
	})
}

// drawKeyframes draws which frames are keyframes, none at all among others.
func drawKeyframes(t *rapid.T, times []time.Duration) []time.Duration {
	var keyframes []time.Duration
	gap := rapid.IntRange(0, 100).Draw(t, "keyframe gap")
	for i := 0; gap > 0 && i < len(times); i += rapid.IntRange(1, gap).Draw(t, "keyframe") {
		keyframes = append(keyframes, times[i])
	}
	return keyframes
}

// checkMoves: chunks are about as long as without keyframes, and no more is decoded twice.
func checkMoves(t *rapid.T, chunks, equal []contract.Chunk, times, keyframes []time.Duration) {
	if len(chunks) != len(equal) {
		t.Fatalf("%d chunks, without keyframes %d", len(chunks), len(equal))
	}
	if len(chunks) < 2 {
		return
	}
	most := slices.Max(lengths(equal)[1:])
	for i, n := range lengths(chunks) {
		if i > 0 && n > most+max(1, most/4) {
			t.Fatalf("chunk %d has %d segments, the longest has %d without keyframes", i, n, most)
		}
	}
	if got, want := twice(chunks, times, keyframes), twice(equal, times, keyframes); got > want {
		t.Fatalf("%v are decoded twice, without looking at keyframes %v", got, want)
	}
}

// twice returns how much of a film is decoded twice: before each chunk from the last keyframe that lies five frames
// before it, or from the beginning.
func twice(chunks []contract.Chunk, times, keyframes []time.Duration) (sum time.Duration) {
	for _, c := range chunks[1:] {
		from := times[0]
		for _, k := range keyframes {
			if k <= times[max(0, c.First-5)] {
				from = max(from, k)
			}
		}
		sum += times[c.First] - from
	}
	return sum
}

func TestChunksBeginBehindKeyframes(t *testing.T) {
	var rare, regular []time.Duration // keyframes of a real film that was looped, and every two seconds
	for _, loop := range []time.Duration{0, 30 * s, 60 * s, 90 * s} {
		for _, at := range []time.Duration{0, 10400 * time.Millisecond, 11880 * time.Millisecond, 15760 * time.Millisecond, 23040 * time.Millisecond} {
			rare = append(rare, loop+at)
		}
	}
	for at := time.Duration(0); at < 120*s; at += 2 * s {
		regular = append(regular, at)
	}
	for _, tt := range []struct {
		name      string
		keyframes []time.Duration
		segments  []int
		twice     time.Duration
	}{
		{"rare", rare, []int{3, 3, 5, 3, 5, 4, 3, 4}, 12 * s}, // 31 s in equal chunks
		{"every two seconds", regular, []int{2, 4, 4, 4, 4, 4, 4, 4}, 14 * s},
		{"one at the beginning", rare[:1], []int{2, 3, 4, 4, 4, 4, 4, 5}, 0},
		{"none", nil, []int{2, 4, 4, 4, 4, 4, 4, 4}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := lasting(120 * s)
			chunks := chunk.Plan(f, 4*s, 2, tt.keyframes)
			if got := lengths(chunks); !slices.Equal(got, tt.segments) {
				t.Errorf("chunks of %v segments, want %v", got, tt.segments)
			}
			var times []time.Duration
			for at := time.Duration(0); at < 120*s; at += 40 * time.Millisecond {
				times = append(times, at)
			}
			if got := twice(chunks, times, tt.keyframes); tt.twice > 0 && got > tt.twice {
				t.Errorf("%v are decoded twice, want at most %v", got, tt.twice)
			}
		})
	}
}

// checkCover: every frame is in one chunk, and the chunks follow each other.
func checkCover(t *rapid.T, chunks []contract.Chunk, times []time.Duration, end time.Duration) {
	next, number := int64(0), 1
	for i, c := range chunks {
		if c.First != next || c.Frames < 1 || c.FirstSegment != number || c.Cuts[0].Duration() != times[c.First] {
			t.Fatalf("chunk %d is %+v, want it to begin with frame %d and segment %d", i, c, next, number)
		}
		next, number = next+c.Frames, number+len(c.Cuts)
		want := end
		if next < int64(len(times)) {
			want = times[next]
		}
		if c.End.Duration() != want {
			t.Fatalf("chunk %d ends at %v, want %v", i, c.End.Duration(), want)
		}
		lead := time.Duration(0)
		if c.First > 0 {
			lead = times[c.First] - times[c.First-1]
		}
		if c.Lead.Duration() != lead || i > 0 && lead == 0 {
			t.Fatalf("chunk %d has a lead of %v, want %v", i, c.Lead.Duration(), lead)
		}
	}
	if next != int64(len(times)) {
		t.Fatalf("%d of %d frames are in chunks", next, len(times))
	}
}

// checkSegments: cuts ascend, and a segment is no longer than it has to be.
func checkSegments(t *rapid.T, chunks []contract.Chunk, times []time.Duration, segment time.Duration) {
	var cuts []time.Duration
	for _, c := range chunks {
		for _, at := range c.Cuts {
			cuts = append(cuts, at.Duration())
		}
	}
	for i := 1; i < len(cuts); i++ {
		if cuts[i] <= cuts[i-1] {
			t.Fatalf("cut %d at %v does not follow %v", i, cuts[i], cuts[i-1])
		}
		// The frame before the cut lies in the span of a segment from the last cut on.
		n, ok := slices.BinarySearch(times, cuts[i])
		if !ok || times[n-1]-cuts[i-1] >= segment {
			t.Fatalf("the segment from %v to %v could end at %v", cuts[i-1], cuts[i], times[n-1])
		}
	}
}

func checkLengths(t *rapid.T, chunks []contract.Chunk, span time.Duration, workers int) {
	if len(chunks) == 1 {
		return
	}
	if workers < 2 && span < time.Minute {
		t.Fatalf("%d chunks of %v for one worker", len(chunks), span)
	}
	for i, c := range chunks {
		if n := len(c.Cuts); i == 0 && n != 2 && n != 3 || i > 0 && n < 3 {
			t.Fatalf("chunk %d has %d segments", i, n)
		}
	}
}

func TestJoinedChunksAreOne(t *testing.T) {
	frames := chunk.Every(media.FrameRate{Num: 25, Den: 1}, 0, 25*60)
	chunks := chunk.Plan(frames, 4*time.Second, 2, nil)
	one := chunk.Join(chunks)
	cuts := 0
	for _, c := range chunks {
		cuts += len(c.Cuts)
	}
	if len(chunks) < 3 || len(one) != 1 || one[0].First != 0 || one[0].Frames != 25*60 || len(one[0].Cuts) != cuts || one[0].End.Duration() != time.Minute {
		t.Errorf("Join of %d chunks = %+v", len(chunks), one)
	}
	if len(chunks[0].Cuts) == cuts {
		t.Error("the first of the chunks was changed")
	}
	if got := chunk.Join(nil); got != nil {
		t.Errorf("Join of none = %v", got)
	}
}
