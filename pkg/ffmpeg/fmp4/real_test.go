package fmp4_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/fmp4"
)

// segments runs ffmpeg's HLS muxer and returns the initialization section and the segments.
func segments(t *testing.T, argv string) (head []byte, parts [][]byte) {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("REELMILL_TEST_REQUIRE") == "1" {
			t.Fatal("ffmpeg is missing")
		}
		t.Skip("ffmpeg is missing")
	}
	dir := t.TempDir()
	args := append(strings.Fields("-nostdin -v error "+argv+" -avoid_negative_ts disabled -f hls -hls_segment_type fmp4 -hls_playlist_type vod -hls_segment_filename"),
		filepath.Join(dir, "%03d.m4s"), filepath.Join(dir, "list.m3u8"))
	if out, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %s: %v: %s", argv, err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.m4s"))
	if err != nil || len(files) == 0 {
		t.Fatal("no segments", err)
	}
	slices.Sort(files)
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, f := range files {
		parts = append(parts, read(f))
	}
	return read(filepath.Join(dir, "init.mp4")), parts
}

func TestWhatTheMuxerWrites(t *testing.T) {
	video := "-f lavfi -i testsrc2=s=320x180:r=25:d=6 "
	for _, tt := range []struct {
		name, argv, codecs string
		want               fmp4.Init
	}{
		{"H.264", video + "-c:v libx264 -preset veryfast -profile:v high -level 3.1 -g 50 -sc_threshold 0 -pix_fmt yuv420p -hls_time 2", "avc1.64001f",
			fmp4.Init{Kind: media.KindVideo, Size: media.Resolution{Width: 320, Height: 180}}},
		{"HEVC", video + "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=none:keyint=50:min-keyint=50:scenecut=0:open-gop=0:level-idc=3.0 -hls_time 2", "hvc1.1.6.L90.90",
			fmp4.Init{Kind: media.KindVideo, Size: media.Resolution{Width: 320, Height: 180}}},
		{"AAC", "-f lavfi -i sine=d=6:sample_rate=48000 -ac 2 -c:a aac -hls_time 2", "mp4a.40.2", fmp4.Init{Kind: media.KindAudio, SampleRate: 48000, Channels: 2}},
		{"Opus", "-f lavfi -i sine=d=6:sample_rate=48000 -ac 1 -c:a libopus -hls_time 2", "opus", fmp4.Init{Kind: media.KindAudio, SampleRate: 48000, Channels: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			head, parts := segments(t, tt.argv)
			i, err := fmp4.ParseInit(head)
			if err != nil {
				t.Fatal(err)
			}
			if i.Codecs != tt.codecs || i.Kind != tt.want.Kind || i.Size != tt.want.Size || i.SampleRate != tt.want.SampleRate || i.Channels != tt.want.Channels {
				t.Errorf("ParseInit = %+v", i)
			}
			var end time.Duration
			frames := int64(0)
			for k, b := range parts {
				s, err := i.Segment(bytes.NewReader(b), int64(len(b)))
				if err != nil {
					t.Fatalf("segment %d: %v", k, err)
				}
				if s.Start != end || !s.KeyFirst || s.KeyBytes <= 0 || s.KeyBytes > int64(len(b)) {
					t.Errorf("segment %d: %+v, the one before ends at %v", k, s, end)
				}
				if i.Kind == media.KindVideo && (s.Keyframes != 1 || s.FirstPTS != time.Duration(k)*2*time.Second || s.EndPTS != s.FirstPTS+2*time.Second) {
					t.Errorf("segment %d: %+v", k, s)
				}
				end, frames = s.Start+s.Duration, frames+s.Frames
				// Bytes that a store or a disk changes.
				for _, cut := range []int{0, 7, 100, len(b) / 2, len(b) - 1} {
					if _, err := i.Segment(bytes.NewReader(b), int64(cut)); !errors.Is(err, fmp4.ErrInvalid) {
						t.Errorf("segment %d cut to %d bytes: %v", k, cut, err)
					}
				}
			}
			if i.Kind == media.KindVideo && frames != 150 {
				t.Errorf("%d frames", frames)
			}
			if off := end - 6*time.Second; off < 0 || off > 50*time.Millisecond {
				t.Errorf("the segments end at %v", end)
			}
		})
	}
}
