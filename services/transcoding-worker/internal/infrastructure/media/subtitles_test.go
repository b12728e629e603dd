package media_test

import (
	"bytes"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	coremedia "github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/infrastructure/media"
)

const head = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n"

// subtitles converts a track of a film, or a file where stream is -1.
func (w *world) subtitles(path string, stream int, origin time.Duration) (string, error) {
	p := contract.TranscodePlan{Origin: contract.Seconds(origin), Duration: contract.Seconds(10 * time.Second),
		Tracks: []contract.TrackPlan{{Name: "subs", Kind: coremedia.KindSubtitle, Stream: stream}}}
	var text string
	files := 0
	err := w.encode.Track(w.t.Context(), transcode.Input{Path: path, Plan: p}, 0, w.t.TempDir(), func(m transcode.Made) error {
		files++
		text = string(read(w.t, m.Path))
		if m.Number != 0 || m.Rung != 0 {
			w.t.Errorf("made %+v", m)
		}
		return nil
	}, &w.meter)
	if err == nil && files != 1 {
		w.t.Errorf("%d files were made", files)
	}
	return text, err
}

func TestEmbeddedSubtitles(t *testing.T) {
	vtt := written(t, []byte("WEBVTT\n\n00:01.000 --> 00:02.500\nfirst &amp; <i>second</i>\nthird\n\n00:03.000 --> 00:04.000\n2 &lt; 3\n"))
	srt := written(t, []byte("1\n00:00:01,000 --> 00:00:02,500\nfirst & <i>second</i>\nthird\n\n2\n00:00:03,000 --> 00:00:04,000\n2 < 3\n"))
	want := head + "\n00:00:01.000 --> 00:00:02.500\nfirst &amp; <i>second</i>\nthird\n\n00:00:03.000 --> 00:00:04.000\n2 &lt; 3\n"
	video := "-f lavfi -i testsrc2=s=64x36:r=25:d=5 -c:v libx264 -preset ultrafast -map 1 -map 0 "
	for name, rest := range map[string]string{
		"SubRip": "-c:s subrip -f matroska", "Advanced SubStation": "-c:s ass -f matroska", "WebVTT": "", "MP4": "-c:s mov_text -f mp4",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, media.Config{})
			in := srt
			if name == "WebVTT" {
				in, rest = vtt, "-c:s copy -f matroska"
			}
			path := clip(t, "-i "+in+" "+video+rest)
			got, err := w.subtitles(path, 1, 0)
			if err != nil || got != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
			// Times count from the origin.
			got, err = w.subtitles(path, 1, 1500*time.Millisecond)
			if err != nil || !strings.Contains(got, "\n00:00:00.000 --> 00:00:01.000\nfirst") || !strings.Contains(got, "\n00:00:01.500 --> 00:00:02.500\n") {
				t.Errorf("from 1.5 s: %q, %v", got, err)
			}
			got, err = w.subtitles(path, 1, 2500*time.Millisecond)
			if err != nil || strings.Contains(got, "first") {
				t.Errorf("from 2.5 s: %q, %v", got, err)
			}
		})
	}
}

func TestSidecars(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"SubRip", "1\r\n00:00:01,000 --> 00:00:02,000\r\n<b>bold</b> plain\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nlast\r\n",
			"\n00:00:01.000 --> 00:00:02.000\n<b>bold</b> plain\n\n00:00:03.000 --> 00:00:04.000\nlast\n"},
		{"WebVTT", "WEBVTT\n\nNOTE a comment\nof two lines\n\nSTYLE\n::cue { color: red }\n\nid\n00:01.000 --> 00:02.000 align:start position:0%\n<v Bob>Hello &amp; <c.red>goodbye</c>\n",
			"\n00:00:01.000 --> 00:00:02.000\nHello &amp; goodbye\n"},
		{"with a byte order mark", "\xef\xbb\xbf1\n00:00:01,000 --> 00:00:02,000\nüber\n", "\n00:00:01.000 --> 00:00:02.000\nüber\n"},
		{"Windows-1252", "1\n00:00:01,000 --> 00:00:02,000\n\x93\xfcber\x94\n", "\n00:00:01.000 --> 00:00:02.000\n“über”\n"},
		{"UTF-16", "\xff\xfe1\x00\n\x000\x000\x00:\x000\x000\x00:\x000\x001\x00,\x000\x000\x000\x00 \x00-\x00-\x00>\x00 \x000\x000\x00:\x000\x000\x00:\x000\x002\x00,\x000\x000\x000\x00\n\x00h\x00i\x00\n\x00",
			"\n00:00:01.000 --> 00:00:02.000\nhi\n"},
		{"text that looks like markup", "1\n00:00:01,000 --> 00:00:02,000\nif a < b && b > c <script>alert(1)</script> {\\an8}\n",
			"\n00:00:01.000 --> 00:00:02.000\nif a &lt; b &amp;&amp; b &gt; c alert(1) {\\an8}\n"},
		{"empty lines within a cue", "1\n00:00:01,000 --> 00:00:02,000\none\n\n\ntwo\n\n2\n00:00:03,000 --> 00:00:04,000\nthree\n",
			"\n00:00:01.000 --> 00:00:02.000\none\ntwo\n\n00:00:03.000 --> 00:00:04.000\nthree\n"},
		{"out of order, and some that make no sense", "1\n00:00:05,000 --> 00:00:06,000\nlate\n\n2\n00:00:01,000 -->\nbroken\n\n3\nxx --> yy\nbroken\n\n4\n00:00:03,000 --> 00:00:02,000\nbackwards\n\n5\n00:00:01,500 --> 00:00:02,000\nearly\n",
			"\n00:00:01.500 --> 00:00:02.000\nearly\n\n00:00:05.000 --> 00:00:06.000\nlate\n"},
		{"a WebVTT file without cues", "WEBVTT\n", ""},
		{"voices and times within a cue", "WEBVTT\n\n00:01.000 --> 00:02.000\n<v A>one <v B>two <00:00:01.500>three <00:99999999999999999999.000>four\n",
			"\n00:00:01.000 --> 00:00:02.000\none two three four\n"},
		{"control characters", "1\n00:00:01,000 --> 00:00:02,000\na\tb\x07c\u2028d\n", "\n00:00:01.000 --> 00:00:02.000\na bc d\n"},
	}
	var logged bytes.Buffer
	log.SetOutput(&logged)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, media.Config{})
			got, err := w.subtitles(written(t, []byte(tt.in)), -1, 7*time.Second)
			if err != nil || got != head+tt.want {
				t.Errorf("got %q, %v, want %q", got, err, head+tt.want)
			}
		})
	}
	if logged.Len() > 0 {
		t.Errorf("the text of subtitles was logged: %s", logged.Bytes())
	}
}

func TestSidecarsThatAreNone(t *testing.T) {
	w := newWorld(t, media.Config{})
	for name, in := range map[string]string{
		"nothing": "", "text": "hello\nworld\n", "a film": string(read(t, clip(t, picture+x264+"-t 1 -f mp4"))), "arrows": strings.Repeat("-->\n", 1000),
	} {
		if got, err := w.subtitles(written(t, []byte(in)), -1, 0); fault.CodeOf(err) != fault.CodeSourceUnrecognized {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := w.subtitles(filepath.Join(t.TempDir(), "none"), -1, 0); err == nil || fault.ClassOf(err) != fault.Transient {
		t.Errorf("a file that is not there: %v", err)
	}
}
