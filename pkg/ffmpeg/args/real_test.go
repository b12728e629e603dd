package args_test

import (
	"bytes"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
)

// film returns a film of eight seconds with a keyframe every second, under a neutral name.
func film(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("REELMILL_TEST_REQUIRE") == "1" {
			t.Fatal("ffmpeg is missing")
		}
		t.Skip("ffmpeg is missing")
	}
	src := filepath.Join(t.TempDir(), "src")
	ffmpeg(t, strings.Fields("-v error -f lavfi -i testsrc2=s=320x240:r=25:d=8 -f lavfi -i sine=d=8 -c:v libx264 -g 25 -c:a aac -f mp4 "+src))
	return src
}

func ffmpeg(t *testing.T, argv []string) string {
	t.Helper()
	cmd := exec.Command("ffmpeg", argv...)
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffmpeg %q: %v: %s", argv, err, diag.Bytes())
	}
	if diag.Len() > 0 {
		t.Logf("ffmpeg says: %s", diag.Bytes())
	}
	return out.String()
}

func build(t *testing.T, p args.Plan) []string {
	t.Helper()
	argv, err := args.Build(p)
	if err != nil {
		t.Fatal(err)
	}
	return argv
}

// size returns the dimensions of a picture, by its header where the standard library knows the format.
func size(t *testing.T, path string) image.Point {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	c, _, err := image.DecodeConfig(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return image.Pt(c.Width, c.Height)
}

func TestAllPicturesInOneRun(t *testing.T) {
	src, dir := film(t), filepath.Join(t.TempDir(), "100% [it's], a:b")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p := thumbnails(src, dir, time.Second, 2)
	// A '%' in a folder's name would be taken for a number, so series are refused there.
	if _, err := args.Build(p); err == nil {
		t.Error("a series in a folder with '%' is accepted")
	}
	dir = t.TempDir()
	ffmpeg(t, build(t, thumbnails(src, dir, time.Second, 2)))
	for name, want := range map[string]image.Point{
		"sprite.jpg": {X: 1600, Y: 900}, "poster.jpg": {X: 1280, Y: 720}, "l_01.jpg": {X: 640, Y: 360}, "m_04.jpg": {X: 320, Y: 180}, "s_02.jpg": {X: 160, Y: 90},
	} {
		if got := size(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for pattern, want := range map[string]int{"l_*.jpg": 4, "l_*.webp": 4, "m_*.webp": 4, "s_*.webp": 4, "poster.webp": 1} {
		got, _ := filepath.Glob(filepath.Join(dir, pattern))
		if len(got) != want {
			t.Errorf("%s: %d files, want %d", pattern, len(got), want)
		}
		for _, f := range got {
			if b, _ := os.ReadFile(f); strings.HasSuffix(f, "webp") && !bytes.HasPrefix(b[8:], []byte("WEBPVP8 ")) {
				t.Errorf("%s is no still WebP", f)
			}
		}
	}
}

func TestSeeksInOneRun(t *testing.T) {
	src, dir := film(t), filepath.Join(t.TempDir(), "%03d it's a:b")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ffmpeg(t, build(t, seeks(src, dir, 0, 3*time.Second, 3*time.Second, 6500*time.Millisecond)))
	same := func(a, b int) bool {
		read := func(i int) []byte {
			path := filepath.Join(dir, "at_"+string(rune('0'+i))+"%.png")
			if got := size(t, path); got != image.Pt(320, 240) {
				t.Errorf("%s is %v", path, got)
			}
			b, _ := os.ReadFile(path)
			return b
		}
		return bytes.Equal(read(a), read(b))
	}
	if !same(1, 2) || same(0, 1) || same(1, 3) {
		t.Error("the stills are not those of their instants")
	}
}

func TestLadder(t *testing.T) {
	src, dir := film(t), t.TempDir()
	ffmpeg(t, build(t, ladder(src, dir)))
	for _, f := range []string{"high/p.m3u8", "high/s_00007.m4s", "low/init_1.mp4", "audio/s_00000.m4s"} {
		if st, err := os.Stat(filepath.Join(dir, f)); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", f, err)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "low", "p.m3u8")); bytes.Contains(b, []byte("file:")) || bytes.Contains(b, []byte(dir)) {
		t.Errorf("the playlist holds a path: %s", b)
	}
}

func TestEscapingAsFFmpegReadsIt(t *testing.T) {
	src := film(t)
	for _, want := range awkward {
		if want == "" || strings.TrimSpace(want) != want {
			continue // the filter that prints values does not print these as they are
		}
		f := []args.Filter{
			args.New("metadata", args.Option{Name: "mode", Value: "add"}, args.Option{Name: "key", Value: "k"}, args.Option{Name: "value", Value: want}),
			args.New("metadata", args.Option{Name: "mode", Value: "print"}, args.Option{Name: "file", Value: "-"}),
		}
		out := ffmpeg(t, build(t, args.Plan{
			Inputs:  []args.Input{{Path: src}},
			Graph:   []args.Chain{args.Through(args.Video(0, 0), f, "v")},
			Outputs: []args.Output{{Path: "null", Format: "null", From: []args.Pad{args.Label("v")}, Frames: 1}},
		}))
		_, got, _ := strings.Cut(out, "\nk=")
		if got, _, _ = strings.Cut(got, "\n"); got != want {
			t.Errorf("%q is read as %q", want, got)
		}
	}
}

func TestHostileNamesAreOnlyNames(t *testing.T) {
	src := film(t)
	for _, name := range []string{"-dash", "a:b|c", "new\nline", `q"u'o`, "%03d", "http:", "pipe:1", "emoji 🎬", strings.Repeat("n", 240)} {
		in := filepath.Join(t.TempDir(), name)
		if err := os.Symlink(src, in); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), name)
		ffmpeg(t, build(t, args.Plan{
			Inputs:  []args.Input{{Path: in}},
			Outputs: []args.Output{{Path: out, Format: "mp4", From: []args.Pad{args.Video(0, 0)}, Frames: 1, Options: []args.Option{{Name: "c:v", Value: "copy"}}}},
		}))
		if st, err := os.Stat(out); err != nil || st.Size() == 0 {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestHardFlagsRefuse(t *testing.T) {
	src := film(t)
	dir := t.TempDir()
	listing := filepath.Join(dir, "list")
	if err := os.WriteFile(listing, []byte("ffconcat version 1.0\nfile src\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]args.Input{
		"a script":           {Path: listing},
		"a picture too big":  {Path: src, Guard: args.Guard{MaxPixels: 320*240 - 1}},
		"a stream too many":  {Path: src, Guard: args.Guard{MaxStreams: 1}},
		"a network protocol": {Path: "http://127.0.0.1:9/x"},
	} {
		p := args.Plan{Inputs: []args.Input{in}, FailFast: true, Outputs: []args.Output{{Path: "null", Format: "null", From: []args.Pad{args.Video(0, 0)}}}}
		if out, err := exec.Command("ffmpeg", build(t, p)...).CombinedOutput(); err == nil {
			t.Errorf("%s is accepted: %s", name, out)
		}
	}
}

// TestSubtitlesNeedTheirDecoders: a run that is not told to convert subtitles does not.
func TestSubtitlesNeedTheirDecoders(t *testing.T) {
	film(t) // skips where there is no ffmpeg
	dir := t.TempDir()
	srt, src := filepath.Join(dir, "s.srt"), filepath.Join(dir, "src")
	if err := os.WriteFile(srt, []byte("1\n00:00:01,000 --> 00:00:02,000\nhello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ffmpeg(t, strings.Fields("-v error -i "+srt+" -f lavfi -i testsrc2=s=64x36:d=3 -map 1 -map 0 -c:v mpeg4 -c:s subrip -f matroska "+src))
	out := filepath.Join(dir, "out")
	for _, allowed := range []bool{false, true} {
		argv := build(t, args.Plan{Inputs: []args.Input{{Path: src, Guard: args.Guard{TextSubtitles: allowed}}},
			Outputs: []args.Output{{Path: out, Format: "webvtt", From: []args.Pad{args.Stream(0, 1)}}}})
		msg, err := exec.Command("ffmpeg", argv...).CombinedOutput()
		if (err == nil) != allowed {
			t.Errorf("allowed %v: %v: %s", allowed, err, msg)
		}
	}
	if b, err := os.ReadFile(out); err != nil || !bytes.Contains(b, []byte("hello")) {
		t.Errorf("the subtitles are %q, %v", b, err)
	}
	if !args.IsText("mov_text") || args.IsText("dvd_subtitle") || args.IsText("") {
		t.Error("IsText is wrong")
	}
}

// TestASeekByTimestamp finds the same frame whatever instant the file begins at.
func TestASeekByTimestamp(t *testing.T) {
	src, late := film(t), filepath.Join(t.TempDir(), "late")
	ffmpeg(t, strings.Fields("-v error -itsoffset 100 -i "+src+" -c copy -f matroska "+late))
	first := func(path string, at time.Duration) string {
		p := args.Plan{CopyTimestamps: true, Inputs: []args.Input{{Path: path, Seek: at, NearestKeyframe: true, ByTimestamp: true}},
			Graph:   []args.Chain{args.Through(args.Video(0, 0), []args.Filter{args.Timebase(90000), args.Trim(at, 0)}, "v")},
			Outputs: []args.Output{{Path: "/dev/stdout", Format: "framemd5", From: []args.Pad{args.Label("v")}, Frames: 1, PassthroughTiming: true}}}
		out := strings.TrimSpace(ffmpeg(t, build(t, p)))
		return out[strings.LastIndex(out, ",")+1:]
	}
	if a, b := first(src, 3290*time.Millisecond), first(late, 103290*time.Millisecond); a != b || a == "" {
		t.Errorf("the frames are %s and %s", a, b)
	}
}
