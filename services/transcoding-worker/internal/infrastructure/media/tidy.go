package media

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg/fmp4"
)

// tidyInit removes from an initialization section what the muxer says of itself and of the time at which it was made:
// sections that were made by different versions of ffmpeg, or in the tenth hour of a film, are then the same if they
// describe the same.
func tidyInit(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read an initialization section: %w", err)
	}
	tidy, err := tidied(b)
	if err != nil {
		return fault.Wrap(fault.CodeOutputInvalid, err, "an initialization section is garbled")
	}
	if err := os.WriteFile(path, tidy, 0o600); err != nil {
		return fault.Wrap(fault.CodeScratchFull, err, "an initialization section could not be written")
	}
	return nil
}

// lookedInto are the boxes that are looked into.
var lookedInto = map[string]bool{"moov": true, "trak": true, "mdia": true}

// tidied returns boxes without user data ("udta"), and with media headers ("mdhd") in their short form.
func tidied(b []byte) ([]byte, error) {
	var out []byte
	for at := 0; at < len(b); {
		kind, end, err := boxAt(b, at, len(b))
		if err != nil {
			return nil, err
		}
		box := b[at:end]
		at = end
		switch {
		case kind == "udta":
		case lookedInto[kind]:
			inner, err := tidied(box[8:])
			if err != nil {
				return nil, err
			}
			out = binary.BigEndian.AppendUint32(out, uint32(8+len(inner)))
			out = append(append(out, box[4:8]...), inner...)
		case kind == "mdhd":
			out = append(out, shortMediaHeader(box)...)
		default:
			out = append(out, box...)
		}
	}
	return out, nil
}

// shortMediaHeader returns a media header in version 0. ffmpeg chooses version 1 by how late in the film a chunk is,
// though in front of fragments the times that it has room for are 0 (ISO/IEC 14496-12, 8.4.2).
func shortMediaHeader(box []byte) []byte {
	const long = 8 + 4 + 8 + 8 + 4 + 8 + 4
	if len(box) != long || box[8] != 1 {
		return box
	}
	created, modified, duration := binary.BigEndian.Uint64(box[12:]), binary.BigEndian.Uint64(box[20:]), binary.BigEndian.Uint64(box[32:])
	if created|modified|duration != 0 {
		return box
	}
	short := binary.BigEndian.AppendUint32(nil, long-12)
	short = append(append(short, "mdhd"...), 0, box[9], box[10], box[11])
	short = append(short, make([]byte, 8)...) // times of creation and modification
	short = append(short, box[28:32]...)      // ticks per second
	short = append(short, make([]byte, 4)...) // duration
	return append(short, box[40:44]...)       // language
}

// boxAt returns the kind of the box at a place and where it ends, which is at limit at the latest.
func boxAt(b []byte, at, limit int) (kind string, end int, err error) {
	if limit-at < 8 {
		return "", 0, fmt.Errorf("%w: %d bytes that are no box", fmp4.ErrInvalid, limit-at)
	}
	size := int(binary.BigEndian.Uint32(b[at:]))
	if size < 8 || size > limit-at {
		return "", 0, fmt.Errorf("%w: a box of %d bytes", fmp4.ErrInvalid, size)
	}
	return string(b[at+4 : at+8]), at + size, nil
}
