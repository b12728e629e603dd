// Package mp4box looks for damage in MP4 and QuickTime files without decoding anything. It reads box
// headers and the tables of the index, in small pieces, so a hostile file costs neither memory nor a
// crash; media data is never read.
//
// It finds what decoders overlook: ffmpeg ends with success on a file whose index names samples behind
// the file's end. What it cannot find: damage inside media data, and a fragmented file that was cut
// between two fragments and declares no length.
package mp4box

import (
	"io"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// Facts are what the boxes say of a file.
type Facts struct {
	// Brand is the major brand of the file type box, empty for a QuickTime file that has none.
	Brand string
	// Tracks is the number of tracks.
	Tracks int
	// Samples is the number of samples that the index names, fragments included.
	Samples int64
	// Fragments is the number of movie fragments.
	Fragments int64
	// Faststart says that the index stands before the media data.
	Faststart bool
	// TrailingBytes is how much follows the last box that makes sense. Some tools append their own data.
	TrailingBytes int64
	// Still says that the file holds pictures in the manner of HEIF and no film.
	Still bool
}

// Is reports whether a file that begins with head (16 bytes suffice) is made of boxes.
func Is(head []byte) bool {
	if len(head) < 8 {
		return false
	}
	switch string(head[4:8]) {
	case "ftyp", "moov", "mdat", "moof", "styp", "sidx", "free", "skip", "wide", "pnot", "uuid":
		size := be32(head)
		return size == 0 || size == 1 || size >= 8
	}
	return false
}

// Check reads the boxes of a file of the given size. Errors carry a code: source_truncated where the
// file ends before what it declares, source_corrupt where its boxes contradict each other,
// source_encrypted where a track is, source_unrecognized where it is not made of boxes. Errors of r are
// passed on without a code. Encryption is told rather than damage where a file has both. Facts are returned
// with errors too, as far as the reading came. Check never panics, whatever r holds; r must be stable while
// it runs.
func Check(r io.ReaderAt, size int64) (Facts, error) {
	c := checker{r: r, size: size}
	err := c.file()
	if c.missing != nil && (err == nil || fault.CodeOf(err) == fault.CodeSourceTruncated) {
		err = c.missing
	}
	return c.facts, err
}

func truncated(format string, args ...any) error {
	return fault.New(fault.CodeSourceTruncated, format, args...)
}

func corrupt(format string, args ...any) error {
	return fault.New(fault.CodeSourceCorrupt, format, args...)
}

func encrypted(kind string) error {
	return fault.New(fault.CodeSourceEncrypted, "the file is encrypted (box %q)", kind)
}

// box is one box: its payload is [body, end).
type box struct {
	kind             string
	start, body, end int64
	// open says that the box declares no size and reaches to the end of the file.
	open bool
}

func (b box) len() int64 { return b.end - b.body }

// checker is one run over a file.
type checker struct {
	r     io.ReaderAt
	size  int64
	facts Facts

	// missing is the first media data that was found to lie behind the end of the file.
	missing error

	moov, mdat, meta, moof bool
	// defaults are the default sample sizes of tracks for their fragments, by track.
	defaults map[uint32]uint32
}

// header reads the header of the box at pos, which ends at limit at the latest. ok is false where there
// is no box: too few bytes, or a size that no box has. The box may end behind limit.
func (c *checker) header(pos, limit int64) (b box, ok bool, err error) {
	var h [16]byte
	if limit-pos < 8 {
		return box{}, false, nil
	}
	n := min(limit-pos, int64(len(h)))
	if err := c.read(h[:n], pos); err != nil {
		return box{}, false, err
	}
	b = box{kind: string(h[4:8]), start: pos, body: pos + 8}
	switch size := int64(be32(h[:])); {
	case size == 0:
		b.end, b.open = limit, true
	case size == 1:
		large := be64(h[8:])
		if n < 16 || large < 16 || large > uint64(maxFile) {
			return b, false, nil
		}
		b.body, b.end = pos+16, pos+int64(large)
	case size < 8:
		return b, false, nil
	default:
		b.end = pos + size
	}
	return b, true, nil
}

// maxFile bounds sizes and offsets so that sums of a few of them cannot overflow.
const maxFile = int64(1) << 60

// read fills p from pos, which the caller knows to lie within the file.
func (c *checker) read(p []byte, pos int64) error {
	n, err := c.r.ReadAt(p, pos)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func be16(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }

func be32(b []byte) uint32 { return uint32(be16(b))<<16 | uint32(be16(b[2:])) }

func be64(b []byte) uint64 { return uint64(be32(b))<<32 | uint64(be32(b[4:])) }
