package cli

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

func TestHumanBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_900: "999.9 kB", 999_950: "1.0 MB", 22_733_056: "22.7 MB",
		5 << 30: "5.4 GB", 3_000_000_000_000: "3.0 TB", 5_000_000_000_000_000: "5000.0 TB",
	} {
		if got := humanBytes(n); got != want {
			t.Errorf("humanBytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestHumanTime(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 83 * time.Millisecond: "83 ms", 12345 * time.Millisecond: "12.3 s", 61 * time.Second: "1:01",
		time.Hour + 2*time.Minute + 3*time.Second: "1:02:03",
	} {
		if got := humanTime(d); got != want {
			t.Errorf("humanTime(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestFactsTellsOfThePictureAsItIsSeen(t *testing.T) {
	video := media.Stream{Kind: media.KindVideo, Codec: "hevc", Duration: 90 * time.Second, Video: &media.Video{
		Coded: media.Resolution{Width: 1920, Height: 1080}, Rotation: 90, FrameRate: media.FrameRate{Num: 30000, Den: 1001}, ColorTransfer: "smpte2084"}}
	sound := media.Stream{Kind: media.KindAudio, Codec: "aac", Audio: &media.Audio{SampleRate: 48000, Channels: 2}}
	cover := media.Stream{Kind: media.KindVideo, Codec: "mjpeg", AttachedPicture: true, Video: &media.Video{Coded: media.Resolution{Width: 300, Height: 300}}}
	for _, tt := range []struct {
		name    string
		streams []media.Stream
		want    string
	}{
		{"video", []media.Stream{video, sound}, "mov · 1:30 · hevc 1080x1920 29.97 fps HDR · aac 48000 Hz, 2 channels"},
		{"cover art", []media.Stream{cover, sound}, "mov · cover art mjpeg 300x300 · aac 48000 Hz, 2 channels"},
		{"nothing", nil, "mov"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := facts(media.Info{Format: "mov", Streams: tt.streams}); got != tt.want {
				t.Errorf("facts = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDataLiesInTheUsersFolder(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for xdg, want := range map[string]string{
		"":             filepath.Join(home, ".local", "share", "reelmill"),
		"not/absolute": filepath.Join(home, ".local", "share", "reelmill"),
		"/data":        "/data/reelmill",
	} {
		t.Setenv("XDG_DATA_HOME", xdg)
		if got := defaultData(); got != want {
			t.Errorf("with XDG_DATA_HOME=%q: %q, want %q", xdg, got, want)
		}
	}
}
