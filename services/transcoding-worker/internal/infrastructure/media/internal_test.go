package media

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/fmp4"
)

func TestClock(t *testing.T) {
	for rate, want := range map[media.FrameRate]int64{
		{Num: 25, Den: 1}: 90000, {Num: 30000, Den: 1001}: 90000, {Num: 24000, Den: 1001}: 24000, {Num: 60000, Den: 1001}: 60000,
		{}: 90000, {Num: 2997, Den: 100}: 11988, {Num: 1234567, Den: 41152}: 90000, {Num: 7, Den: 1}: 10003,
	} {
		c := clockOf(rate)
		if c.perSecond != want {
			t.Errorf("the clock of %v has %d ticks a second, want %d", rate, c.perSecond, want)
		}
		if !rate.Known() || rate.Num > 90000 {
			continue
		}
		// Frames begin at whole ticks, equally far apart.
		if step := c.ticks(rate.Instant(1_000_000)) - c.ticks(rate.Instant(999_999)); step != c.ticks(rate.Instant(1)) {
			t.Errorf("%v: a frame takes %d ticks, later %d", rate, c.ticks(rate.Instant(1)), step)
		}
	}
	c := clock{90000}
	for d, want := range map[time.Duration]int64{0: 0, time.Second: 90000, -time.Second: -90000, 26 * time.Hour: 26 * 3600 * 90000, 5556 * time.Nanosecond: 1, 5555 * time.Nanosecond: 0, -5556 * time.Nanosecond: -1} {
		if got := c.ticks(d); got != want {
			t.Errorf("%v are %d ticks, want %d", d, got, want)
		}
	}
	if got := c.keyframes([]contract.Seconds{0, contract.Seconds(2 * time.Second)}); got != "0.000000,1.999977" {
		t.Errorf("keyframes = %q", got)
	}
}

func TestEncoderThreads(t *testing.T) {
	ladder := func(codec contract.VideoCodec, heights ...int) (rungs []contract.Rung) {
		for _, h := range heights {
			rungs = append(rungs, contract.Rung{Codec: codec, Width: h * 16 / 9, Height: h})
		}
		return rungs
	}
	for _, tt := range []struct {
		name    string
		rungs   []contract.Rung
		threads int
		want    []int
	}{
		{"one thread", ladder(contract.H264, 1080, 720, 480, 360), 1, []int{1, 1, 1, 1}},
		{"two", ladder(contract.H264, 1080, 720, 480, 360), 2, []int{2, 2, 1, 1}},
		{"four", ladder(contract.H264, 1080, 720, 480, 360), 4, []int{4, 4, 4, 1}},
		{"eight", ladder(contract.H264, 1080, 720, 480, 360), 8, []int{8, 8, 8, 8}},
		{"a single rung", ladder(contract.H264, 240), 2, []int{2}},
		{"alike", ladder(contract.H264, 1080, 1078), 2, []int{2, 2}},
		{"hevc", ladder(contract.HEVC, 1080, 360), 2, []int{2, 2}},
	} {
		if got := encoderThreads(tt.rungs, tt.threads); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestMeasurements(t *testing.T) {
	m := &measurements{}
	for _, part := range []string{"frame:0 pts:0\nlavfi.r128.I=-70.0", "00\nlavfi.r128.sample_peak=0.25\nlavfi.r128.I=-23", ".5\nlavfi.r128.I=nan\nlavfi.r128.M=-1\n", strings.Repeat("x", 5000) + "\nlavfi.r128.I=-9"} {
		if n, err := m.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if m.last != (loudness{-23.5, 0.25}) {
		t.Errorf("measured %+v", m.last)
	}
}

func TestHashes(t *testing.T) {
	list := "#format: frame checksums\n#tb 0: 1/48000\n#media_type 0: audio\n0, -1024, -1024, 1024, 371, aa\n0, 0, 0, 1024, 372, bb\n0, 1024, 1024, 500, 100, cc, S=1, 10, dd\n"
	h := newHashes(sha256.New())
	for i := range list {
		if _, err := h.Write([]byte(list[i : i+1])); err != nil {
			t.Fatal(err)
		}
	}
	d := h.digest()
	if d.Packets != 3 || h.heard != 1524 || d.First != -21333334*time.Nanosecond || d.End != 31750*time.Microsecond || len(d.SHA256) != 64 {
		t.Errorf("digest = %+v, %d heard", d, h.heard)
	}
	for _, bad := range []string{"0, 0, 0, 1, 2, aa\n", "#tb 0: 1/25\nnoise\n", "#tb 0: 1/25\n0, 0, x, 1, 2, aa\n", "#tb 0: 1/25\n0, 0, 0, x, 2, aa\n", strings.Repeat("x", 10_000)} {
		if _, err := newHashes(nil).Write([]byte(bad)); err == nil {
			t.Errorf("%.40q is taken for a list of frames", bad)
		}
	}
}

func TestTidyInit(t *testing.T) {
	box := func(kind string, content string) string {
		n := len(content) + 8
		return string([]byte{0, 0, byte(n >> 8), byte(n)}) + kind + content
	}
	film := func(header, more string) string {
		return box("ftyp", "iso6") + box("moov", box("mvhd", "x")+more+box("trak", box("tkhd", "y")+box("mdia", header))) + box("free", "")
	}
	const clock, language = "\x00\x01\x5f\x90", "\x55\xc4\x00\x00"
	zeros := func(n int) string { return strings.Repeat("\x00", n) }
	in := film(box("mdhd", "\x01"+zeros(3)+zeros(16)+clock+zeros(8)+language), box("udta", "made by"))
	want := film(box("mdhd", zeros(4)+zeros(8)+clock+zeros(4)+language), "")
	if got, err := tidied([]byte(want)); err != nil || string(got) != want {
		t.Errorf("what is tidy became %q, %v", got, err)
	}
	long := film(box("mdhd", "\x01"+zeros(3)+zeros(16)+clock+"\x00\x00\x00\x01\x00\x00\x00\x00"+language), "")
	if got, err := tidied([]byte(long)); err != nil || string(got) != long {
		t.Errorf("a header with a duration became %q, %v", got, err)
	}
	if got, err := tidied([]byte(in)); err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for _, bad := range []string{"abc", in[:len(in)-1], in[:30], "\x00\x00\x00\x04moov"} {
		if got, err := tidied([]byte(bad)); !errors.Is(err, fmp4.ErrInvalid) {
			t.Errorf("%q: %q, %v", bad, got, err)
		}
	}
}

// FuzzSubtitles reads any text. What is written of it must be WebVTT of as many cues, in order.
func FuzzSubtitles(f *testing.F) {
	f.Add([]byte("1\n00:00:01,000 --> 00:00:02,000\n<i>a</i> --> b\n"))
	f.Add([]byte("WEBVTT\n\n00:01.000 --> 00:02.000\n<v x>& < > <b><u>x\n"))
	f.Add([]byte("\xff\xfe1\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		cues, err := parseCues(decodeText(b))
		if err != nil {
			return
		}
		out := string(writeCues(cues))
		arrows := 0
		for block := range strings.SplitSeq(strings.TrimSuffix(out, "\n"), "\n\n") {
			lines := strings.Split(block, "\n")
			if strings.HasPrefix(block, "WEBVTT") {
				continue
			}
			arrows += strings.Count(block, arrow)
			if strings.Count(block, arrow) != 1 || !strings.Contains(lines[0], arrow) {
				t.Fatalf("the cue %q", block)
			}
		}
		if arrows != len(cues) {
			t.Fatalf("%d cues of %d are in %q", arrows, len(cues), out)
		}
		again, err := parseCues(out)
		if err != nil || len(again) != len(cues) {
			t.Fatalf("what is written reads as %d cues, %v, not %d: %q", len(again), err, len(cues), out)
		}
		if !bytes.HasPrefix([]byte(out), []byte(webVTTHeader)) {
			t.Fatal("no header")
		}
	})
}
