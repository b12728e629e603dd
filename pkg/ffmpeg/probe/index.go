package probe

import (
	"slices"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

const (
	// maxPackets bounds how many packets are read: ten hours at 120 frames a second.
	maxPackets = 5_000_000
	// maxKeyframes bounds how many keyframe times are kept.
	maxKeyframes = 200_000
)

// index takes in ffprobe's list of packets line by line as it is written, so that a long film costs no
// more memory than its keyframes.
type index struct {
	lines
	frame time.Duration // span of a packet that tells none
	times bool          // the times of all frames are wanted

	seen         int64
	timed        bool // a packet with a time was seen
	p            Packets
	lastKeyframe time.Duration
	spacing      spacing
	// begun says that there was a keyframe, hidden or not, and beginning is the time of the first.
	begun     bool
	beginning time.Duration
	// decoded is the last time of decoding.
	decoded    time.Duration
	hasDecoded bool
}

// newIndex returns an index of a stream with that average rate, which may be unknown.
func newIndex(rate media.FrameRate, times bool) *index {
	x := &index{frame: rate.FrameDuration(), times: times, spacing: spacing{rate: rate}}
	x.lines.each = x.line
	return x
}

// line takes in one packet: "pts_time=0.040000|dts_time=0.000000|duration_time=0.040000|flags=K_".
func (x *index) line(s string) {
	var pts, dts, span time.Duration
	var hasPTS, hasDTS bool
	var flags string
	for field := range strings.SplitSeq(strings.TrimSpace(s), "|") {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "pts_time":
			pts, hasPTS = instant(value)
		case "dts_time":
			dts, hasDTS = instant(value)
		case "duration_time":
			span, _ = instant(value)
		case "flags":
			flags = value
		}
	}
	if flags == "" {
		return
	}
	x.seen++
	if hasDTS {
		x.decode(dts)
	}
	// A packet that an edit list hides is decoded, but never shown.
	key := flags[0] == 'K'
	if strings.Contains(flags, "D") {
		if key && hasPTS {
			x.begin(pts)
		}
		return
	}
	x.p.Count++
	if !hasPTS {
		x.p.KeyframesUntimed = x.p.KeyframesUntimed || key
		// AVI has decoding times only. Its packets carry no order of presentation either.
		if pts = dts; !hasDTS {
			return
		}
	}
	if span <= 0 || span > longest {
		span = x.frame
	}
	x.at(pts, span, key)
}

// What counts as a jump of the clock, as ffmpeg has it for transport streams.
const (
	backward = 100 * time.Millisecond
	forward  = 10 * time.Second
)

// decode takes in a time of decoding.
func (x *index) decode(dts time.Duration) {
	if step := dts - x.decoded; x.hasDecoded && (step < -backward || step > max(forward, 2*x.frame)) {
		x.p.ClockJumps = true
	}
	x.decoded, x.hasDecoded = dts, true
}

// at takes in one packet with a time.
func (x *index) at(pts, span time.Duration, key bool) {
	p := &x.p
	if !x.timed {
		x.timed, p.FirstPTS, p.LastPTS, p.End = true, pts, pts, pts
	}
	p.FirstPTS, p.LastPTS = min(p.FirstPTS, pts), max(p.LastPTS, pts)
	p.End = max(p.End, pts+span)
	x.spacing.add(pts)
	x.show(pts, key)
	if !key {
		return
	}
	if p.KeyframeCount > 0 {
		p.MaxKeyframeGap = max(p.MaxKeyframeGap, pts-x.lastKeyframe)
	}
	p.KeyframeCount++
	x.lastKeyframe = pts
	if len(p.Keyframes) < maxKeyframes {
		p.Keyframes = append(p.Keyframes, pts)
	}
}

// show takes in the time of a frame, if a decoder shows it. Of a stream without any keyframe that is all
// of them, as far as can be told.
func (x *index) show(pts time.Duration, key bool) {
	if !x.times || x.begun && pts <= x.beginning {
		return
	}
	if key {
		x.begin(pts)
	}
	x.p.Times = append(x.p.Times, pts)
}

// begin takes in the time of a keyframe. The first one is where decoding begins.
func (x *index) begin(pts time.Duration) {
	if !x.begun {
		x.begun, x.beginning, x.p.Times = true, pts, x.p.Times[:0]
	}
}

// packets returns what the list said. The index must not be used after that.
func (x *index) packets() Packets {
	x.lines.end()
	p := x.p
	p.Drift = x.spacing.drift()
	slices.Sort(p.Keyframes)
	slices.Sort(p.Times)
	if p.KeyframeCount > 0 {
		p.MaxKeyframeGap = max(p.MaxKeyframeGap, p.End-x.lastKeyframe)
	}
	p.Truncated = x.seen >= maxPackets
	return p
}
