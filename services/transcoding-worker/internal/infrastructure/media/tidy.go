package media

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg/fmp4"
)

// tidyInit removes from an initialization section what the muxer says of itself: sections that were made by
// different versions of ffmpeg are then the same if they describe the same.
func tidyInit(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read an initialization section: %w", err)
	}
	tidy, err := withoutUserData(b)
	if err != nil {
		return fault.Wrap(fault.CodeOutputInvalid, err, "an initialization section is garbled")
	}
	if err := os.WriteFile(path, tidy, 0o600); err != nil {
		return fault.Wrap(fault.CodeScratchFull, err, "an initialization section could not be written")
	}
	return nil
}

// withoutUserData returns an initialization section without the box "udta" of its movie.
func withoutUserData(b []byte) ([]byte, error) {
	var out []byte
	for at := 0; at < len(b); {
		kind, end, err := boxAt(b, at, len(b))
		if err != nil {
			return nil, err
		}
		if kind != "moov" {
			out, at = append(out, b[at:end]...), end
			continue
		}
		start := len(out)
		out = append(out, b[at:at+8]...)
		for child := at + 8; child < end; {
			kind, next, err := boxAt(b, child, end)
			if err != nil {
				return nil, err
			}
			if kind != "udta" {
				out = append(out, b[child:next]...)
			}
			child = next
		}
		binary.BigEndian.PutUint32(out[start:], uint32(len(out)-start))
		at = end
	}
	return out, nil
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
