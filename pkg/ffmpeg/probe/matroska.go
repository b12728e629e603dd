package probe

import (
	"io"
	"math/bits"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// Identifiers of Matroska elements (RFC 9559), with their length marker.
const (
	ebmlSegment           = 0x18538067
	ebmlCues              = 0x1C53BB6B
	ebmlTracks            = 0x1654AE6B
	ebmlTrackEntry        = 0xAE
	ebmlContentEncodings  = 0x6D80
	ebmlContentEncoding   = 0x6240
	ebmlContentEncryption = 0x5035
)

// unknownSize is the length of an element that was written before its end was known.
const unknownSize = int64(-1)

// element is one EBML element: its payload is [body, end), or up to the file's end where end is
// unknownSize.
type element struct {
	id        uint32
	body, end int64
}

// matroska walks the structure of a file, and never what clusters hold.
type matroska struct {
	r          io.ReaderAt
	size       int64
	maxStreams int
	cues       bool
}

// checkMatroska compares the extents that a Matroska or WebM file declares with its size, counts its
// tracks and looks for encryption. cues says whether the file has an index. That a file is cut is told only
// where nothing else is wrong with it.
func checkMatroska(r io.ReaderAt, size int64, maxStreams int) (cues bool, err error) {
	m := &matroska{r: r, size: size, maxStreams: maxStreams}
	for pos := int64(0); pos < size; {
		e, ok, err := m.element(pos)
		if err != nil || !ok {
			return false, err // what follows the last element is no damage
		}
		if e.id == ebmlSegment {
			err := m.segment(e)
			if e.end > size && (err == nil || isDamage(err)) {
				err = truncatedBy(e.end - size)
			}
			return m.cues, err
		}
		if e.end == unknownSize || e.end > size {
			return false, fault.New(fault.CodeSourceTruncated, "the file ends within its header")
		}
		pos = e.end
	}
	return false, fault.New(fault.CodeSourceTruncated, "the file ends before its media data")
}

// segment walks the elements of the top level. A live recording leaves sizes unknown: then there is
// nothing to compare.
func (m *matroska) segment(s element) error {
	end := s.end
	if end == unknownSize {
		end = m.size
	}
	end = min(end, m.size)
	for pos := s.body; pos < end; {
		e, ok, err := m.element(pos)
		if err != nil || !ok || e.end == unknownSize {
			return err
		}
		if e.end > m.size {
			return truncatedBy(e.end - m.size)
		}
		m.cues = m.cues || e.id == ebmlCues
		if e.id == ebmlTracks {
			if err := m.tracks(e); err != nil {
				return err
			}
		}
		pos = e.end
	}
	return nil
}

func (m *matroska) tracks(t element) error {
	n := 0
	return m.children(t, func(e element) error {
		if e.id != ebmlTrackEntry {
			return nil
		}
		if n++; n > m.maxStreams {
			return tooManyStreams(n, m.maxStreams)
		}
		return m.find(e, []uint32{ebmlContentEncodings, ebmlContentEncoding, ebmlContentEncryption})
	})
}

// find refuses a track in which the path of elements leads to encryption.
func (m *matroska) find(e element, path []uint32) error {
	if len(path) == 0 {
		return fault.New(fault.CodeSourceEncrypted, "a track of the file is encrypted")
	}
	return m.children(e, func(c element) error {
		if c.id != path[0] {
			return nil
		}
		return m.find(c, path[1:])
	})
}

// children calls f for the elements in e. Elements that do not fit end the walk: what they mean is the
// demuxer's business.
func (m *matroska) children(e element, f func(element) error) error {
	for pos := e.body; pos < e.end; {
		c, ok, err := m.element(pos)
		if err != nil {
			return err
		}
		if !ok || c.end == unknownSize || c.end > e.end {
			return nil
		}
		if err := f(c); err != nil {
			return err
		}
		pos = c.end
	}
	return nil
}

// element reads the header of the element at pos. ok is false where there is none.
func (m *matroska) element(pos int64) (e element, ok bool, err error) {
	h, err := readAt(m.r, pos, min(12, m.size-pos))
	if err != nil || len(h) < 2 {
		return element{}, false, err
	}
	n := bits.LeadingZeros8(h[0]) + 1
	if n > 4 || n >= len(h) {
		return element{}, false, nil
	}
	for _, b := range h[:n] {
		e.id = e.id<<8 | uint32(b)
	}
	w := bits.LeadingZeros8(h[n]) + 1
	if w > 8 || n+w > len(h) {
		return element{}, false, nil
	}
	size, full := int64(h[n])&(1<<(8-w)-1), int64(1)<<(7*w)-1
	for _, b := range h[n+1 : n+w] {
		size = size<<8 | int64(b)
	}
	e.body = pos + int64(n+w)
	if e.end = e.body + size; size == full {
		e.end = unknownSize
	}
	return e, true, nil
}
