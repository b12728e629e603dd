package mp4cut_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/ffmpeg/mp4cut"
)

const (
	s  = time.Second
	ms = time.Millisecond

	// source is six seconds with a keyframe every second, and B-frames between.
	source = "-f lavfi -i testsrc2=s=192x108:r=25:d=6 -f lavfi -i sine=d=6 "
	gop    = "-g 25 -keyint_min 25 -sc_threshold 0 -bf 3 -pix_fmt yuv420p "
	x265   = "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=none:keyint=25:min-keyint=25:scenecut=0:bframes=3:open-gop="
)

// film makes a file by ffmpeg's own means.
func film(t testing.TB, argv string) []byte {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("REELMILL_TEST_REQUIRE") == "1" {
			t.Fatal("ffmpeg is missing")
		}
		t.Skip("ffmpeg is missing")
	}
	path := filepath.Join(t.TempDir(), "film")
	if out, err := exec.Command("ffmpeg", append(strings.Fields("-nostdin -v error "+argv), path)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %s: %v: %s", argv, err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func cut(data []byte, pieces ...mp4cut.Piece) ([]byte, time.Duration, error) {
	var out bytes.Buffer
	origin, err := mp4cut.Cut(context.Background(), &out, bytes.NewReader(data), int64(len(data)), pieces)
	return out.Bytes(), origin, err
}

// frames decodes a film and returns the digests of its pictures by when they are shown, in microseconds since
// origin, or since the first of them where origin is negative.
func frames(t *testing.T, data []byte, origin time.Duration) map[int64]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "film")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-xerror", "-copyts", "-i", path, "-map", "0:v", "-vf", "settb=1/1000000",
		"-fps_mode", "passthrough", "-enc_time_base", "1:1000000", "-f", "framemd5", "-").CombinedOutput()
	if err != nil {
		t.Fatalf("decode: %v: %s", err, out)
	}
	first := origin.Microseconds()
	all := map[int64]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(line, ",")
		if strings.HasPrefix(line, "#") || len(fields) != 6 {
			continue
		}
		at, err := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if first < 0 {
			first = at
		}
		all[at-first] = strings.TrimSpace(fields[5])
	}
	return all
}

func TestACutShowsTheFramesOfTheFilm(t *testing.T) {
	x264 := "-c:v libx264 -preset veryfast " + gop
	for _, tt := range []struct{ name, argv string }{
		{"H.264", source + x264 + "-c:a aac -f mp4"},
		{"index at the front", source + x264 + "-c:a aac -movflags +faststart -f mp4"},
		{"QuickTime", source + x264 + "-c:a pcm_s16le -f mov"},
		{"frames shown before they are decoded", source + x264 + "-movflags +negative_cts_offsets -f mp4"},
		{"no edit list", source + x264 + "-use_editlist 0 -f mp4"},
		{"picture that begins late", source + x264 + "-c:a aac -vf setpts=PTS+1.3/TB -fps_mode passthrough -f mp4"},
		{"29.97 frames a second", "-f lavfi -i testsrc2=s=192x108:r=30000/1001:d=6 -c:v libx264 " + gop + "-force_key_frames expr:gte(t,n_forced) -f mp4"},
		{"a coarse clock", source + x264 + "-video_track_timescale 600 -f mov"},
		{"large offsets", source + x264 + "-c:a aac -movflags +faststart+rtphint -f mp4"},
		{"HEVC", source + gop + x265 + "0 -f mp4"},
		{"VP9", source + gop + "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -f mp4"},
		{"ProRes", source + "-c:v prores_ks -profile:v 0 -f mov"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := film(t, tt.argv)
			want := frames(t, data, -s)
			at := slices.Sorted(func(yield func(int64) bool) {
				for k := range want {
					if !yield(k) {
						return
					}
				}
			})
			// A frame of the ntsc film begins a little after the second that it was forced to.
			key := func(second int) time.Duration {
				i, _ := slices.BinarySearch(at, int64(second)*1e6-1)
				return time.Duration(at[i]) * time.Microsecond
			}
			small, origin, err := cut(data, mp4cut.Piece{Key: key(4), Until: key(4)}, mp4cut.Piece{Key: 0}, mp4cut.Piece{Key: key(2), Until: key(2) + 330*ms},
				mp4cut.Piece{Key: key(5), Until: 5900 * ms})
			if err != nil {
				t.Fatal(err)
			}
			if origin%s != 0 || len(small) > len(data)*4/5 {
				t.Errorf("origin %v, %d bytes of %d", origin, len(small), len(data))
			}
			got := frames(t, small, origin)
			for us, sum := range got {
				if want[us] != sum {
					t.Errorf("the frame at %d µs is not that of the film", us)
				}
			}
			for _, us := range at {
				d := time.Duration(us) * time.Microsecond
				needed := d == 0 || d == key(4) || d >= key(2) && d <= key(2)+330*ms || d >= key(5) && d <= 5900*ms
				if _, ok := got[us]; needed && !ok {
					t.Errorf("the frame at %v is missing", d)
				}
			}
			if _, ok := got[at[len(at)-1]+1]; ok || len(got) > len(want)*2/5 {
				t.Errorf("%d frames of %d", len(got), len(want))
			}
		})
	}
}

func TestAPieceEndsWithTheFirstFrameAtItsEnd(t *testing.T) {
	data := film(t, source+"-c:v libx264 -preset veryfast "+gop+"-f mp4")
	for _, tt := range []struct {
		until time.Duration
		last  time.Duration
	}{{s, s}, {0, s}, {s + 10*time.Microsecond, s + 40*ms}, {s + 40*ms, s + 40*ms}, {s + 41*ms, s + 80*ms}, {1930 * ms, 1960 * ms}, {1970 * ms, 2 * s}, {2010 * ms, 2040 * ms}} {
		t.Run(fmt.Sprint(tt.until), func(t *testing.T) {
			small, origin, err := cut(data, mp4cut.Piece{Key: s, Until: tt.until})
			if err != nil {
				t.Fatal(err)
			}
			got := frames(t, small, origin)
			for at := s; at <= tt.last; at += 40 * ms {
				if _, ok := got[at.Microseconds()]; !ok {
					t.Errorf("the frame at %v is missing", at)
				}
			}
			// Those that it is decoded with come on top.
			if most := int((tt.last-s)/(40*ms)) + 1 + 4; len(got) > most {
				t.Errorf("%d frames, want at most %d", len(got), most)
			}
		})
	}
}

func TestWhatIsUnusual(t *testing.T) {
	x264 := "-c:v libx264 -preset veryfast " + gop
	for _, tt := range []struct{ name, argv, why string }{
		{"fragments", source + x264 + "-movflags +frag_keyframe+empty_moov -f mp4", "fragments"},
		{"open groups in H.264", source + x264 + "-x264-params open-gop=1:bframes=3 -f mp4", "needed for"},
		{"open groups in HEVC", source + gop + x265 + "1 -f mp4", "needed for"},
		{"two pictures", source + "-map 0 -map 0 " + x264 + "-f mp4", "2 video tracks"},
		{"sound alone", "-f lavfi -i sine=d=6 -f mp4", "0 video tracks"},
		{"another codec", source + "-c:v mpeg4 -f mp4", "mp4v"},
		{"another container", source + x264 + "-f matroska", ""},
		{"encrypted", source + x264 + "-encryption_scheme cenc-aes-ctr -encryption_key 76a6c65c5ea762046bd749a2e632ccbb " +
			"-encryption_kid a7e61c373e219033c21091fa607bf3b8 -f mp4", "encv"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := cut(film(t, tt.argv), mp4cut.Piece{Key: s, Until: s})
			if !errors.Is(err, mp4cut.ErrUnusual) || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("Cut = %v, want %v that says %q", err, mp4cut.ErrUnusual, tt.why)
			}
		})
	}
}
