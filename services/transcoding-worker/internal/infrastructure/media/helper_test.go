package media_test

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
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	coremedia "github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/infrastructure/media"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	goleak.VerifyTestMain(m)
}

var findTools = sync.OnceValues(func() (ffmpeg.Tools, error) { return ffmpeg.Find(context.Background()) })

func newRunner(t testing.TB) *ffmpeg.Runner {
	t.Helper()
	tools, err := findTools()
	if fault.CodeOf(err) == fault.CodeFFmpegMissing && os.Getenv("REELMILL_TEST_REQUIRE") != "1" {
		t.Skipf("ffmpeg is missing: %v", err)
	}
	r, err2 := ffmpeg.NewRunner(tools, ffmpeg.Config{})
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return r
}

// plain runs ffmpeg or ffprobe without anything of ours around it, and returns what it writes to standard
// output.
func plain(t testing.TB, program string, argv ...string) string {
	t.Helper()
	newRunner(t) // skips where there is none
	cmd := exec.CommandContext(t.Context(), program, argv...)
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v: %.2000s", program, argv, err, diag.Bytes())
	}
	return out.String()
}

// clip makes a file of ffmpeg's arguments, which are separated by spaces, under a name that says nothing.
func clip(t testing.TB, argv string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "src")
	plain(t, "ffmpeg", append(strings.Fields("-nostdin -v error "+argv), path)...)
	return path
}

const (
	picture = "-f lavfi -i testsrc2=s=320x180:r=25:d=8 "
	x264    = "-c:v libx264 -preset veryfast -g 60 -sc_threshold 0 "
)

// world is what most tests work with.
type world struct {
	t       testing.TB
	inspect *media.Inspector
	encode  *media.Encoder
	check   *media.Checker
	meter   transcode.Meter
}

func newWorld(t testing.TB, cfg media.Config) *world {
	t.Helper()
	run := newRunner(t)
	return &world{t: t, inspect: media.NewInspector(run, cfg), encode: media.NewEncoder(run, cfg), check: media.NewChecker(run, cfg)}
}

// source inspects a file, and remuxes it where its index is not exact.
func (w *world) source(path string, policy transcode.Policy) transcode.Source {
	w.t.Helper()
	src, err := w.inspect.Inspect(w.t.Context(), path, policy)
	if err != nil {
		w.t.Fatalf("inspect: %v", err)
	}
	if src.Exact || policy.AudioOnly {
		return src
	}
	return w.remuxed(src, policy)
}

// remuxed remuxes a source.
func (w *world) remuxed(src transcode.Source, policy transcode.Policy) transcode.Source {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "remuxed")
	if err := w.encode.Remux(w.t.Context(), src, path, &w.meter); err != nil {
		w.t.Fatalf("remux: %v", err)
	}
	copied, err := w.inspect.Inspect(w.t.Context(), path, policy)
	if err != nil || !copied.Exact || len(copied.Times) != len(src.Times) && !src.Damaged {
		w.t.Fatalf("the remuxed source: %v, exact %v, %d frames of %d", err, copied.Exact, len(copied.Times), len(src.Times))
	}
	copied.Damaged = copied.Damaged || src.Damaged
	return copied
}

// wish is what a test asks for; zero fields mean 37 frames a segment, three segments a chunk, two rungs.
type wish struct {
	perSegment, perChunk int
	rungs                []contract.Rung
	change               func(*contract.VideoPlan)
}

func rung(width, height int) contract.Rung {
	return contract.Rung{Name: fmt.Sprintf("%dp", min(width, height)), Width: width, Height: height, Codec: contract.H264, CRF: 23,
		MaxBitsPerSecond: 2_000_000, BufferBits: 4_000_000, Profile: "high", Level: "3.1"}
}

func (w wish) withDefaults() wish {
	if w.perSegment == 0 {
		w.perSegment = 37
	}
	if w.perChunk == 0 {
		w.perChunk = 3
	}
	if w.rungs == nil {
		w.rungs = []contract.Rung{rung(320, 180), rung(160, 90)}
	}
	return w
}

// planOf plans the picture of a source: what the domain does, without any cleverness.
func planOf(src transcode.Source, w wish) contract.TranscodePlan {
	w = w.withDefaults()
	v, _ := src.Info.PrimaryVideo()
	origin := src.Times[0]
	times := make([]time.Duration, len(src.Times))
	for i, at := range src.Times {
		times[i] = at - origin
	}
	rate := v.Video.FrameRate
	if !rate.Known() {
		rate = coremedia.FrameRate{Num: 25, Den: 1}
	}
	plan := contract.TranscodePlan{Origin: contract.Seconds(origin), Duration: contract.Seconds(src.End - origin), Segment: contract.Seconds(2 * time.Second),
		Damaged: src.Damaged, Format: src.Info.Format, Video: &contract.VideoPlan{Stream: v.Index, Source: *v.Video, FrameRate: rate, Rungs: w.rungs, End: contract.Seconds(src.End - origin), ToneMap: v.Video.HDR(), Deinterlace: v.Video.Interlaced()}}
	if w.change != nil {
		w.change(plan.Video)
	}
	if plan.Video.Resample {
		times = nil
		for n := int64(0); plan.Video.FrameRate.Instant(n) < plan.Video.End.Duration(); n++ {
			times = append(times, plan.Video.FrameRate.Instant(n))
		}
	}
	cut(plan.Video, times, w)
	return plan
}

func cut(v *contract.VideoPlan, times []time.Duration, w wish) {
	v.Frames = int64(len(times))
	segment := 1
	for first := 0; first < len(times); first += w.perSegment * w.perChunk {
		c := contract.Chunk{First: int64(first), Frames: int64(min(w.perSegment*w.perChunk, len(times)-first)), FirstSegment: segment, End: v.End}
		for i := first; i < first+int(c.Frames); i += w.perSegment {
			c.Cuts = append(c.Cuts, contract.Seconds(times[i]))
		}
		segment += len(c.Cuts)
		if next := first + int(c.Frames); next < len(times) {
			c.End = contract.Seconds(times[next])
		}
		if first > 0 {
			c.Lead = contract.Seconds(times[first] - times[first-1])
		}
		v.Chunks = append(v.Chunks, c)
	}
}

// unsplit returns the plan as one chunk with the same cuts.
func unsplit(p contract.TranscodePlan) contract.TranscodePlan {
	v := *p.Video
	one := contract.Chunk{Frames: v.Frames, FirstSegment: 1, End: v.Chunks[len(v.Chunks)-1].End}
	for _, c := range v.Chunks {
		one.Cuts = append(one.Cuts, c.Cuts...)
	}
	v.Chunks = []contract.Chunk{one}
	p.Video = &v
	return p
}

// encoded are the files of a film, by rung.
type encoded struct {
	inits    [][]string
	segments [][]string
}

// rendition returns the i-th rung.
func (e encoded) rendition(i int) transcode.Rendition {
	return transcode.Rendition{Kind: coremedia.KindVideo, Init: e.inits[i][0], Segments: e.segments[i]}
}

// film encodes all chunks of a plan.
func (w *world) film(path string, p contract.TranscodePlan) encoded {
	w.t.Helper()
	e := encoded{inits: make([][]string, len(p.Video.Rungs)), segments: make([][]string, len(p.Video.Rungs))}
	for i, c := range p.Video.Chunks {
		next := map[int]int{}
		var last float64
		in := transcode.Input{Path: path, Plan: p, Progress: func(s float64) { last = s }}
		err := w.encode.Chunk(w.t.Context(), in, i, w.t.TempDir(), func(m transcode.Made) error {
			want, begun := next[m.Rung]
			if !begun {
				if m.Number != 0 {
					return fmt.Errorf("rung %d begins with segment %d", m.Rung, m.Number)
				}
				e.inits[m.Rung] = append(e.inits[m.Rung], m.Path)
				next[m.Rung] = c.FirstSegment
				return nil
			}
			if m.Number != want {
				return fmt.Errorf("segment %d of rung %d came where %d belongs", m.Number, m.Rung, want)
			}
			next[m.Rung]++
			e.segments[m.Rung] = append(e.segments[m.Rung], m.Path)
			return nil
		}, &w.meter)
		if err != nil {
			w.t.Fatalf("chunk %d: %v", i, err)
		}
		if last != 1 {
			w.t.Errorf("chunk %d: the last progress is %v", i, last)
		}
		for r := range p.Video.Rungs {
			if got := next[r] - c.FirstSegment; got != len(c.Cuts) {
				w.t.Errorf("chunk %d: %d segments of rung %d, want %d", i, got, r, len(c.Cuts))
			}
		}
	}
	return e
}

// together writes a rendition into one file.
func together(t testing.TB, r transcode.Rendition) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "whole.mp4")
	var all []byte
	for _, p := range append([]string{r.Init}, r.Segments...) {
		all = append(all, read(t, p)...)
	}
	if err := os.WriteFile(path, all, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// packet is a line of ffprobe's list of packets.
type packet struct {
	pts, dts float64
	key      bool
}

// packets lists the packets of the first stream.
func packets(t testing.TB, path string) []packet {
	t.Helper()
	var all []packet
	for l := range strings.SplitSeq(plain(t, "ffprobe", "-v", "error", "-select_streams", "0", "-show_entries", "packet=pts_time,dts_time,flags", "-of", "csv=p=0", path), "\n") {
		f := strings.Split(strings.TrimSpace(l), ",")
		if len(f) < 3 {
			continue
		}
		var p packet
		p.pts, _ = strconv.ParseFloat(f[0], 64)
		p.dts, _ = strconv.ParseFloat(f[1], 64)
		p.key = strings.Contains(f[2], "K")
		all = append(all, p)
	}
	return all
}

// times returns the presentation times in order.
func times(ps []packet) []float64 {
	var all []float64
	for _, p := range ps {
		all = append(all, p.pts)
	}
	slices.Sort(all)
	return all
}

// ssim compares two films frame by frame, in the size of the first, and returns the mean and the least
// likeness.
func ssim(t testing.TB, a, b string) (mean, least float64, frames int) {
	t.Helper()
	graph := "[0:v:0]settb=1/25,setpts=N,format=yuv420p[a];[1:v:0]settb=1/25,setpts=N,format=yuv420p[b0];[b0][a]scale2ref[b][a1];[a1][b]ssim=stats_file=-"
	out := plain(t, "ffmpeg", "-nostdin", "-v", "error", "-i", a, "-i", b, "-filter_complex", graph, "-f", "null", "-")
	least = 1
	for l := range strings.SplitSeq(out, "\n") {
		_, rest, ok := strings.Cut(l, "All:")
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
		if err != nil {
			t.Fatalf("read %q: %v", l, err)
		}
		mean, least, frames = mean+v, min(least, v), frames+1
	}
	return mean / float64(max(1, frames)), least, frames
}
