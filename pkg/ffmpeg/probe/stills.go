package probe

import (
	"encoding/binary"
	"iter"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// checkStill refuses pictures that are larger than accepted by what their header says: decoders give
// up on some of these with nothing but "invalid data".
func checkStill(k kind, head []byte, maxPixels int64) error {
	var r media.Resolution
	switch k {
	case kindPNG:
		r = pngSize(head)
	case kindJPEG:
		r = jpegSize(head)
	case kindGIF:
		if len(head) >= 10 {
			r = media.Resolution{Width: int(binary.LittleEndian.Uint16(head[6:])), Height: int(binary.LittleEndian.Uint16(head[8:]))}
		}
	case kindWebP:
		r = webPSize(head)
	}
	if r.Pixels() > maxPixels {
		return tooLarge(r, maxPixels)
	}
	return nil
}

func tooLarge(r media.Resolution, maxPixels int64) error {
	return fault.New(fault.CodeSourceTooLarge, "the picture is %v, more than the %d pixels that are accepted", r, maxPixels)
}

func pngSize(head []byte) media.Resolution {
	if len(head) < 24 {
		return media.Resolution{}
	}
	// Sizes of 2^31 and more are invalid; bounded, their product does not overflow.
	side := func(b []byte) int { return int(min(binary.BigEndian.Uint32(b), 1<<31-1)) }
	return media.Resolution{Width: side(head[16:]), Height: side(head[20:])}
}

// jpegSize returns the size from the first frame header. Segments before it may be long (pictures
// embed previews); behind the head nothing is known.
func jpegSize(head []byte) media.Resolution {
	for marker, rest := range jpegSegments(head) {
		if frame := marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc; frame && len(rest) >= 7 {
			return media.Resolution{Width: int(binary.BigEndian.Uint16(rest[5:])), Height: int(binary.BigEndian.Uint16(rest[3:]))}
		}
	}
	return media.Resolution{}
}

// jpegSegments walks the segments of a JPEG file up to the first scan, as far as the head goes: it yields the
// marker of each with what follows in the head, which begins with the segment's length.
func jpegSegments(head []byte) iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		for at := 2; at+4 <= len(head) && head[at] == 0xff; {
			marker := head[at+1]
			switch {
			case marker == 0xff: // fill byte
				at++
				continue
			case marker == 0x01, marker >= 0xd0 && marker <= 0xd7: // no payload
				at += 2
				continue
			case marker == 0xda, marker == 0xd9:
				return
			}
			if !yield(marker, head[at+2:]) {
				return
			}
			at += 2 + int(binary.BigEndian.Uint16(head[at+2:]))
		}
	}
}

// webPSize returns the canvas of an extended file; the two simple forms cannot exceed 16384 a side and
// are left to the decoder.
func webPSize(head []byte) media.Resolution {
	if len(head) < 30 || string(head[12:16]) != "VP8X" {
		return media.Resolution{}
	}
	u24 := func(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
	return media.Resolution{Width: 1 + u24(head[24:]), Height: 1 + u24(head[27:])}
}

// animatedWebP reports whether a WebP file's header declares an animation.
func animatedWebP(head []byte) bool {
	const animation = 0x02
	return len(head) >= 21 && string(head[12:16]) == "VP8X" && head[20]&animation != 0
}
