package media_test

import (
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

func TestDisplay(t *testing.T) {
	tests := []struct {
		name string
		v    media.Video
		want media.Resolution
	}{
		{"square and upright", media.Video{Coded: media.Resolution{Width: 320, Height: 240}}, media.Resolution{Width: 320, Height: 240}},
		{"turned by 90 degrees", media.Video{Coded: media.Resolution{Width: 320, Height: 240}, Rotation: 90}, media.Resolution{Width: 240, Height: 320}},
		{"anamorphic PAL", media.Video{Coded: media.Resolution{Width: 720, Height: 576}, SampleAspect: media.Ratio{Num: 16, Den: 11}}, media.Resolution{Width: 1047, Height: 576}},
		{"anamorphic and turned", media.Video{Coded: media.Resolution{Width: 720, Height: 576}, SampleAspect: media.Ratio{Num: 16, Den: 11}, Rotation: 270}, media.Resolution{Width: 576, Height: 1047}},
		{"a ratio with a zero is ignored", media.Video{Coded: media.Resolution{Width: 10, Height: 10}, SampleAspect: media.Ratio{Num: 1}}, media.Resolution{Width: 10, Height: 10}},
		{"never narrower than one pixel", media.Video{Coded: media.Resolution{Width: 1, Height: 9}, SampleAspect: media.Ratio{Num: 1, Den: 100}}, media.Resolution{Width: 1, Height: 9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.v.Display(); got != tt.want {
				t.Errorf("Display = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestFitWidth(t *testing.T) {
	tests := []struct {
		src   media.Resolution
		width int
		want  media.Resolution
	}{
		{media.Resolution{Width: 1920, Height: 1080}, 640, media.Resolution{Width: 640, Height: 360}},
		{media.Resolution{Width: 321, Height: 241}, 640, media.Resolution{Width: 320, Height: 240}},
		{media.Resolution{Width: 2000, Height: 16}, 160, media.Resolution{Width: 160, Height: 2}},
		{media.Resolution{Width: 1, Height: 1}, 160, media.Resolution{Width: 2, Height: 2}},
		{media.Resolution{}, 160, media.Resolution{}},
		{media.Resolution{Width: 10, Height: 10}, 0, media.Resolution{}},
	}
	for _, tt := range tests {
		if got := tt.src.FitWidth(tt.width); got != tt.want {
			t.Errorf("%v.FitWidth(%d) = %v, want %v", tt.src, tt.width, got, tt.want)
		}
	}
}

func TestFrameRate(t *testing.T) {
	ntsc := media.ParseFrameRate("30000/1001")
	if got, want := ntsc.Instant(30000), 1001*time.Second; got != want {
		t.Errorf("Instant(30000) = %v, want %v", got, want)
	}
	if got, want := ntsc.Instant(30000*360000), 1001*360000*time.Second; got != want {
		t.Errorf("an instant after ten years = %v, want %v", got, want)
	}
	for n := range int64(5000) {
		// An instant is rounded down, so a nanosecond later the frame is surely shown.
		if got := ntsc.FrameAt(ntsc.Instant(n) + 1); got != n {
			t.Fatalf("FrameAt(Instant(%d)) = %d", n, got)
		}
	}
	for _, s := range []string{"", "0/0", "25", "-1/1", "1/-1", "x/1", "1/0", "99999999999/1"} {
		if r := media.ParseFrameRate(s); r.Known() || r.Float() != 0 || r.FrameDuration() != 0 || r.FrameAt(time.Second) != 0 {
			t.Errorf("ParseFrameRate(%q) = %v is not treated as unknown", s, r)
		}
	}
}

func TestInfoPrefersStreamsOverTheHeader(t *testing.T) {
	info := media.Info{DeclaredDuration: 10 * time.Hour, Streams: []media.Stream{
		{Index: 0, Kind: media.KindVideo, AttachedPicture: true, Duration: 99 * time.Second, Video: &media.Video{}},
		{Index: 1, Kind: media.KindAudio, Duration: 4 * time.Second, Audio: &media.Audio{}},
		{Index: 2, Kind: media.KindVideo, Duration: 3 * time.Second, Video: &media.Video{}},
		{Index: 3, Kind: media.KindVideo, Default: true, Duration: 2 * time.Second, Video: &media.Video{}},
	}}
	if got := info.Duration(); got != 4*time.Second {
		t.Errorf("Duration = %v, want the longest real stream's", got)
	}
	if v, ok := info.PrimaryVideo(); !ok || v.Index != 3 {
		t.Errorf("PrimaryVideo = %d, want the default stream", v.Index)
	}
	if c, ok := info.Cover(); !ok || c.Index != 0 {
		t.Errorf("Cover = %d", c.Index)
	}
	if got := (media.Info{DeclaredDuration: time.Second}).Duration(); got != time.Second {
		t.Errorf("without stream durations Duration = %v", got)
	}
}
