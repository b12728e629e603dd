package probe

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

const ms = time.Millisecond

func read(t *testing.T, list string, frame time.Duration) Packets {
	t.Helper()
	whole, bytewise := newIndex(frame), newIndex(frame)
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
			Packets{Count: 4, FirstPTS: 5000 * ms, LastPTS: 5600 * ms, End: 5700 * ms, Keyframes: []time.Duration{5000 * ms, 5600 * ms}, KeyframeCount: 2, MaxKeyframeGap: 600 * ms}},
		{"hidden by an edit list", "pts_time=-0.5|flags=KD_\npts_time=0.0|flags=K__\n",
			Packets{Count: 1, End: 100 * ms, Keyframes: []time.Duration{0}, KeyframeCount: 1, MaxKeyframeGap: 100 * ms}},
		{"decoding times only", "pts_time=N/A|dts_time=1.0|duration_time=0.5|flags=K_\npts_time=N/A|dts_time=N/A|flags=__\n",
			Packets{Count: 2, FirstPTS: time.Second, LastPTS: time.Second, End: 1500 * ms, Keyframes: []time.Duration{time.Second}, KeyframeCount: 1, MaxKeyframeGap: 500 * ms}},
		{"the last span is sparse", "pts_time=0|flags=K_\npts_time=9|flags=__\n",
			Packets{Count: 2, LastPTS: 9 * time.Second, End: 9100 * ms, Keyframes: []time.Duration{0}, KeyframeCount: 1, MaxKeyframeGap: 9100 * ms}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := read(t, tt.list, 100*ms); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("packets = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestKeyframesAreBounded(t *testing.T) {
	x := newIndex(0)
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
		p := read(t, list, 0)
		if p.FirstPTS > p.LastPTS || p.LastPTS > p.End || p.MaxKeyframeGap < 0 && p.KeyframeCount > 0 && p.FirstPTS >= 0 || int64(len(p.Keyframes)) > p.Count {
			t.Errorf("packets = %+v", p)
		}
	})
}
