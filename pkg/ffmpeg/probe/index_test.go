package probe

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

const ms = time.Millisecond

func read(t *testing.T, list string, frame time.Duration, times bool) Packets {
	t.Helper()
	rate := media.FrameRate{Num: 1000, Den: int(frame / ms)}
	whole, bytewise := newIndex(rate, times), newIndex(rate, times)
	if _, err := io.WriteString(whole, list); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(struct{ io.Writer }{bytewise}, iotest.OneByteReader(strings.NewReader(list))); err != nil {
		t.Fatal(err)
	}
	p := whole.packets()
	if q := bytewise.packets(); !reflect.DeepEqual(p, q) {
		t.Errorf("byte by byte the list reads as %+v, not %+v", q, p)
	}
	return p
}

func TestPacketList(t *testing.T) {
	tests := []struct {
		name, list string
		want       Packets
	}{
		{"empty", "", Packets{}},
		{"noise", "hello\n|||\n=\npts_time=1\n" + strings.Repeat("x", 10_000) + "|flags=K_\n", Packets{}},
		{"one packet without a line end", "pts_time=0.000000|dts_time=0.000000|duration_time=0.040000|flags=K_",
			Packets{Count: 1, End: 40 * ms, Keyframes: []time.Duration{0}, KeyframeCount: 1, MaxKeyframeGap: 40 * ms}},
		{"out of order, starting late", "pts_time=5.0|flags=K__\npts_time=5.2|duration_time=0.1|flags=___\npts_time=5.1|duration_time=N/A|flags=___\npts_time=5.6|duration_time=0.1|flags=K__\n",
			Packets{Count: 4, FirstPTS: 5000 * ms, LastPTS: 5600 * ms, End: 5700 * ms, Keyframes: []time.Duration{5000 * ms, 5600 * ms}, KeyframeCount: 2, MaxKeyframeGap: 600 * ms, Drift: 300 * ms}},
		{"hidden by an edit list", "pts_time=-0.5|flags=KD_\npts_time=0.0|flags=K__\n",
			Packets{Count: 1, End: 100 * ms, Keyframes: []time.Duration{0}, KeyframeCount: 1, MaxKeyframeGap: 100 * ms}},
		{"decoding times only", "pts_time=N/A|dts_time=1.0|duration_time=0.5|flags=K_\npts_time=N/A|dts_time=N/A|flags=__\n",
			Packets{Count: 2, FirstPTS: time.Second, LastPTS: time.Second, End: 1500 * ms, Keyframes: []time.Duration{time.Second}, KeyframeCount: 1, KeyframesUntimed: true, MaxKeyframeGap: 500 * ms}},
		{"a program stream", "pts_time=0.54|dts_time=0.5|flags=K_\npts_time=N/A|dts_time=0.54|flags=__\npts_time=N/A|dts_time=0.78|flags=K_\n",
			Packets{Count: 3, FirstPTS: 540 * ms, LastPTS: 780 * ms, End: 880 * ms, Keyframes: []time.Duration{540 * ms, 780 * ms}, KeyframeCount: 2, KeyframesUntimed: true, MaxKeyframeGap: 240 * ms, Drift: 100 * ms}},
		{"frames between keyframes without times", "pts_time=0|dts_time=0|flags=K_\npts_time=N/A|dts_time=0.1|flags=__\n",
			Packets{Count: 2, LastPTS: 100 * ms, End: 200 * ms, Keyframes: []time.Duration{0}, KeyframeCount: 1, MaxKeyframeGap: 200 * ms}},
		{"the last span is sparse", "pts_time=0|flags=K_\npts_time=9|flags=__\n",
			Packets{Count: 2, LastPTS: 9 * time.Second, End: 9100 * ms, Keyframes: []time.Duration{0}, KeyframeCount: 1, MaxKeyframeGap: 9100 * ms, Drift: 8900 * ms}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := read(t, tt.list, 100*ms, false); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("packets = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestFrameTimes(t *testing.T) {
	tests := []struct {
		name, list string
		want       []time.Duration
	}{
		{"in order of presentation", "pts_time=0|flags=K_\npts_time=0.2|flags=__\npts_time=0.1|flags=__\n", []time.Duration{0, 100 * ms, 200 * ms}},
		{"a recording that begins between keyframes", "pts_time=0.1|flags=__\npts_time=0.2|flags=__\npts_time=0.3|flags=K_\npts_time=0.4|flags=__\n",
			[]time.Duration{300 * ms, 400 * ms}},
		{"frames that lead up to the first keyframe", "pts_time=0.3|flags=K_\npts_time=0.1|flags=__\npts_time=0.3|flags=__\npts_time=0.4|flags=__\n",
			[]time.Duration{300 * ms, 400 * ms}},
		{"a keyframe that an edit list hides", "pts_time=-0.2|flags=KD\npts_time=-0.1|flags=_D\npts_time=0|flags=__\npts_time=0.1|flags=K_\n",
			[]time.Duration{0, 100 * ms}},
		{"no keyframe at all", "pts_time=0|flags=__\npts_time=0.1|flags=__\n", []time.Duration{0, 100 * ms}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := read(t, tt.list, 100*ms, true); !slices.Equal(got.Times, tt.want) {
				t.Errorf("Times = %v, want %v", got.Times, tt.want)
			}
		})
	}
}

func TestClockJumps(t *testing.T) {
	for list, want := range map[string]bool{
		"pts_time=1|dts_time=1.0|flags=K_\npts_time=1.2|dts_time=1.1|flags=__\npts_time=1.1|dts_time=1.05|flags=__\n": false,
		"pts_time=9|dts_time=9.0|flags=K_\npts_time=1.2|dts_time=1.1|flags=__\n":                                      true,
		"pts_time=1|dts_time=1.0|flags=K_\npts_time=12|dts_time=12|flags=__\n":                                        true,
		"pts_time=1|flags=K_\npts_time=0.5|flags=__\n":                                                                false,
	} {
		if got := read(t, list, 100*ms, false).ClockJumps; got != want {
			t.Errorf("%q: ClockJumps = %v", list, got)
		}
	}
	// A film of a frame every quarter of a minute is no jump.
	if read(t, "pts_time=0|dts_time=0|flags=K_\npts_time=15|dts_time=15|flags=K_\n", 15*time.Second, false).ClockJumps {
		t.Error("a slow film jumps")
	}
}

func TestDrift(t *testing.T) {
	list := func(pts ...int) string {
		var b strings.Builder
		for _, p := range pts {
			fmt.Fprintf(&b, "pts_time=%d.%03d|flags=__\n", p/1000, p%1000)
		}
		return b.String()
	}
	var even, reversed []int
	for i := range 100 {
		even = append(even, 5000+40*i)
		reversed = append(reversed, 5000+40*(i/20*20+19-i%20)) // twenty at a time
	}
	tests := []struct {
		name string
		list string
		want time.Duration
	}{
		{"none", "", 0},
		{"in order", list(even...), 0},
		{"in order of decoding", list(reversed...), 0},
		{"rounded by a container", list(0, 41, 80, 119), ms},
		{"a pause that others make up for", list(0, 10, 20, 200, 160), 60 * ms},
		{"a frame that is missing", list(slices.Delete(slices.Clone(even), 50, 51)...), 40 * ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := read(t, tt.list, 40*ms, false).Drift; got != tt.want {
				t.Errorf("Drift = %v, want %v", got, tt.want)
			}
			if got := read(t, tt.list, 0, false).Drift; got != 0 {
				t.Errorf("Drift from an unknown rate = %v", got)
			}
		})
	}
}

func TestKeyframesAreBounded(t *testing.T) {
	x := newIndex(media.FrameRate{}, false)
	for i := range maxKeyframes + 10 {
		fmt.Fprintf(x, "pts_time=%d.0|flags=K_\n", i)
	}
	p := x.packets()
	if len(p.Keyframes) != maxKeyframes || p.KeyframeCount != maxKeyframes+10 || p.MaxKeyframeGap != time.Second || p.Truncated {
		t.Errorf("%d of %d keyframes, gap %v", len(p.Keyframes), p.KeyframeCount, p.MaxKeyframeGap)
	}
}

func FuzzPacketList(f *testing.F) {
	f.Add("pts_time=0.000000|dts_time=0.000000|duration_time=0.040000|flags=K_\n")
	f.Add("pts_time=-999999999.999999999|duration_time=999999999|flags=K\n")
	f.Fuzz(func(t *testing.T, list string) {
		p := read(t, list, 0, true)
		if p.FirstPTS > p.LastPTS || p.LastPTS > p.End || p.MaxKeyframeGap < 0 && p.KeyframeCount > 0 && p.FirstPTS >= 0 || int64(max(len(p.Keyframes), len(p.Times))) > p.Count || !slices.IsSorted(p.Times) {
			t.Errorf("packets = %+v", p)
		}
	})
}
