package integration_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/hls"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/chunk"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/workspacetest"
)

// fullEnv makes the tests of this file use the whole film in the whole ladder: two minutes of 1080p, which take ten
// minutes on two processors. Otherwise half a minute in two small rungs has to do.
const fullEnv = "REELMILL_TEST_FULL"

// film returns a real film and the parameters that it is made with.
func film(t testing.TB) (file string, params contract.TranscodeParams) {
	t.Helper()
	clip := ffmpegtest.BigBuckBunny(t)
	if os.Getenv(fullEnv) != "" {
		return ffmpegtest.Loop(t, clip, 4), contract.TranscodeParams{}
	}
	return clip, contract.TranscodeParams{Video: contract.VideoParams{Heights: []int{360, 240}}}
}

// made makes the film in chunks, and once more as one.
func made(t *testing.T) (chunked, whole *workspacetest.Group, plan contract.TranscodePlan) {
	t.Helper()
	file, params := film(t)
	chunked = newGroup(t, file, params)
	plan, err := chunked.Run(t.Context(), contract.OpVerify)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Video.Chunks) < 3 {
		t.Fatalf("the film was cut into %d chunks", len(plan.Video.Chunks))
	}
	whole = newGroup(t, file, params)
	if _, err := whole.Run(t.Context(), contract.OpPlan); err != nil {
		t.Fatal(err)
	}
	results := whole.Results(contract.OpPlan)
	results[0].Plan.Video.Chunks = chunk.Join(results[0].Plan.Video.Chunks)
	for _, op := range whole.Operations()[1:] {
		if err := whole.Step(t.Context(), op); err != nil {
			t.Fatal(err)
		}
	}
	return chunked, whole, plan
}

func TestAFilmInChunksEqualsTheFilmInOnePiece(t *testing.T) {
	chunked, whole, plan := made(t)
	a, b := export(t, chunked), export(t, whole)
	t.Run("it plays from beginning to end", func(t *testing.T) { playsThroughout(t, a, plan) })
	t.Run("segments begin with keyframes at the same instants in all rungs", func(t *testing.T) { sameKeyframes(t, a, plan) })
	t.Run("the sum of the segments is the source", func(t *testing.T) { sumOfSegments(t, a, plan) })
	for _, r := range plan.Video.Rungs {
		t.Run("the frames of rung "+r.Name, func(t *testing.T) { sameFrames(t, a, b, r.Name) })
	}
	t.Run("the sound, sample by sample", func(t *testing.T) { sameSound(t, a, b) })
	t.Run("what it cost", func(t *testing.T) { sameCost(t, chunked, whole) })
}

func playsThroughout(t *testing.T, dir string, plan contract.TranscodePlan) {
	for _, f := range []string{"master.m3u8", "manifest.mpd", "video.mp4"} {
		run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", filepath.Join(dir, f), "-map", "0", "-f", "null", "-")
		n := strings.Fields(run(t, "ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", filepath.Join(dir, f)))
		if want := strconv.FormatInt(plan.Video.Frames, 10); len(n) == 0 || strings.TrimSuffix(n[0], ",") != want {
			t.Errorf("%s has %v frames, want %s", f, n, want)
		}
	}
}

// keyframes returns the instants of a rung's keyframes.
func keyframes(t *testing.T, dir, rung string) string {
	var times []string
	packets := run(t, "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time,flags", "-of", "csv=p=0", filepath.Join(dir, rung, "index.m3u8"))
	for line := range strings.Lines(packets) {
		if at, flags, _ := strings.Cut(strings.TrimSpace(line), ","); strings.HasPrefix(flags, "K") {
			times = append(times, at)
		}
	}
	return strings.Join(times, " ")
}

func sameKeyframes(t *testing.T, dir string, plan contract.TranscodePlan) {
	want := keyframes(t, dir, plan.Video.Rungs[0].Name)
	segments := 0
	for _, c := range plan.Video.Chunks {
		segments += len(c.Cuts)
	}
	if n := len(strings.Fields(want)); n != segments {
		t.Errorf("there are %d keyframes and %d segments", n, segments)
	}
	for _, r := range plan.Video.Rungs[1:] {
		if got := keyframes(t, dir, r.Name); got != want {
			t.Errorf("keyframes of %s are at %s, want %s", r.Name, got, want)
		}
	}
}

func sumOfSegments(t *testing.T, dir string, plan contract.TranscodePlan) {
	for _, r := range plan.Video.Rungs {
		text, err := os.ReadFile(filepath.Join(dir, r.Name, "index.m3u8"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := hls.ParseMedia(string(text))
		if err != nil {
			t.Fatal(err)
		}
		want := (plan.Video.End - plan.Video.Start).Duration()
		if off := m.Duration() - want; off.Abs() > plan.Video.FrameRate.FrameDuration() {
			t.Errorf("the segments of %s last %v, the source %v", r.Name, m.Duration(), want)
		}
	}
}

// sameFrames compares every frame of a rung in both films, in its place.
func sameFrames(t *testing.T, a, b, rung string) {
	log := filepath.Join(t.TempDir(), "ssim")
	run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", filepath.Join(a, rung, "index.m3u8"), "-i", filepath.Join(b, rung, "index.m3u8"),
		"-lavfi", "[0:v][1:v]ssim=stats_file="+log, "-f", "null", "-")
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	worst, sum, n := 1.0, 0.0, 0
	for s := bufio.NewScanner(f); s.Scan(); n++ {
		_, after, _ := strings.Cut(s.Text(), "All:")
		value, _, _ := strings.Cut(after, " ")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("line %q: %v", s.Text(), err)
		}
		worst, sum = min(worst, v), sum+v
	}
	t.Logf("%d frames, SSIM %.4f, that of the worst %.4f", n, sum/float64(n), worst)
	// A frame that stood in another's place would be far below the worst of two encodes of the same frame.
	if n == 0 || sum/float64(n) < 0.99 || worst < 0.93 {
		t.Errorf("SSIM %.4f, that of the worst frame %.4f", sum/float64(max(n, 1)), worst)
	}
}

// samples returns a digest of all samples of a film's sound, and how many there are.
func samples(t *testing.T, dir string) (digest string, n int) {
	pcm := run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", filepath.Join(dir, "master.m3u8"), "-map", "0:a:0", "-f", "s16le", "-")
	sum := sha256.Sum256([]byte(pcm))
	return hex.EncodeToString(sum[:]), len(pcm) / 4
}

func sameSound(t *testing.T, a, b string) {
	got, n := samples(t, a)
	want, m := samples(t, b)
	if got != want || n != m || n == 0 {
		t.Errorf("%d samples with digest %s, want %d with %s", n, got, m, want)
	}
}

// silence that is as long as a gap at a join of chunks would be.
const gap = 5 * time.Millisecond

func TestThereIsNoSilenceAtAnyJoin(t *testing.T) {
	file, params := film(t)
	g := newGroup(t, file, params)
	plan, err := g.Run(t.Context(), contract.OpPackage)
	if err != nil {
		t.Fatal(err)
	}
	found := silences(t, filepath.Join(export(t, g), "master.m3u8"))
	had := silences(t, file)
	for _, c := range plan.Video.Chunks[1:] {
		at := c.Cuts[0].Duration()
		near := func(s time.Duration) bool { return (s - at).Abs() < 100*time.Millisecond }
		if slices.ContainsFunc(found, near) && !slices.ContainsFunc(had, near) {
			t.Errorf("there is silence at the join at %v", at)
		}
	}
}

// silences returns when silence of at least a gap begins.
func silences(t *testing.T, file string) []time.Duration {
	text := run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", file, "-map", "0:a:0", "-af",
		fmt.Sprintf("silencedetect=noise=-70dB:duration=%f,ametadata=mode=print:key=lavfi.silence_start:file=-", gap.Seconds()), "-f", "null", "-")
	var all []time.Duration
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "lavfi.silence_start="); ok {
			d, err := time.ParseDuration(value + "s")
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, d)
		}
	}
	return all
}

// sameCost compares processor time and bytes of both ways.
func sameCost(t *testing.T, chunked, whole *workspacetest.Group) {
	sum := func(g *workspacetest.Group) (cpu time.Duration, bytes int64) {
		for _, r := range g.Results(contract.OpChunk) {
			cpu += r.Usage.CPU
			for _, o := range r.Outputs {
				bytes += o.SizeBytes
			}
		}
		return cpu, bytes
	}
	cpuA, bytesA := sum(chunked)
	cpuB, bytesB := sum(whole)
	t.Logf("in chunks %v and %d bytes, in one piece %v and %d bytes: %.3f and %.3f", cpuA, bytesA, cpuB, bytesB,
		float64(cpuA)/float64(cpuB), float64(bytesA)/float64(bytesB))
	var verify, encode time.Duration
	for _, r := range chunked.Results(contract.OpVerify) {
		verify += r.Usage.CPU
	}
	encode = cpuA
	t.Logf("verification took %v, %.3f of encoding with its own checks", verify, float64(verify)/float64(encode))
	if ratio := float64(bytesA) / float64(bytesB); ratio > 1.03 {
		t.Errorf("the chunks are %.3f of the size", ratio)
	}
}
