package ffmpegtest_test

import (
	"math"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

const bestFrameRate = 12

// look is what tells good pictures from planted bad ones.
type look struct {
	mean, deviation float64 // of the luma, 0 to 255
	// edges is the mean difference between neighbouring pixels.
	edges float64
}

// looks returns the look of every picture of a clip, which all have that size.
func looks(t *testing.T, file string, width, height int) []look {
	t.Helper()
	raw, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-i", file, "-fps_mode", "passthrough",
		"-pix_fmt", "gray", "-f", "rawvideo", "-").Output()
	if err != nil {
		t.Fatalf("decode %s: %v", file, err)
	}
	var all []look
	for picture := range slices.Chunk(raw, width*height) {
		var sum, squares, edges, n float64
		for line := range slices.Chunk(picture, 4*width) { // a line in four tells enough
			last := float64(line[0])
			for _, level := range line[:width] {
				v := float64(level)
				sum, squares, edges, n = sum+v, squares+v*v, edges+math.Abs(v-last), n+1
				last = v
			}
		}
		mean := sum / n
		all = append(all, look{mean, math.Sqrt(max(0, squares/n-mean*mean)), edges / n})
	}
	return all
}

func TestPlantedSpansLookBadAndTheRestGood(t *testing.T) {
	clips := ffmpegtest.BestFrameClips(t)
	if len(clips) != 20 {
		t.Errorf("%d clips, want 20", len(clips))
	}
	for _, c := range append(clips, ffmpegtest.BlackKeyframes(t)) {
		t.Run(c.Name, func(t *testing.T) {
			all := looks(t, c.File, 320, 180)
			if want := int(c.Duration.Seconds() * bestFrameRate); len(all) != want {
				t.Fatalf("%d pictures, want %d", len(all), want)
			}
			if len(c.Bad) == 0 || c.Bad[0].From != 0 {
				t.Errorf("the clip does not open badly: %v", c.Bad)
			}
			for n, got := range all {
				at := time.Duration(n) * time.Second / bestFrameRate
				span, bad := c.BadAt(at)
				checkLook(t, at, got, span.Kind, bad, float64(at-span.From)/float64(span.To-span.From))
			}
		})
	}
}

// checkLook compares a picture with what was planted at its instant; done is how much of a bad span has
// passed.
func checkLook(t *testing.T, at time.Duration, got look, kind ffmpegtest.SpanKind, bad bool, done float64) {
	t.Helper()
	switch {
	case !bad:
		if got.mean < 25 || got.deviation < 15 || got.edges < 1.5 {
			t.Errorf("%v: a picture that should be good: %+v", at, got)
		}
	case kind == ffmpegtest.SpanBlack && (got.mean > 16 || got.deviation > 8):
		t.Errorf("%v: not black: %+v", at, got)
	case kind == ffmpegtest.SpanFlat && got.deviation > 3:
		t.Errorf("%v: not flat: %+v", at, got)
	case kind == ffmpegtest.SpanBlur && got.edges > 2:
		t.Errorf("%v: not blurred: %+v", at, got)
	case kind == ffmpegtest.SpanFade && done == 0 && got.mean > 16:
		t.Errorf("%v: a fade that does not start black: %+v", at, got)
	case kind == ffmpegtest.SpanFade && got.mean > 110:
		t.Errorf("%v: a fade that is bright before its middle: %+v", at, got)
	}
}

func TestAThirdOfTheKeyframesIsGood(t *testing.T) {
	for _, c := range ffmpegtest.BestFrameClips(t) {
		good, all := 0, 0
		for at := time.Duration(0); at < c.Duration; at += time.Second {
			all++
			if _, bad := c.BadAt(at); !bad {
				good++
			}
		}
		if 3*good < all {
			t.Errorf("%s: %d of %d keyframes are good", c.Name, good, all)
		}
	}
	c := ffmpegtest.BlackKeyframes(t)
	for at := time.Duration(0); at < c.Duration; at += time.Second {
		if _, bad := c.BadAt(at); !bad {
			t.Errorf("%s: the keyframe at %v is good", c.Name, at)
		}
	}
}
