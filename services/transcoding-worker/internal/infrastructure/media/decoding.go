package media

import (
	"fmt"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

// reordering is by how many frames encoders with B-frames that are referred to delay the picture.
const reordering = 2

// delay returns by how many ticks the decoding of a rung's frames runs ahead of their presentation.
func delay(c clock, v contract.VideoPlan, r contract.Rung) int64 {
	if strings.Contains(r.Profile, "baseline") || !v.FrameRate.Known() {
		return 0 // without B-frames nothing is reordered
	}
	return c.ticks(v.FrameRate.Instant(reordering))
}

// decodingTimes returns a bitstream filter that sets the decoding times, and with them the durations, of a
// chunk's packets. Encoders derive the first ones from how far the frames at the beginning lie apart, and
// the span of the last frame is anybody's guess. Where frames are not evenly spaced both differ from chunk
// to chunk: the edit list of the initialization section would be another one, decoding times would overlap
// where two chunks meet, and the muxer, which believes durations rather than times, would move the frames of
// every later segment. So
//
//   - the first packet is decoded exactly delay ticks before it is shown, which is what the edit list says
//     of every chunk, and which makes segments begin in decoding when they are shown;
//   - each later one when the encoder says, or earlier by as much as the first is, but after the one before and
//     early enough that all are decoded before the next chunk's first is; the last one lasts until then.
//
// frames is 0 where it is not known how many there will be: then there is no next chunk.
func decodingTimes(delay, end, frames int64) string {
	// An encoder that gets fewer frames than it reorders, or frames that lie close together, delays less.
	early := fmt.Sprintf(`min(0\,STARTPTS-STARTDTS-%d)`, delay)
	// Every packet that is still to come needs a tick of its own before the end.
	bound := func(x string) string { return fmt.Sprintf(`min(%s\,%d+N)`, x, end-delay-frames) }
	span := fmt.Sprintf(`if(eq(N\,%d)\,%d\,clip(NEXT_DTS+%s\,ld(0)+1\,%d+N))-ld(0)`, frames-1, end-delay, early, end-delay-frames+1)
	if frames == 0 {
		bound = func(x string) string { return x }
		span = fmt.Sprintf(`if(isnan(NEXT_DTS)+lt(NEXT_DTS\,DTS)\,DURATION\,max(NEXT_DTS+%s\,ld(0)+1)-ld(0))`, early)
	}
	at := fmt.Sprintf(`if(eq(N\,0)\,PTS-%d\,%s)`, delay, bound(fmt.Sprintf(`max(DTS+%s\,PREV_OUTDTS+1)`, early)))
	return fmt.Sprintf(`setts=pts=PTS:dts=%s:duration=st(0\,%s);%s`, at, at, span)
}
