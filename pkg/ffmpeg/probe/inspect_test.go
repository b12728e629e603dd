package probe_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/probe"
)

// generate writes a file by ffmpeg's own means, without any guard, under a neutral name.
func generate(t *testing.T, argv string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "src")
	if out, err := exec.Command("ffmpeg", append(strings.Fields("-v error "+argv), path)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %s: %v: %s", argv, err, out)
	}
	return path
}

const film = "-f lavfi -i testsrc2=s=320x240:r=25:d=6 -f lavfi -i sine=d=6 -c:v libx264 -g 50 -keyint_min 50 -sc_threshold 0 "

func TestInspectReadsTheIndex(t *testing.T) {
	pr := newProber(t)
	path := generate(t, film+"-f mp4")
	rep, err := pr.Inspect(t.Context(), path, probe.Policy{NeedVideo: true, MaxDuration: 7 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	p := rep.Packets
	want := []time.Duration{0, 2 * time.Second, 4 * time.Second}
	if !slices.Equal(p.Keyframes, want) || p.KeyframeCount != 3 || p.MaxKeyframeGap != 2*time.Second || p.Count != 150 || p.FirstPTS != 0 ||
		p.LastPTS != 5960*time.Millisecond || p.End != 6*time.Second || p.Truncated {
		t.Errorf("Packets = %+v", p)
	}
	if rep.Checked != (probe.Checked{Extent: true, Packets: true}) || rep.IsStill || rep.HasCover || len(rep.Notes) != 0 {
		t.Errorf("Report = %+v", rep)
	}
	d, err := pr.Decode(t.Context(), path, rep, probe.Policy{}, ffmpeg.Limits{})
	if err != nil || d.Frames != 150 || d.OutTime < 5*time.Second {
		t.Errorf("Decode = %+v, %v", d, err)
	}
	for name, policy := range map[fault.Code]probe.Policy{
		fault.CodeSourceTooLong:        {MaxDuration: 5 * time.Second},
		fault.CodeSourceTooLarge:       {MaxPixels: 320*240 - 1},
		fault.CodeSourceTooManyStreams: {MaxStreams: 1},
	} {
		if _, err := pr.Inspect(t.Context(), path, policy); fault.CodeOf(err) != name {
			t.Errorf("Inspect under %+v = %v, want %s", policy, err, name)
		}
	}
}

// TestPassengersDoNotMatter: streams that nobody decodes need no decoder on the list.
func TestPassengersDoNotMatter(t *testing.T) {
	pr := newProber(t)
	subs := filepath.Join(t.TempDir(), "s.srt")
	if err := os.WriteFile(subs, []byte("1\n00:00:00,000 --> 00:00:01,000\nhello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := generate(t, "-i "+subs+" "+film+"-map 0 -map 1 -map 2 -c:s ass -c:a dca -strict -2 -f matroska")
	rep, err := pr.Inspect(t.Context(), path, probe.Policy{NeedVideo: true})
	if err != nil || len(rep.Info.Streams) != 3 {
		t.Errorf("Inspect = %+v, %v", rep, err)
	}
}

func TestUnsupportedCodecs(t *testing.T) {
	pr := newProber(t)
	for _, codec := range []string{"magicyuv", "ffv1"} {
		path := generate(t, "-f lavfi -i testsrc2=s=64x48:d=1 -c:v "+codec+" -f matroska")
		if _, err := pr.Inspect(t.Context(), path, probe.Policy{NeedVideo: true}); fault.CodeOf(err) != fault.CodeSourceUnsupported {
			t.Errorf("%s: Inspect = %v", codec, err)
		}
	}
	nut := generate(t, "-f lavfi -i testsrc2=s=64x48:d=1 -c:v mpeg4 -f nut")
	if _, err := pr.Inspect(t.Context(), nut, probe.Policy{NeedVideo: true}); fault.CodeOf(err) != fault.CodeSourceUnsupported {
		t.Errorf("nut: Inspect = %v", err)
	}
}

// TestCutFilesAreNoticed cuts files of every container that declares its extent.
func TestCutFilesAreNoticed(t *testing.T) {
	pr := newProber(t)
	for _, format := range []string{
		"mp4", "mp4 -movflags +faststart", "mp4 -movflags +frag_keyframe+empty_moov", "mov", "matroska", "webm -c:v libvpx -deadline realtime -c:a libvorbis", "avi", "flv", "asf",
	} {
		t.Run(strings.Fields(format)[0], func(t *testing.T) {
			path := generate(t, film+"-c:a aac -f "+format)
			if _, err := pr.Inspect(t.Context(), path, probe.Policy{NeedVideo: true}); err != nil {
				t.Fatalf("whole: %v", err)
			}
			st, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, share := range []int64{95, 50} {
				if err := os.Truncate(path, st.Size()*share/100); err != nil {
					t.Fatal(err)
				}
				if _, err := pr.Inspect(t.Context(), path, probe.Policy{NeedVideo: true}); fault.CodeOf(err) != fault.CodeSourceTruncated {
					t.Errorf("%d %% of it: %v", share, err)
				}
			}
		})
	}
}

func TestErrorsThatSayNothingOfTheFile(t *testing.T) {
	pr := newProber(t)
	if _, err := pr.Inspect(t.Context(), filepath.Join(t.TempDir(), "none"), probe.Policy{}); !errors.Is(err, os.ErrNotExist) || fault.ClassOf(err) != fault.Transient {
		t.Errorf("a file that is not there: %v", err)
	}
	path := generate(t, film+"-f mp4")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ffmpeg.ErrDrain)
	if _, err := pr.Inspect(ctx, path, probe.Policy{}); !errors.Is(err, ffmpeg.ErrDrain) {
		t.Errorf("a context that ended: %v", err)
	}
	for _, want := range []error{ffmpeg.ErrStalled, context.Canceled} {
		if _, err := probe.New(failing{want}).Inspect(t.Context(), path, probe.Policy{}); !errors.Is(err, want) || fault.ClassOf(err) == fault.Invalid {
			t.Errorf("Inspect = %v, want %v", err, want)
		}
	}
	for _, out := range []string{"", "[]", "{", "not JSON"} {
		if _, err := probe.New(saying(out)).Inspect(t.Context(), path, probe.Policy{}); err == nil || fault.ClassOf(err) == fault.Invalid && out != "[]" {
			t.Errorf("a description of %q: %v", out, err)
		}
	}
}

// failing is a runner whose runs fail.
type failing struct{ err error }

func (f failing) Run(context.Context, ffmpeg.Command) (ffmpeg.Result, error) {
	return ffmpeg.Result{}, f.err
}

// saying is a runner whose programs write the same whatever they are asked.
type saying string

func (s saying) Run(_ context.Context, c ffmpeg.Command) (ffmpeg.Result, error) {
	_, err := c.Stdout.Write([]byte(s))
	return ffmpeg.Result{}, err
}

func BenchmarkInspect(b *testing.B) {
	pr := newProber(b)
	path := filepath.Join(b.TempDir(), "src")
	if out, err := exec.Command("ffmpeg", append(strings.Fields("-v error "+film+"-f mp4"), path)...).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	for b.Loop() {
		if _, err := pr.Inspect(b.Context(), path, probe.Policy{NeedVideo: true}); err != nil {
			b.Fatal(err)
		}
	}
}
