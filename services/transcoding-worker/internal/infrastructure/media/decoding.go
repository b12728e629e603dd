package media

import (
	"fmt"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/fmp4"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
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

// opusFrame is how many ticks of its clock, of 48 kHz, a frame lasts that the encoder of Opus makes: 20 ms.
const opusFrame = 960

// closing returns a bitstream filter for a copy of a rendition into one file, so that the file ends when the last
// frame does; empty where none is needed. ffmpeg does not pass on how long the frames of segments last. For the last
// frame of AAC it knows. For that of Opus it takes 0, and readers drop it. For the last one of a film it takes the
// span of a frame at the film's rate. Two things in the file depend on that span, and both are to be right: the sum
// of all spans of decoding, which is how long the track lasts, and the last end of a frame that is shown, where
// the edit list ends. So
//
//   - the frame that is shown last lasts until the end, and no other any longer;
//   - the frame that is decoded last lasts until delay before the end, by which the decoding began before the
//     presentation. Where it would be shown more than delay later it is decoded later.
//
// Where frames are evenly spaced nothing changes.
func closing(r transcode.Rendition) (string, error) {
	head, err := readInit(r.Init)
	if err != nil {
		return "", err
	}
	if head.Kind != media.KindVideo {
		if head.Codecs == "opus" {
			return fmt.Sprintf("setts=pts=PTS:dts=DTS:duration=%d", opusFrame), nil
		}
		return "", nil
	}
	var frames int64
	var s fmp4.Segment
	for i, path := range r.Segments {
		if s, err = measureSegment(head, path); err != nil {
			return "", fmt.Errorf("segment %d of %d: %w", i+1, len(r.Segments), err)
		}
		frames += s.Frames
	}
	c := clock{int64(head.Timescale)}
	return closingTimes(head.MediaTime, c.ticks(s.LastPTS), c.ticks(s.EndPTS), frames), nil
}

// closingTimes is closing for so many frames, the last of which is shown at the tick last until the tick end.
func closingTimes(delay, last, end, frames int64) string {
	// What is decoded last is either what is shown last, or is shown before.
	shownLast := fmt.Sprintf(`eq(PTS\,%d)`, last)
	at := fmt.Sprintf(`if(%s\,max(PREV_OUTDTS+1\,PTS-%d)\,max(DTS\,PTS-%d))`, shownLast, delay, delay)
	decodedLast := fmt.Sprintf(`eq(N\,%d)`, frames-1)
	return fmt.Sprintf(`setts=pts=PTS:dts=if(%s\,%s\,DTS):duration=if(%s\,%d-PTS\,if(%s\,%d-(%s)\,clip(DURATION\,1\,max(1\,%d-PTS))))`,
		decodedLast, at, shownLast, end, decodedLast, end-delay, at, end)
}
