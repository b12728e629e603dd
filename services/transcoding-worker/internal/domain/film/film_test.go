package film_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/film"
)

const s = time.Second

// segment returns one that begins and lasts as said.
func segment(start, lasting time.Duration, bytes, key int64) contract.Output {
	return contract.Output{SizeBytes: bytes, Segment: &contract.Segment{Start: contract.Seconds(start), Duration: contract.Seconds(lasting), KeyBytes: key}}
}

func TestRates(t *testing.T) {
	for _, tt := range []struct {
		name   string
		pieces []film.Piece
		want   film.Rate
	}{
		{"nothing", nil, film.Rate{}},
		{"no duration", []film.Piece{{Bytes: 5}}, film.Rate{}},
		{"one segment", []film.Piece{{Bytes: 1000, Duration: 4 * s}}, film.Rate{PeakBitsPerSecond: 2000, AverageBitsPerSecond: 2000}},
		{"rounded up", []film.Piece{{Bytes: 1, Duration: 3 * s}}, film.Rate{PeakBitsPerSecond: 3, AverageBitsPerSecond: 3}},
		{"the largest of equal segments", []film.Piece{{Bytes: 1000, Duration: 4 * s}, {Bytes: 3000, Duration: 4 * s}, {Bytes: 500, Duration: 4 * s}},
			film.Rate{PeakBitsPerSecond: 6000, AverageBitsPerSecond: 3000}},
		// A second of 4 is too short to count by itself: it counts with its neighbour.
		{"a short rest counts with its neighbour", []film.Piece{{Bytes: 1000, Duration: 4 * s}, {Bytes: 1000, Duration: s}}, film.Rate{PeakBitsPerSecond: 3200, AverageBitsPerSecond: 3200}},
		{"a run of short segments counts", []film.Piece{{Bytes: 1000, Duration: 4 * s}, {Bytes: 2000, Duration: s}, {Bytes: 2000, Duration: s}},
			film.Rate{PeakBitsPerSecond: 16000, AverageBitsPerSecond: 6667}},
		{"shorter than half a second", []film.Piece{{Bytes: 100, Duration: s / 4}}, film.Rate{PeakBitsPerSecond: 3200, AverageBitsPerSecond: 3200}},
	} {
		if got := film.RateOf(tt.pieces); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	a, b := film.Rate{PeakBitsPerSecond: 5, AverageBitsPerSecond: 1}, film.Rate{PeakBitsPerSecond: 3, AverageBitsPerSecond: 2}
	if got := a.Plus(b); got != (film.Rate{PeakBitsPerSecond: 8, AverageBitsPerSecond: 3}) {
		t.Errorf("Plus = %+v", got)
	}
	if got := a.Most(b); got != (film.Rate{PeakBitsPerSecond: 5, AverageBitsPerSecond: 2}) {
		t.Errorf("Most = %+v", got)
	}
}

func TestThePeakIsNotBelowTheAverageOfEvenSegments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var pieces []film.Piece
		var bytes int64
		for _, n := range rapid.SliceOfN(rapid.Int64Range(1, 1e9), 1, 50).Draw(t, "sizes") {
			pieces = append(pieces, film.Piece{Bytes: n, Duration: 4 * s})
			bytes = max(bytes, n)
		}
		if got := film.RateOf(pieces); got.PeakBitsPerSecond != 2*bytes || got.AverageBitsPerSecond > got.PeakBitsPerSecond {
			t.Fatalf("%+v of segments of at most %d bytes", got, bytes)
		}
	})
}

func TestPieces(t *testing.T) {
	f := film.Files{Segments: []contract.Output{segment(0, 4*s, 100, 10), segment(4*s, 3*s, 200, 20), segment(8*s, 2*s, 300, 30)}}
	want := []film.Piece{{100, 4 * s}, {200, 4 * s}, {300, 2 * s}} // a gap of a second belongs to what is before it
	if got := f.Pieces(); !slices.Equal(got, want) {
		t.Errorf("Pieces = %v, want %v", got, want)
	}
	want[0].Bytes, want[1].Bytes, want[2].Bytes = 10, 20, 30
	if got := f.KeyPieces(); !slices.Equal(got, want) {
		t.Errorf("KeyPieces = %v, want %v", got, want)
	}
	f.Segments[1].Segment.KeyBytes = 0
	if got := f.KeyPieces(); got != nil {
		t.Errorf("KeyPieces = %v although one is unknown", got)
	}
	backwards := film.Files{Segments: []contract.Output{segment(4*s, 4*s, 1, 0), segment(0, 4*s, 1, 0)}}
	if got := backwards.Pieces(); got[0].Duration != 4*s {
		t.Errorf("a segment before its time lasts %v", got[0].Duration)
	}
	if got := (film.Files{Segments: []contract.Output{{}}}).Pieces(); got != nil {
		t.Errorf("a file that is no segment has the pieces %v", got)
	}
}

func TestFilm(t *testing.T) {
	f := film.Film{Folder: "vod", Plan: contract.TranscodePlan{Duration: contract.Seconds(7 * s)}}
	f.Tracks = []film.Track{{Plan: contract.TrackPlan{Kind: media.KindSubtitle, Name: "subs"}, Files: film.Files{Segments: []contract.Output{{}}}}}
	if got := f.Duration(); got != 7*s {
		t.Errorf("without segments Duration = %v", got)
	}
	f.Tracks = append(f.Tracks, film.Track{Plan: contract.TrackPlan{Kind: media.KindAudio, Name: "a", Default: true}, Files: film.Files{Segments: []contract.Output{segment(0, 9*s, 1, 0)}}})
	f.Rungs = []film.Rung{{Files: film.Files{Segments: []contract.Output{segment(0, 4*s, 1, 0), segment(4*s, 4*s, 1, 0)}}}, {}}
	if got := f.Duration(); got != 9*s {
		t.Errorf("Duration = %v, want the end of the last segment", got)
	}
	if audio := f.Of(media.KindAudio); len(audio) != 1 || audio[0].Plan.Name != "a" || film.Main(audio) != 0 || film.Main(f.Of(media.KindSubtitle)) != -1 {
		t.Errorf("the audio tracks are %+v", audio)
	}
	if got := f.Path("720p", "index.m3u8"); got != "vod/720p/index.m3u8" {
		t.Errorf("Path = %q", got)
	}
	if got := f.Relative("720p", contract.Output{Path: "vod/720p/c000/00001.m4s"}); got != "c000/00001.m4s" {
		t.Errorf("Relative = %q", got)
	}
	if got := f.Relative("720p", contract.Output{Path: "vod/480p/init.mp4"}); got != "vod/480p/init.mp4" {
		t.Errorf("Relative = %q", got)
	}
}
