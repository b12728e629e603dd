package integration_test

import (
	"image"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

// minSSIM is what a tile must reach against the frame at the instant that is recorded for it.
const minSSIM = 0.9

// checkTiles compares every tile with the frame that a plain decoder shows at the recorded instant, and
// that instant with the tile's cue. It returns the tiles.
func checkTiles(t *testing.T, m made) []contract.Tile {
	t.Helper()
	tiles := m.output(t, "thumbs/storyboard.vtt").Tiles
	if len(tiles) == 0 {
		t.Fatal("there are no tiles")
	}
	ref := decodeAll(t, m.source, tiles[0].Width, tiles[0].Height)
	sheets := map[string]image.Image{}
	for i, tile := range tiles {
		if sheets[tile.Sheet] == nil {
			sheets[tile.Sheet] = m.picture(t, tile.Sheet)
		}
		at := tile.At.Duration()
		part := image.Rect(tile.X, tile.Y, tile.X+tile.Width, tile.Y+tile.Height)
		if !part.In(sheets[tile.Sheet].Bounds()) {
			t.Fatalf("tile %d at %v lies outside of its sheet", i, part)
		}
		if got := ssim(gray(sheets[tile.Sheet], part), ref.shownAt(at)); !(got > minSSIM) {
			t.Errorf("tile %d has SSIM %.3f with the frame at %v, want more than %v", i, got, at, minSSIM)
		}
		half := (tile.End - tile.Start).Duration() / 2
		if off := (at - (tile.Start.Duration() + half)).Abs(); off > half+1 {
			t.Errorf("tile %d shows %v, %v off the middle of its cue from %v to %v", i, at, off, tile.Start.Duration(), tile.End.Duration())
		}
		if at >= tile.End.Duration() && tile.End > tile.Start {
			t.Errorf("tile %d shows %v, which belongs to the next cue, from %v", i, at, tile.End.Duration())
		}
		if i > 0 && tile.Start != tiles[i-1].End {
			t.Errorf("cue %d begins at %v, the one before ends at %v", i, tile.Start, tiles[i-1].End)
		}
	}
	return tiles
}

func TestStoryboardTilesShowTheirInstants(t *testing.T) {
	numbers := func(o ffmpegtest.Options) ffmpegtest.Options {
		o.Content, o.Duration, o.Audio = ffmpegtest.ContentNumbers, 12*time.Second, true
		return o
	}
	ntsc := media.FrameRate{Num: 30000, Den: 1001}
	tests := []struct {
		name  string
		file  func(testing.TB) string
		board contract.Storyboard
	}{
		{"a real film", ffmpegtest.BigBuckBunny, contract.Storyboard{Interval: contract.Seconds(3 * time.Second)}},
		{"a real film with more tiles than keyframes", ffmpegtest.BigBuckBunny, contract.Storyboard{Format: contract.WebP, Columns: 4, Rows: 3}},
		{"sparse keyframes", ffmpegtest.SparseKeyframes, contract.Storyboard{MaxTiles: 30}},
		{"sparse keyframes, tiles far apart", ffmpegtest.SparseKeyframes, contract.Storyboard{MaxTiles: 5, TileWidth: 320, Format: contract.PNG}},
		{"keyframes at every tile", clip(numbers(ffmpegtest.Options{})), contract.Storyboard{}},
		{"keyframes at every other tile", clip(numbers(ffmpegtest.Options{KeyframeInterval: 2 * time.Second})), contract.Storyboard{}},
		{"frames at every tile, unevenly", clip(numbers(unevenly())), contract.Storyboard{Interval: contract.Seconds(500 * time.Millisecond)}},
		{"more tiles than seconds", clip(numbers(ffmpegtest.Options{KeyframeInterval: 10 * time.Second})), contract.Storyboard{Interval: contract.Seconds(150 * time.Millisecond)}},
		{"29.97 frames a second in Matroska", clip(numbers(ffmpegtest.Options{Rate: ntsc, Container: "mkv", KeyframeInterval: 5 * time.Second})), contract.Storyboard{}},
		{"VP9 in WebM", clip(numbers(ffmpegtest.Options{Codec: "libvpx-vp9", Container: "webm", KeyframeInterval: 4 * time.Second})), contract.Storyboard{}},
		{"a transport stream", clip(numbers(ffmpegtest.Options{Container: "ts", KeyframeInterval: 5 * time.Second})), contract.Storyboard{}},
		{"MPEG-4 in AVI", clip(numbers(ffmpegtest.Options{Codec: "mpeg4", Container: "avi", KeyframeInterval: 4 * time.Second})), contract.Storyboard{}},
		{"MPEG-4 in AVI, out of order", clip(numbers(reordered("mpeg4", "avi"))), contract.Storyboard{}},
		{"MPEG-2 in a program stream", clip(numbers(reordered("mpeg2video", "mpg"))), contract.Storyboard{}},
		{"variable rate", corpus("vfr"), contract.Storyboard{Interval: contract.Seconds(200 * time.Millisecond)}},
		{"an edit list", corpus("edit_list"), contract.Storyboard{Interval: contract.Seconds(300 * time.Millisecond)}},
		{"a clock that starts at 26 hours", corpus("ts_starting_at_26h"), contract.Storyboard{Interval: contract.Seconds(300 * time.Millisecond)}},
		{"sound that starts late", corpus("audio_starts_5s_late"), contract.Storyboard{Interval: contract.Seconds(300 * time.Millisecond)}},
		{"one frame", corpus("one_frame"), contract.Storyboard{}},
		{"a thousand frames a second", corpus("fps_1000"), contract.Storyboard{Interval: contract.Seconds(50 * time.Millisecond)}},
		{"ten hours", corpus("ten_hours_0_1_fps"), contract.Storyboard{MaxTiles: 500, TileWidth: 64}},
		{"an animated GIF", corpus("animated_gif"), contract.Storyboard{Interval: contract.Seconds(300 * time.Millisecond)}},
		{"a resolution that changes", corpus("resolution_change"), contract.Storyboard{Interval: contract.Seconds(300 * time.Millisecond)}},
		{"a wide strip", corpus("wide_2000x16"), contract.Storyboard{TileWidth: 640, Columns: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := process(t, tt.file(t), contract.ThumbnailSets{Storyboard: &tt.board})
			tiles := checkTiles(t, m)
			checkVTT(t, m, tiles)
		})
	}
}

// unevenly returns a second of 25 frames, and after that a frame every half of a second.
func unevenly() ffmpegtest.Options {
	return ffmpegtest.Options{Frames: 33, KeyframeInterval: time.Hour, Container: "mkv", Extra: []string{"-fps_mode", "passthrough", "-enc_time_base", "1:1000",
		"-vf", `settb=1/1000,setpts=if(lt(N\,25)\,N*40\,1000+(N-25)*500)`}}
}

func clip(o ffmpegtest.Options) func(testing.TB) string {
	return func(t testing.TB) string { return ffmpegtest.Testsrc(t, o) }
}

func corpus(name string) func(testing.TB) string {
	return func(t testing.TB) string { return ffmpegtest.Find(t, name).File }
}

// checkVTT checks that the text has a cue for every tile, and that it was stored last.
func checkVTT(t *testing.T, m made, tiles []contract.Tile) {
	t.Helper()
	text, err := os.ReadFile(m.Path("thumbs/storyboard.vtt"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(text), " --> "); got != len(tiles) || !strings.HasPrefix(string(text), "WEBVTT\n\n") {
		t.Errorf("the text has %d cues for %d tiles:\n%.200s", got, len(tiles), text)
	}
	order := m.Order()
	if last := order[len(order)-1]; last != "thumbs/storyboard.vtt" {
		t.Errorf("%s was stored last, want the text that refers to the others", last)
	}
}
