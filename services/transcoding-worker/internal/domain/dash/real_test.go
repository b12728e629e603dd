package dash_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	playlist "github.com/reelmill/reelmill/pkg/core/hls"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/dash"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/film"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/hls"
)

// run runs a program of ffmpeg and returns what it printed; what it complains of is a failure.
func run(t *testing.T, program, args string, more ...string) string {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("REELMILL_TEST_REQUIRE") == "1" {
			t.Fatalf("%s is missing", program)
		}
		t.Skipf("%s is missing", program)
	}
	cmd := exec.Command(program, append(append([]string{"-v", "error"}, strings.Fields(args)...), more...)...)
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	if err := cmd.Run(); err != nil || diag.Len() > 0 {
		t.Fatalf("%q: %v: %s", cmd.Args, err, diag.Bytes())
	}
	return out.String()
}

// encoded makes a rendition of segments of about two seconds and returns its files. inChunk says in which
// folder a segment lies.
func encoded(t *testing.T, dir, name, codecs, input, encode string, inChunk func(n int) string) film.Files {
	t.Helper()
	to := filepath.Join(dir, "vod", name)
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "ffmpeg", "-nostdin -f lavfi -i "+input+" "+encode+" -avoid_negative_ts disabled -f hls -hls_list_size 0 -hls_segment_type fmp4 "+
		"-start_number 1 -hls_fmp4_init_filename init.mp4", "-hls_segment_filename", filepath.Join(to, "%05d.m4s"), filepath.Join(to, "ffmpeg.m3u8"))
	text, err := os.ReadFile(filepath.Join(to, "ffmpeg.m3u8"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := playlist.ParseMedia(string(text))
	if err != nil {
		t.Fatal(err)
	}
	f := film.Files{Codecs: codecs, Init: contract.Output{Path: "vod/" + name + "/init.mp4"}}
	var at time.Duration
	for i, s := range list.Segments {
		path := filepath.Join(to, inChunk(i+1), s.URI)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(to, s.URI), path); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		f.Segments = append(f.Segments, contract.Output{Path: "vod/" + filepath.ToSlash(filepath.Join(name, inChunk(i+1), s.URI)), SizeBytes: info.Size(),
			Segment: &contract.Segment{Rendition: name, Number: i + 1, Start: contract.Seconds(at), Duration: contract.Seconds(s.Duration)}})
		at += s.Duration
	}
	return f
}

// TestFFmpegPlaysWhatManifestsName has segments in a list and by a template, and plays both manifests.
func TestFFmpegPlaysWhatManifestsName(t *testing.T) {
	chunks := func(n int) string { return "c00" + strconv.Itoa((n-1)/2) }
	for name, folder := range map[string]func(int) string{"in chunks": chunks, "side by side": func(int) string { return "" }} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			const picture = "-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p -g 9999 -sc_threshold 0 -force_key_frames 0,2.002,4.004,6.006,8.008 -hls_time 0.1"
			f := film.Film{Folder: "vod", Plan: contract.TranscodePlan{Video: &contract.VideoPlan{FrameRate: media.FrameRate{Num: 30000, Den: 1001}}}}
			f.Rungs = []film.Rung{{Plan: contract.Rung{Name: "240p", Width: 426, Height: 240},
				Files: encoded(t, dir, "240p", "avc1.42c015", "testsrc2=size=426x240:rate=30000/1001:duration=9.3", picture, folder)}}
			f.Tracks = []film.Track{{Plan: contract.TrackPlan{Name: "audio-en", Kind: media.KindAudio, Codec: contract.AAC, Default: true, Channels: 1, SampleRate: 48000},
				Files: encoded(t, dir, "audio-en", "mp4a.40.2", "sine=r=48000:d=9.3", "-c:a aac -hls_time 2", func(int) string { return "" })}}
			write(t, dir, dash.Path(f), manifest(t, f))
			for _, p := range hls.Playlists(f) {
				write(t, dir, p.Path, p.Text)
			}
			for _, path := range []string{dash.Path(f), "vod/master.m3u8"} {
				got := run(t, "ffprobe", "-count_frames -show_entries stream=codec_name,nb_read_frames -of csv=p=0", filepath.Join(dir, path))
				if !strings.Contains(got, "h264,279\n") || !strings.Contains(got, "aac,437\n") {
					t.Errorf("%s has %q, want 279 frames of h264 and 437 of aac", path, got)
				}
			}
		})
	}
}

func write(t *testing.T, dir, path, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
