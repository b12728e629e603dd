package integration_test

import (
	"encoding/json"
	"fmt"
	"image"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

var allFormats = []contract.ImageFormat{contract.JPEG, contract.WebP, contract.PNG}

// everything asks for every kind of picture in every format.
func everything() contract.ThumbnailSets {
	return contract.ThumbnailSets{
		Posters: []contract.Poster{
			{Name: "best", Formats: allFormats},
			{Name: "time", At: contract.AtTime(contract.Seconds(1300 * time.Millisecond)), Formats: allFormats},
			{Name: "share", At: contract.AtPercent(5000), Width: 200, Formats: allFormats},
		},
		Stills:     &contract.Stills{Count: 3, Widths: []int{160, 120}, Formats: allFormats},
		Storyboard: &contract.Storyboard{TileWidth: 160, Format: contract.WebP},
	}
}

func TestPicturesAreUprightWithSquareSamples(t *testing.T) {
	pal := media.Ratio{Num: 16, Den: 11}
	tests := []struct {
		name    string
		clip    ffmpegtest.Options
		display media.Resolution
	}{
		{"plain", ffmpegtest.Options{}, media.Resolution{Width: 320, Height: 240}},
		{"turned by 90", ffmpegtest.Options{Rotation: 90}, media.Resolution{Width: 240, Height: 320}},
		{"turned by 180", ffmpegtest.Options{Rotation: 180}, media.Resolution{Width: 320, Height: 240}},
		{"turned by 270", ffmpegtest.Options{Rotation: 270}, media.Resolution{Width: 240, Height: 320}},
		{"anamorphic", ffmpegtest.Options{Size: media.Resolution{Width: 352, Height: 288}, SampleAspect: pal}, media.Resolution{Width: 512, Height: 288}},
		{"anamorphic and turned", ffmpegtest.Options{Size: media.Resolution{Width: 352, Height: 288}, SampleAspect: pal, Rotation: 90},
			media.Resolution{Width: 288, Height: 512}},
		{"Matroska, anamorphic", ffmpegtest.Options{Size: media.Resolution{Width: 352, Height: 288}, SampleAspect: pal, Container: "mkv"},
			media.Resolution{Width: 512, Height: 288}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.clip.Content = ffmpegtest.ContentCompass
			m := process(t, ffmpegtest.Testsrc(t, tt.clip), everything())
			pictures := 0
			for _, o := range m.Outputs {
				if o.Kind != "poster" && o.Kind != "still" {
					continue
				}
				pictures++
				if err := ffmpegtest.CheckUpright(m.picture(t, o.Path), tt.display); err != nil {
					t.Errorf("%s: %v", o.Path, err)
				}
			}
			if want := 3*3 + 3*2*3; pictures != want {
				t.Errorf("there are %d pictures, want %d", pictures, want)
			}
			tile := m.output(t, "thumbs/storyboard.vtt").Tiles[1]
			sheet := m.picture(t, tile.Sheet).(*image.YCbCr)
			part := sheet.SubImage(image.Rect(tile.X, tile.Y, tile.X+tile.Width, tile.Y+tile.Height))
			if err := ffmpegtest.CheckUpright(part, tt.display); err != nil {
				t.Errorf("a tile: %v", err)
			}
		})
	}
}

func TestAPosterAtATimeShowsThatFrame(t *testing.T) {
	ntsc := media.FrameRate{Num: 30000, Den: 1001}
	clips := []struct {
		name string
		clip ffmpegtest.Options
	}{
		{"MP4", ffmpegtest.Options{Audio: true}},
		{"MP4 at 29.97 with one keyframe", ffmpegtest.Options{Rate: ntsc, KeyframeInterval: time.Hour}},
		{"Matroska at 29.97", ffmpegtest.Options{Rate: ntsc, Container: "mkv"}},
		{"transport stream", ffmpegtest.Options{Container: "ts", Audio: true}},
		{"HEVC", ffmpegtest.Options{Codec: "libx265"}},
		{"AVI", ffmpegtest.Options{Codec: "mpeg4", Container: "avi"}},
		{"AVI with frames out of order", reordered("mpeg4", "avi")},
		{"H.264 in AVI", ffmpegtest.Options{Container: "avi"}},
		{"program stream", reordered("mpeg2video", "mpg")},
	}
	at := []time.Duration{0, time.Millisecond, 20 * time.Millisecond, 999 * time.Millisecond, time.Second, 1234567 * time.Microsecond,
		3500 * time.Millisecond, 5 * time.Second, 5990 * time.Millisecond}
	for _, tt := range clips {
		t.Run(tt.name, func(t *testing.T) {
			tt.clip.Content, tt.clip.Duration = ffmpegtest.ContentNumbers, 6*time.Second
			rate := tt.clip.Rate
			if !rate.Known() {
				rate = media.FrameRate{Num: 25, Den: 1}
			}
			var sets contract.ThumbnailSets
			for i, when := range at {
				sets.Posters = append(sets.Posters, contract.Poster{Name: fmt.Sprintf("p%d", i), At: contract.AtTime(contract.Seconds(when))})
			}
			m := process(t, ffmpegtest.Testsrc(t, tt.clip), sets)
			for i, when := range at {
				path := fmt.Sprintf("thumbs/p%d.jpg", i)
				got, err := ffmpegtest.ReadNumber(m.picture(t, path))
				if err != nil {
					t.Errorf("%s: %v", path, err)
					continue
				}
				// A millisecond is what containers round to; the last instant lies behind the last frame of 29.97.
				if want := min(rate.FrameAt(when+time.Millisecond), rate.FrameAt(tt.clip.Duration)-1); int64(got) != want {
					t.Errorf("the poster at %v shows frame %d, want %d", when, got, want)
				}
				recorded := m.output(t, path).At.Duration()
				if off := (recorded - rate.Instant(int64(got))).Abs(); off > time.Millisecond {
					t.Errorf("the poster at %v shows frame %d, but is recorded as showing %v", when, got, recorded)
				}
			}
		})
	}
}

func TestAPosterAtATimeOfAVariableRateShowsThatFrame(t *testing.T) {
	// Three seconds at 25 frames a second, four frames of half a second each, another second at 25. The header
	// of the file tells the mean, and no more.
	file := ffmpegtest.Testsrc(t, ffmpegtest.Options{
		Content: ffmpegtest.ContentNumbers, Frames: 104, Rate: media.FrameRate{Num: 52, Den: 3}, KeyframeInterval: time.Hour, Container: "mkv",
		Extra: []string{"-fps_mode", "passthrough", "-enc_time_base", "1:1000",
			"-vf", `settb=1/1000,setpts=if(lt(N\,75)\,N*40\,if(lt(N\,79)\,3000+(N-75)*500\,5000+(N-79)*40))`},
	})
	want := map[string]int{"0": 0, "0.5": 12, "2.99": 74, "3.0": 75, "3.49": 75, "4.0": 77, "4.9": 78, "5.0": 79, `"100%"`: 103}
	var sets contract.ThumbnailSets
	frames := map[string]int{}
	for at, frame := range want {
		p := contract.Poster{Name: fmt.Sprintf("p%d", len(frames))}
		if err := json.Unmarshal([]byte(at), &p.At); err != nil {
			t.Fatal(err)
		}
		sets.Posters = append(sets.Posters, p)
		frames["thumbs/"+p.Name+".jpg"] = frame
	}
	m := process(t, file, sets)
	for path, frame := range frames {
		if got, err := ffmpegtest.ReadNumber(m.picture(t, path)); err != nil || got != frame {
			t.Errorf("%s at %v shows frame %d, %v, want %d", path, m.output(t, path).At.Duration(), got, err, frame)
		}
	}
}

// reordered returns a clip of a codec whose frames are decoded in another order than they are shown.
func reordered(codec, container string) ffmpegtest.Options {
	return ffmpegtest.Options{Codec: codec, Container: container, Extra: []string{"-bf", "2"}}
}

func TestAnInstantBehindTheEndMeansTheLastFrame(t *testing.T) {
	file := ffmpegtest.Testsrc(t, ffmpegtest.Options{Content: ffmpegtest.ContentNumbers})
	m := process(t, file, contract.ThumbnailSets{Posters: []contract.Poster{{At: contract.AtTime(contract.Seconds(time.Hour))},
		{Name: "end", At: contract.AtPercent(10000)}}})
	for _, path := range []string{"thumbs/poster.jpg", "thumbs/end.jpg"} {
		if got, err := ffmpegtest.ReadNumber(m.picture(t, path)); err != nil || got != 99 {
			t.Errorf("%s shows frame %d, %v, want the last one, 99", path, got, err)
		}
	}
	if len(m.Notes) != 1 || m.Notes[0].Code != "clamped" {
		t.Errorf("Notes = %v, want that one poster was clamped", m.Notes)
	}
}

// More outputs of one run than ffmpeg can report the end of; see ffmpeg.MaxReportedOutputs.
func TestVeryManyPicturesOfOneRun(t *testing.T) {
	file := ffmpegtest.Testsrc(t, ffmpegtest.Options{Content: ffmpegtest.ContentNumbers, Duration: 12 * time.Second, KeyframeInterval: time.Second})
	var widths []int
	for w := 64; w < 264; w += 8 {
		widths = append(widths, w)
	}
	m := process(t, file, contract.ThumbnailSets{Stills: &contract.Stills{Count: 4, Widths: widths, Formats: allFormats}})
	for i := range 4 {
		for _, w := range widths {
			for _, f := range allFormats {
				path := fmt.Sprintf("thumbs/still-%03d-%d%s", i+1, w, f.Extension())
				if got := m.picture(t, path).Bounds().Dx(); got != w {
					t.Errorf("%s is %d wide", path, got)
				}
			}
		}
	}
}

func TestStillsComeFromTheMiddleOfTheirParts(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, time.Hour} {
		file := ffmpegtest.Testsrc(t, ffmpegtest.Options{Content: ffmpegtest.ContentNumbers, Duration: 12 * time.Second, KeyframeInterval: interval})
		m := process(t, file, contract.ThumbnailSets{Stills: &contract.Stills{Count: 6, Widths: []int{100}}})
		for i := range 6 {
			path := fmt.Sprintf("thumbs/still-%03d-100.jpg", i+1)
			got, err := ffmpegtest.ReadNumber(m.picture(t, path))
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			// Two seconds a part; the middle half of it is allowed.
			if first := i * 50; got < first+12 || got > first+38 {
				t.Errorf("%s shows frame %d, want one from the middle of %d to %d", path, got, first, first+50)
			}
			if at := m.output(t, path).At.Duration(); at != time.Duration(got)*40*time.Millisecond {
				t.Errorf("%s shows frame %d and is recorded at %v", path, got, at)
			}
		}
	}
}
