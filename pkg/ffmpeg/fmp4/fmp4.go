// Package fmp4 reads the boxes of the two kinds of files that a rendition of HLS or DASH is made of: the
// initialization section, which describes one track, and media segments, which hold fragments of it
// (ISO/IEC 14496-12, 8.8). It says what a player would find: codec, clock, when frames are shown, which of
// them decoding can begin with.
//
// Nothing is decoded, media data is not even read, and neither memory nor time depends on what a file
// claims: files of any content end in a result or an error. Neighbour: package mp4box judges whole files.
package fmp4

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// ErrInvalid means that a file is not what it was read as, or contradicts itself. The message says where.
var ErrInvalid = errors.New("invalid fragmented MP4")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Init is what an initialization section says of its only track.
type Init struct {
	Kind    media.StreamKind
	TrackID uint32
	// Timescale is how many ticks of the track's clock make a second.
	Timescale uint32
	// MediaTime is the instant of the track's clock, in ticks, at which the presentation begins, and Delay how
	// long the presentation waits before: the edit list.
	MediaTime int64
	Delay     time.Duration
	// Codecs is the codec by RFC 6381: "avc1.640028", "hvc1.1.6.L93.90", "mp4a.40.2", "opus".
	Codecs string
	// Size is given for video, SampleRate and Channels for audio.
	Size       media.Resolution
	SampleRate int
	Channels   int

	defaults sampleDefaults
}

// Segment is what a media segment says of its frames.
type Segment struct {
	// Start is the decoding time of the first frame by the track's clock, Duration the sum of all frames'.
	// Start and Duration of one segment add up exactly to the Start of the next.
	Start, Duration time.Duration
	Frames          int64
	// FirstPTS is when the first frame is shown and LastPTS when the last is, EndPTS when the last ends. They
	// count from the beginning of the presentation: the edit list is applied, so what stands before it counts
	// as 0. A frame does not tell how long it is shown where frames are reordered. EndPTS is then the end of
	// the span of decoding, which an edit list that makes up for the reordering puts on the same clock.
	FirstPTS, LastPTS, EndPTS time.Duration
	// Keyframes counts the frames that decoding can begin with; KeyFirst says that the first is one.
	Keyframes int
	KeyFirst  bool
	// KeyBytes is how many bytes from the beginning of the file hold everything up to the end of the first
	// frame.
	KeyBytes int64
}

// sampleDefaults stand in for what a run of samples does not say itself.
type sampleDefaults struct{ duration, size, flags uint32 }

// maxTicks bounds instants so that sums of a few cannot overflow.
const maxTicks = 1 << 61

// at returns ticks of the clock as time, rounded down.
func (i Init) at(ticks int64) (time.Duration, error) {
	n := uint64(max(ticks, -ticks))
	hi, lo := bits.Mul64(n, uint64(time.Second))
	if i.Timescale == 0 || hi >= uint64(i.Timescale) {
		return 0, invalid("an absurd instant")
	}
	q, rem := bits.Div64(hi, lo, uint64(i.Timescale))
	if q > 1<<62 {
		return 0, invalid("an absurd instant")
	}
	if ticks < 0 {
		if rem > 0 {
			q++
		}
		return -time.Duration(q), nil
	}
	return time.Duration(q), nil
}
