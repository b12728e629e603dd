package storyboard_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/storyboard"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/timeline"
)

const s = time.Second

func every(step, span time.Duration) []time.Duration {
	var all []time.Duration
	for at := time.Duration(0); at < span; at += step {
		all = append(all, at)
	}
	return all
}

func spec() storyboard.Spec {
	return storyboard.Spec{MaxTiles: 100, TileWidth: 160, Columns: 10, Rows: 10}
}

var hd = media.Resolution{Width: 1920, Height: 1080}

func TestHowTheFilmIsCut(t *testing.T) {
	tests := []struct {
		name     string
		span     time.Duration
		interval time.Duration
		most     int
		cues     int
		last     time.Duration
	}{
		{"into as many as allowed", 600 * s, 0, 100, 100, 6 * s},
		{"into seconds where it is short", 7500 * time.Millisecond, 0, 100, 7, 1071428572},
		{"shorter than a second", 40 * time.Millisecond, 0, 100, 1, 40 * time.Millisecond},
		{"no duration at all", 0, 0, 100, 1, 0},
		{"by the interval, with a rest", 25 * s, 10 * s, 100, 3, 5 * s},
		{"by the interval, without a rest", 30 * s, 10 * s, 100, 3, 10 * s},
		{"an interval longer than the film", 3 * s, 10 * s, 100, 1, 3 * s},
		{"an interval too short for the limit", 100 * s, s, 10, 10, 10 * s},
		{"a single tile", 100 * s, 0, 1, 1, 100 * s},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sp := spec()
			sp.Interval, sp.MaxTiles = tt.interval, tt.most
			cues := storyboard.New(sp, timeline.New(tt.span, 0, nil), hd).Cues()
			if len(cues) != tt.cues {
				t.Fatalf("%d cues, want %d", len(cues), tt.cues)
			}
			if last := cues[len(cues)-1]; last.End-last.Start != tt.last {
				t.Errorf("the last cue lasts %v, want %v", last.End-last.Start, tt.last)
			}
		})
	}
}

func TestACueShowsTheKeyframeNearestToItsMiddle(t *testing.T) {
	sp := spec()
	sp.Interval = 10 * s
	early := func(at time.Duration) timeline.Pick {
		return timeline.Pick{At: at, Slack: 8750*time.Millisecond - 2*time.Millisecond}
	}
	key := func(at time.Duration) timeline.Pick { return timeline.Pick{At: at, Keyframe: true} }
	tests := []struct {
		name      string
		keyframes []time.Duration
		want      []timeline.Pick
	}{
		{"some cues hold keyframes", []time.Duration{0, 4 * s, 6500 * time.Millisecond, 12 * s},
			[]timeline.Pick{key(4 * s), key(12 * s), early(21250 * time.Millisecond), early(31250 * time.Millisecond)}},
		{"every cue begins with one", []time.Duration{0, 10 * s, 20 * s, 30 * s}, []timeline.Pick{key(0), key(10 * s), key(20 * s), key(30 * s)}},
		{"what begins at the end of a cue is not in it", []time.Duration{0, 20 * s},
			[]timeline.Pick{key(0), early(11250 * time.Millisecond), key(20 * s), early(31250 * time.Millisecond)}},
		{"a single cue without one borrows that of the next", []time.Duration{0, 20 * s, 30 * s}, []timeline.Pick{key(0), key(20 * s), key(20 * s), key(30 * s)}},
		{"one that is just late to be borrowed", []time.Duration{0, 20*s + 150*time.Millisecond, 30 * s}, []timeline.Pick{key(0), key(20*s + 150*time.Millisecond), key(20*s + 150*time.Millisecond), key(30 * s)}},
		{"a single cue without one, and none to borrow", []time.Duration{0, 22 * s, 30 * s}, []timeline.Pick{key(0), early(11250 * time.Millisecond), key(22 * s), key(30 * s)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cues := storyboard.New(sp, timeline.New(40*s, 40*time.Millisecond, tt.keyframes), hd).Cues()
			for i, c := range cues {
				if c.Pick != tt.want[i] {
					t.Errorf("cue %d picks %+v, want %+v", i, c.Pick, tt.want[i])
				}
				if !c.Shows(c.Pick.At) || c.Borrows != (c.Pick.At == c.End) {
					t.Errorf("cue %d from %v to %v shows %v, borrowed %v", i, c.Start, c.End, c.Pick.At, c.Borrows)
				}
			}
		})
	}
}

func TestABoundaryMovesBackToAKeyframe(t *testing.T) {
	sp := spec()
	sp.Interval = 10 * s
	const off = 100 * time.Millisecond
	tests := []struct {
		name      string
		keyframes []time.Duration
		boundary  time.Duration // between the second cue and the third
		second    time.Duration // the second cue's keyframe, 0 for none
		third     time.Duration
	}{
		{"that the cue behind lacks", []time.Duration{20*s - off}, 20*s - off, 0, 20*s - off},
		{"that would show the next scene", []time.Duration{20*s - off, 24 * s}, 20*s - off, 0, 24 * s},
		{"though the cue before holds another", []time.Duration{14 * s, 20*s - off}, 20*s - off, 14 * s, 20*s - off},
		{"that both begin with", []time.Duration{10 * s, 20*s - off}, 20*s - off, 10 * s, 20*s - off},
		{"but not where neither cue needs it", []time.Duration{14 * s, 20*s - off, 24 * s}, 20 * s, 14 * s, 24 * s},
		{"but not that far", []time.Duration{20*s - 3*off}, 20 * s, 20*s - 3*off, 0},
		{"and never onward", []time.Duration{20*s + off}, 20 * s, 0, 20*s + off},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cues := storyboard.New(sp, timeline.New(40*s, 0, append(tt.keyframes, 0)), hd).Cues()
			if cues[1].End != tt.boundary || cues[2].Start != tt.boundary {
				t.Errorf("the boundary is at %v and %v, want %v", cues[1].End, cues[2].Start, tt.boundary)
			}
			for i, want := range map[int]time.Duration{1: tt.second, 2: tt.third} {
				if p := cues[i].Pick; p.Keyframe != (want != 0) || p.Keyframe && p.At != want {
					t.Errorf("cue %d picks %+v, want the keyframe %v", i, p, want)
				}
			}
		})
	}
}

func TestSheets(t *testing.T) {
	sp := spec()
	sp.Interval, sp.MaxTiles, sp.Columns, sp.Rows = s, 1000, 5, 4
	tests := []struct {
		cues int
		last media.Resolution
		n    int
	}{
		{1, media.Resolution{Width: 160, Height: 90}, 1},
		{3, media.Resolution{Width: 480, Height: 90}, 1},
		{5, media.Resolution{Width: 800, Height: 90}, 1},
		{6, media.Resolution{Width: 800, Height: 180}, 1},
		{20, media.Resolution{Width: 800, Height: 360}, 1},
		{21, media.Resolution{Width: 160, Height: 90}, 2},
		{47, media.Resolution{Width: 800, Height: 180}, 3},
	}
	for _, tt := range tests {
		sheets := storyboard.New(sp, timeline.New(time.Duration(tt.cues)*s, 0, nil), hd).Sheets()
		if len(sheets) != tt.n || sheets[len(sheets)-1].Size != tt.last {
			t.Errorf("%d cues make %d sheets, the last of %v, want %d and %v", tt.cues, len(sheets), sheets[len(sheets)-1].Size, tt.n, tt.last)
		}
	}
}

func TestTilesHaveTheShapeOfTheFilm(t *testing.T) {
	tests := []struct{ display, want media.Resolution }{
		{hd, media.Resolution{Width: 160, Height: 90}},
		{media.Resolution{Width: 1080, Height: 1920}, media.Resolution{Width: 160, Height: 284}},
		{media.Resolution{Width: 101, Height: 75}, media.Resolution{Width: 100, Height: 74}},
		{media.Resolution{Width: 2000, Height: 16}, media.Resolution{Width: 160, Height: 2}},
		{media.Resolution{Width: 160, Height: 2000}, media.Resolution{Width: 50, Height: 638}},
		{media.Resolution{Width: 1, Height: 1}, media.Resolution{Width: 2, Height: 2}},
	}
	for _, tt := range tests {
		if got := storyboard.New(spec(), timeline.New(s, 0, nil), tt.display).Tile(); got != tt.want {
			t.Errorf("a tile of %v is %v, want %v", tt.display, got, tt.want)
		}
	}
}

func TestWebVTT(t *testing.T) {
	sp := storyboard.Spec{Interval: 4000*s + 1500*time.Microsecond, MaxTiles: 10, TileWidth: 160, Columns: 2, Rows: 1}
	b := storyboard.New(sp, timeline.New(9000*s, 0, nil), hd)
	want := `WEBVTT

00:00:00.000 --> 01:06:40.001
storyboard-001.jpg#xywh=0,0,160,90

01:06:40.001 --> 02:13:20.003
storyboard-001.jpg#xywh=160,0,160,90

02:13:20.003 --> 02:30:00.000
storyboard-002.jpg#xywh=0,0,160,90
`
	if got := b.WebVTT([]string{"storyboard-001.jpg", "storyboard-002.jpg"}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := storyboard.New(spec(), timeline.Timeline{}, hd).WebVTT([]string{"x"}); !strings.Contains(got, "00:00:00.000 --> 00:00:00.001") {
		t.Errorf("a film without duration has\n%s", got)
	}
}

// TestBoards checks what holds for every board.
func TestBoards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, "span"))
		if rapid.Bool().Draw(t, "short") {
			span %= 10 * s
		}
		frame := time.Duration(rapid.Int64Range(0, int64(2*s)).Draw(t, "frame"))
		keyframes := rapid.SliceOfN(rapid.Map(rapid.Int64Range(0, int64(span)), func(n int64) time.Duration { return time.Duration(n) }), 0, 50).Draw(t, "keyframes")
		if rapid.Bool().Draw(t, "regular") {
			keyframes = every(max(span/97, 1), span)
		}
		sp := storyboard.Spec{
			Interval: time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "interval")), MaxTiles: rapid.IntRange(1, 1000).Draw(t, "most"),
			TileWidth: rapid.IntRange(16, 640).Draw(t, "width"), Columns: rapid.IntRange(1, 25).Draw(t, "columns"), Rows: rapid.IntRange(1, 50).Draw(t, "rows"),
		}
		display := media.Resolution{Width: rapid.IntRange(1, 8000).Draw(t, "w"), Height: rapid.IntRange(1, 8000).Draw(t, "h")}
		tl := timeline.New(span, frame, keyframes)
		b := storyboard.New(sp, tl, display)
		checkCues(t, b, sp, span, tl.Keyframes())
		checkPlaces(t, b, display)
	})
}

func checkCues(t *rapid.T, b storyboard.Board, sp storyboard.Spec, span time.Duration, keyframes []time.Duration) {
	cues := b.Cues()
	if len(cues) == 0 || len(cues) > sp.MaxTiles || cues[0].Start != 0 || cues[len(cues)-1].End != span {
		t.Fatalf("%d cues do not cover %v", len(cues), span)
	}
	for i, c := range cues {
		if i > 0 && c.Start != cues[i-1].End {
			t.Fatalf("cue %d begins at %v, the one before ends at %v", i, c.Start, cues[i-1].End)
		}
		if c.End <= c.Start && span > 0 {
			t.Fatalf("cue %d is empty: %+v", i, c)
		}
		if c.Pick.Keyframe && (!c.Shows(c.Pick.At) || !slices.Contains(keyframes, c.Pick.At)) {
			t.Fatalf("cue %d picks what is no keyframe of it: %+v", i, c)
		}
		if !c.Shows(c.Pick.At + c.Pick.Slack) {
			t.Fatalf("cue %d allows an instant outside of it: %+v", i, c)
		}
	}
}

func checkPlaces(t *rapid.T, b storyboard.Board, display media.Resolution) {
	tile, sheets := b.Tile(), b.Sheets()
	if tile.Width%2+tile.Height%2 != 0 || tile.Width > max(2, display.Width) || tile.Height > max(2, display.Height) {
		t.Fatalf("a tile of a film of %v is %v", display, tile)
	}
	taken := map[string]bool{}
	total := 0
	for i := range b.Cues() {
		p := b.Place(i)
		sh := sheets[p.Sheet]
		if i < sh.First || i >= sh.First+sh.Count || p.X+tile.Width > sh.Size.Width || p.Y+tile.Height > sh.Size.Height {
			t.Fatalf("tile %d at %+v lies outside of %+v", i, p, sh)
		}
		if key := fmt.Sprint(p); taken[key] {
			t.Fatalf("two tiles at %s", key)
		} else {
			taken[key] = true
		}
	}
	for _, sh := range sheets {
		total += sh.Count
		if sh.Size.Width > 16000 || sh.Size.Height > 16000 || sh.Rows*sh.Columns-sh.Count >= sh.Columns {
			t.Fatalf("a sheet is too large or has an empty row: %+v", sh)
		}
	}
	if total != len(b.Cues()) {
		t.Fatalf("%d tiles on sheets for %d cues", total, len(b.Cues()))
	}
}
