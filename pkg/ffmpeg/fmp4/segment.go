package fmp4

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/reelmill/reelmill/pkg/core/media"
)

const (
	// maxFragmentBytes bounds the description of a fragment (the box "moof"); a frame takes 16 bytes of it.
	maxFragmentBytes = 16 << 20
	// maxSamples and maxBoxes bound a segment: frames, and boxes of its top level.
	maxSamples = 1 << 20
	maxBoxes   = 1 << 14
)

// Segment reads a media segment of the track that i describes: the first size bytes of r. Errors about the
// content wrap ErrInvalid; those of r are passed on.
func (i Init) Segment(r io.ReaderAt, size int64) (Segment, error) {
	s := segment{init: i, r: r, size: size}
	if err := s.file(); err != nil {
		return Segment{}, err
	}
	return s.result()
}

// span is a range of bytes of the file, [start, end).
type span struct{ start, end int64 }

// segment is a segment while it is read.
type segment struct {
	init Init
	r    io.ReaderAt
	size int64

	// media are the payloads of the boxes "mdat", in order; runs are where samples are said to lie.
	media, runs []span

	started          bool
	start            int64 // decoding time of the first frame, in ticks
	duration         int64
	frames           int64
	firstPTS         int64
	lastPTS, lastEnd int64
	keyframes        int
	keyFirst         bool
	keyBytes         int64
}

// file walks the boxes of the top level.
func (s *segment) file() error {
	pos := int64(0)
	for range maxBoxes {
		if pos == s.size {
			return nil
		}
		kind, body, end, err := s.header(pos)
		if err != nil {
			return err
		}
		switch kind {
		case "moof":
			if end-body > maxFragmentBytes {
				return invalid("a fragment of %d bytes", end-body)
			}
			b := make([]byte, end-body)
			if err := s.read(b, body); err != nil {
				return err
			}
			if err := s.fragment(b, pos); err != nil {
				return err
			}
		case "mdat":
			s.media = append(s.media, span{body, end})
		case "moov":
			return invalid("an initialization section in a segment")
		}
		pos = end
	}
	return invalid("more than %d boxes", maxBoxes)
}

// header reads the header of the box at pos.
func (s *segment) header(pos int64) (kind string, body, end int64, err error) {
	var h [16]byte
	n := min(s.size-pos, int64(len(h)))
	if n < 8 {
		return "", 0, 0, invalid("%d bytes that are no box", n)
	}
	if err := s.read(h[:n], pos); err != nil {
		return "", 0, 0, err
	}
	kind, body = string(h[4:8]), pos+8
	size := uint64(binary.BigEndian.Uint32(h[:]))
	if size == 1 && n == 16 {
		size, body = binary.BigEndian.Uint64(h[8:]), pos+16
	}
	if size < uint64(body-pos) || size > uint64(s.size-pos) {
		return "", 0, 0, invalid("box %q does not fit into the file", kind)
	}
	return kind, body, pos + int64(size), nil
}

func (s *segment) read(b []byte, pos int64) error {
	if n, err := s.r.ReadAt(b, pos); n < len(b) {
		if err == io.EOF || err == nil {
			err = invalid("the file is shorter than %d bytes", s.size)
		}
		return fmt.Errorf("read a segment: %w", err)
	}
	return nil
}

// result returns what was found, once everything was read.
func (s *segment) result() (Segment, error) {
	if !s.started || s.frames == 0 {
		return Segment{}, invalid("a segment without frames")
	}
	for _, run := range s.runs {
		if !s.holds(run) {
			return Segment{}, invalid("frames that lie outside of the media data")
		}
	}
	return s.times()
}

// holds reports whether a run of samples lies within the media data.
func (s *segment) holds(run span) bool {
	i, found := slices.BinarySearchFunc(s.media, run.start, func(m span, at int64) int { return int(min(max(m.start-at, -1), 1)) })
	if !found {
		i--
	}
	return i >= 0 && run.end <= s.media[i].end
}

// times translates from ticks.
func (s *segment) times() (Segment, error) {
	out := Segment{Frames: s.frames, Keyframes: s.keyframes, KeyFirst: s.keyFirst, KeyBytes: s.keyBytes}
	var err error
	if out.Start, err = s.init.at(s.start); err != nil {
		return Segment{}, err
	}
	end, err := s.init.at(s.start + s.duration)
	if err != nil {
		return Segment{}, err
	}
	out.Duration = end - out.Start
	last := s.lastEnd
	if s.init.Kind == media.KindVideo && s.init.MediaTime > 0 {
		last = max(s.start+s.duration, s.lastPTS-s.init.MediaTime)
	} else {
		last -= s.init.MediaTime
	}
	if out.EndPTS, err = s.init.at(last); err != nil {
		return Segment{}, err
	}
	if out.FirstPTS, err = s.init.at(max(0, s.firstPTS-s.init.MediaTime)); err != nil {
		return Segment{}, err
	}
	if out.LastPTS, err = s.init.at(max(0, s.lastPTS-s.init.MediaTime)); err != nil {
		return Segment{}, err
	}
	out.FirstPTS += s.init.Delay
	out.LastPTS += s.init.Delay
	out.EndPTS += s.init.Delay
	return out, nil
}
