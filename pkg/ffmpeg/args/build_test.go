package args_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/args"
)

var update = flag.Bool("update", false, "write the golden files")

// thumbnails is the plan of all pictures of a film in one run: a sprite sheet, ten stills in three
// sizes and two formats, two posters: 63 files.
func thumbnails(src, dir string, interval time.Duration, group int) args.Plan {
	p := args.Plan{
		Inputs: []args.Input{{Path: src, KeyframesOnly: true, DiscardAudio: true, Threads: 1}},
		Graph: []args.Chain{
			args.Through(args.Video(0, 0), []args.Filter{args.Split()}, "sheet", "stills", "poster"),
			args.Through(args.Label("sheet"), []args.Filter{args.FPS(interval, "near"), args.Scale(160, 90), args.Tile(10, 10)}, "sprite"),
			args.Through(args.Label("stills"), []args.Filter{args.Scale(640, 360), args.Thumbnail(group), args.Split()}, "l1", "l2", "d"),
			args.Through(args.Label("d"), []args.Filter{args.Scale(320, 180), args.Split()}, "m1", "m2", "e"),
			args.Through(args.Label("e"), []args.Filter{args.Scale(160, 90), args.Split()}, "s1", "s2"),
			args.Through(args.Label("poster"), []args.Filter{args.Trim(time.Second, 0), args.Thumbnail(group), args.TrimFrames(0, 1),
				args.ScaleTo(media.Resolution{Width: 1280, Height: 720}), args.SquareSamples(), args.Split()}, "p1", "p2"),
		},
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	p.Outputs = append(p.Outputs, args.JPEG(path("sprite.jpg"), args.Label("sprite"), 4))
	for _, size := range []string{"l", "m", "s"} {
		p.Outputs = append(p.Outputs,
			args.JPEG(path(size+"_%02d.jpg"), args.Label(size+"1"), 3).AsSeries(10),
			args.WebP(path(size+"_%02d.webp"), args.Label(size+"2"), 75).AsSeries(10))
	}
	return withPosters(p, path)
}

func withPosters(p args.Plan, path func(string) string) args.Plan {
	p.Outputs = append(p.Outputs, args.JPEG(path("poster.jpg"), args.Label("p1"), 2), args.WebP(path("poster.webp"), args.Label("p2"), 80))
	return p
}

// seeks is the plan of one still each from several instants.
func seeks(src, dir string, at ...time.Duration) args.Plan {
	var p args.Plan
	for i, t := range at {
		p.Inputs = append(p.Inputs, args.Input{Path: src, Seek: t, NearestKeyframe: true, Threads: 1})
		label := fmt.Sprintf("v%d", i)
		p.Graph = append(p.Graph, args.Through(args.Video(i, 0), []args.Filter{args.Scale(320, -2)}, label))
		p.Outputs = append(p.Outputs, args.PNG(filepath.Join(dir, fmt.Sprintf("at_%d%%.png", i)), args.Label(label)))
	}
	return p
}

// ladder is a plan of two rungs with sound for HLS.
func ladder(src, dir string) args.Plan {
	return args.Plan{
		Inputs: []args.Input{{Path: src}},
		Graph: []args.Chain{
			args.Through(args.Video(0, 0), []args.Filter{args.Split()}, "v0", "x"),
			args.Through(args.Label("x"), []args.Filter{args.Scale(-2, 120), args.SquareSamples()}, "v1"),
		},
		Outputs: []args.Output{{
			Path: filepath.Join(dir, "%v", "p.m3u8"), Format: "hls",
			From: []args.Pad{args.Label("v0"), args.Label("v1"), args.Audio(0, 0)},
			Options: []args.Option{
				{Name: "c:v", Value: "libx264"}, {Name: "preset", Value: "veryfast"}, {Name: "g", Value: "25"}, {Name: "sc_threshold", Value: "0"},
				{Name: "maxrate:v:0", Value: "800k"}, {Name: "bufsize:v:0", Value: "1200k"}, {Name: "maxrate:v:1", Value: "300k"}, {Name: "bufsize:v:1", Value: "600k"},
				{Name: "c:a", Value: "aac"}, {Name: "avoid_negative_ts", Value: "disabled"},
				{Name: "hls_time", Value: "1"}, {Name: "hls_playlist_type", Value: "vod"}, {Name: "hls_segment_type", Value: "fmp4"},
				{Name: "hls_segment_filename", Value: filepath.Join(dir, "%v", "s_%05d.m4s")}, {Name: "hls_fmp4_init_filename", Value: "init.mp4"},
				{Name: "var_stream_map", Value: "v:0,agroup:a,name:high v:1,agroup:a,name:low a:0,agroup:a,name:audio"},
			},
		}},
	}
}

// chunk is a plan of a part of a film in segments, deinterlaced and at a constant rate.
func chunk(src string) args.Plan {
	filters := []args.Filter{args.Timebase(90000), args.Trim(7*time.Second, 13*time.Second), args.Deinterlace(), args.Shift(-9000), args.StartAt(540000),
		args.FrameRate(media.FrameRate{Num: 60, Den: 1}), args.PadFrames(4), args.Scale(320, 180)}
	filters = append(append(filters, args.ToneMap("smpte2084")...), args.DropSideData(), args.SquareSamples())
	return args.Plan{
		Inputs: []args.Input{{Path: src, Seek: 7 * time.Second, NearestKeyframe: true, ByTimestamp: true, DiscardAudio: true, Threads: 2}},
		Graph:  []args.Chain{args.Through(args.Stream(0, 0), filters, "v")},
		Outputs: []args.Output{{Path: "0/list.m3u8", Format: "hls", From: []args.Pad{args.Label("v")}, Frames: 150, PassthroughTiming: true, Options: []args.Option{
			{Name: "c:v", Value: "libx265"}, {Name: "x265-params", Value: "log-level=none:info=0"}, {Name: "forced-idr", Value: "1"},
			{Name: "force_key_frames", Value: "6.000000,8.000000"}, {Name: "bsf:v", Value: `setts=pts=PTS:dts=max(DTS\,PREV_OUTDTS+1)`},
		}}},
		CopyTimestamps: true, FailFast: true,
	}
}

// sound is a plan of a track whose loudness is measured behind a limiter, and of its subtitles.
func sound(src string) args.Plan {
	filters := []args.Filter{args.AudioTimebase(1_000_000), args.AudioShift(-20), args.Resample(48000), args.Samples(48000, 1), args.Silence(96000), args.AudioTrim(0, time.Hour),
		args.Gain(-6.25), args.Limit(0.8414)}
	return args.Plan{
		Inputs: []args.Input{{Path: src, GeneratePTS: true, DropCorrupt: true, Guard: args.Guard{TextSubtitles: true}}},
		Graph:  []args.Chain{args.Through(args.Audio(0, 0), append(filters, args.Loudness()...), "a")},
		Outputs: []args.Output{
			{Path: "null", Format: "null", From: []args.Pad{args.Label("a")}},
			{Path: "subs", Format: "webvtt", From: []args.Pad{args.Stream(0, 3)}},
		},
	}
}

func TestGolden(t *testing.T) {
	audio := args.Plan{
		Inputs:         []args.Input{{Path: "-dash,:|name", Seek: 90 * time.Minute, Duration: 1500 * time.Microsecond, NoAutorotate: true, DiscardSubtitles: true, Guard: args.Guard{MaxPixels: 1000, MaxStreams: 3, ProbeBytes: 5, AnalyzeSpan: time.Second}}},
		Outputs:        []args.Output{{Path: "o", Format: "null", From: []args.Pad{args.Stream(0, 7), args.Audio(0, 1)}, Options: []args.Option{{Name: "metadata", Value: "b=1"}, {Name: "metadata", Value: "a=2"}}}},
		CopyTimestamps: true, FailFast: true, FilterThreads: 2,
	}
	for name, p := range map[string]args.Plan{
		"thumbnails": thumbnails("src", "out", 6*time.Second, 10),
		"seeks":      seeks("src", "out", 0, 300*time.Second, 300*time.Second, 400500*time.Millisecond),
		"ladder":     ladder("src", "out"),
		"no_graph":   audio,
		"chunk":      chunk("src"),
		"sound":      sound("src"),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := args.Build(p)
			if err != nil {
				t.Fatal(err)
			}
			again, err := args.Build(p)
			if err != nil || strings.Join(again, "\n") != strings.Join(got, "\n") {
				t.Errorf("a second Build gives other arguments: %v", err)
			}
			golden(t, name, got)
		})
	}
	golden(t, "probe", args.Probe("src", args.Guard{}, "-show_streams", "-of", "json"))
}

func golden(t *testing.T, name string, got []string) {
	t.Helper()
	file := filepath.Join("testdata", name+".args")
	text := strings.Join(got, "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || text != string(want) {
		t.Errorf("%s differs (%v), got:\n%s", file, err, text)
	}
}

func TestBuildRefusesPlansThatMakeNoSense(t *testing.T) {
	tests := []struct {
		name   string
		change func(p *args.Plan)
	}{
		{"no input", func(p *args.Plan) { p.Inputs = nil }},
		{"no output", func(p *args.Plan) { p.Outputs = nil }},
		{"a path that is empty", func(p *args.Plan) { p.Inputs[0].Path = "" }},
		{"a path with a zero byte", func(p *args.Plan) { p.Outputs[0].Path = "a\x00b" }},
		{"a negative seek", func(p *args.Plan) { p.Inputs[0].Seek = -1 }},
		{"a seek by timestamp that drops frames", func(p *args.Plan) { p.Inputs[0].ByTimestamp = true }},
		{"an input that is not there", func(p *args.Plan) { p.Graph[0].From[0] = args.Video(1, 0) }},
		{"a stream before the first", func(p *args.Plan) { p.Graph[0].From[0] = args.Video(0, -1) }},
		{"a zero pad", func(p *args.Plan) { p.Graph[0].From[0] = args.Pad{} }},
		{"a label that nobody makes", func(p *args.Plan) { p.Outputs[0].From[0] = args.Label("zz") }},
		{"a label that nobody uses", func(p *args.Plan) { p.Outputs = p.Outputs[:1] }},
		{"a label used twice", func(p *args.Plan) { p.Outputs[1].From[0] = args.Label("a") }},
		{"a label made twice", func(p *args.Plan) { p.Graph[0].To[1] = "a" }},
		{"a label used before it is made", func(p *args.Plan) { p.Graph[0].From[0] = args.Label("b") }},
		{"a label that is no name", func(p *args.Plan) { p.Graph[0].To[1] = "a]b" }},
		{"a stream that feeds two chains", func(p *args.Plan) {
			p.Graph = append(p.Graph, args.Through(args.Video(0, 0), []args.Filter{args.Scale(1, 1)}, "c"))
		}},
		{"a chain without filters", func(p *args.Plan) { p.Graph[0].Filters = nil }},
		{"a split in the middle", func(p *args.Plan) { p.Graph[0].Filters = []args.Filter{args.Split(), args.Scale(1, 1)} }},
		{"a filter that is no name", func(p *args.Plan) { p.Graph[0].Filters[0] = args.New("scale=1:1,movie") }},
		{"an option that is no name", func(p *args.Plan) { p.Graph[0].Filters[0].Options = []args.Option{{Name: "w=1:h", Value: "1"}} }},
		{"a positional value that names an option", func(p *args.Plan) { p.Graph[0].Filters[0].Options = []args.Option{{Value: "w=1"}} }},
		{"a control character", func(p *args.Plan) { p.Graph[0].Filters[0].Options[0].Value = "1\n2" }},
		{"text that is not UTF-8", func(p *args.Plan) { p.Outputs[0].Options[0].Value = "\xff" }},
		{"an output without a format", func(p *args.Plan) { p.Outputs[0].Format = "" }},
		{"an output without streams", func(p *args.Plan) { p.Outputs[0].From = nil }},
		{"an option with a field of its own", func(p *args.Plan) { p.Outputs[0].Options = []args.Option{{Name: "map", Value: "0"}} }},
		{"an option that ends in a dash", func(p *args.Plan) { p.Outputs[0].Options = []args.Option{{Name: "x265-", Value: "x"}} }},
		{"an option with a dash", func(p *args.Plan) { p.Outputs[0].Options = []args.Option{{Name: "-i", Value: "x"}} }},
		{"a series without a number", func(p *args.Plan) { p.Outputs[0].Series = true }},
		{"a series with a number in its folder", func(p *args.Plan) { p.Outputs[0].Series, p.Outputs[0].Path = true, "%d/x_%d.jpg" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := args.Plan{
				Inputs:  []args.Input{{Path: "src"}},
				Graph:   []args.Chain{args.Through(args.Video(0, 0), []args.Filter{args.Scale(8, 8), args.Split()}, "a", "b")},
				Outputs: []args.Output{args.JPEG("a.jpg", args.Label("a"), 3), args.PNG("b.png", args.Label("b"))},
			}
			if _, err := args.Build(p); err != nil {
				t.Fatalf("the sound plan: %v", err)
			}
			tt.change(&p)
			if got, err := args.Build(p); !errors.Is(err, args.ErrPlan) {
				t.Errorf("Build = %q, %v", got, err)
			}
		})
	}
}

// TestEqualNodesStayApart builds what ffmpeg-go alone would join: nodes with equal contents, or with
// contents whose hashes have equal sums.
func TestEqualNodesStayApart(t *testing.T) {
	swapped := func(a, b string) args.Output {
		return args.Output{Path: "same", Format: "null", From: []args.Pad{args.Video(0, 0)}, Options: []args.Option{{Name: "b:v", Value: a}, {Name: "bufsize", Value: b}}}
	}
	p := args.Plan{
		Inputs:  []args.Input{{Path: "src"}, {Path: "src"}},
		Outputs: []args.Output{swapped("1", "2"), swapped("2", "1"), swapped("2", "1")},
	}
	// ffmpeg-go leaves out an input that feeds nothing. That the arguments lack it must not go unnoticed.
	if got, err := args.Build(p); err == nil {
		t.Errorf("an input was left out: %q", got)
	}
	p.Inputs = p.Inputs[:1]
	got, err := args.Build(p)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(strings.Join(got, " "), "file:same"); n != 3 {
		t.Errorf("%d outputs: %q", n, got)
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.000000", 420 * time.Millisecond: "0.420000", 26*time.Hour + time.Microsecond: "93600.000001", -1500 * time.Millisecond: "-1.500000", 999: "0.000000",
	} {
		if got := args.Seconds(d); got != want {
			t.Errorf("Seconds(%v) = %q, want %q", d, got, want)
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	p := thumbnails("src", "out", time.Second, 10)
	for b.Loop() {
		if _, err := args.Build(p); err != nil {
			b.Fatal(err)
		}
	}
}
