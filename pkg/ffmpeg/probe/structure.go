package probe

import (
	"encoding/binary"
	"io"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg/mp4box"
)

// look is what a file showed before any tool ran.
type look struct {
	kind  kind
	notes []Note
	// checked says that what the file declares of its extent was compared with its size.
	checked bool
	// indexed says that the container has an index of all keyframes.
	indexed bool
	// jpeg is the beginning of a JPEG file, and nothing of another one.
	jpeg []byte
	// damage is what is wrong with a file that is to be salvaged.
	damage error
}

// structure looks at what the container declares: extent, streams, encryption, size of pictures.
func (l *look) structure(r io.ReaderAt, size int64, head []byte, p Policy) error {
	l.checked = true
	switch l.kind {
	case kindMP4:
		return l.mp4(r, size, p)
	case kindMatroska:
		cues, err := checkMatroska(r, size, p.MaxStreams)
		l.indexed = cues
		return err
	case kindRIFF, kindWebP:
		if l.kind == kindWebP && animatedWebP(head) {
			// Decoders before ffmpeg 8 skip the animation without a word.
			return fault.New(fault.CodeSourceUnsupported, "animated WebP is not supported")
		}
		if err := checkStill(l.kind, head, p.MaxPixels); err != nil {
			return err
		}
		return checkRIFF(r, size)
	case kindFLV:
		return checkFLV(r, size)
	case kindASF:
		return checkASF(head, size)
	case kindTS:
		gaps, err := checkTS(r, size, head)
		if gaps > 0 {
			l.notes = append(l.notes, NoteGaps)
		}
		return err
	}
	l.checked = false
	return checkStill(l.kind, head, p.MaxPixels)
}

func (l *look) mp4(r io.ReaderAt, size int64, p Policy) error {
	facts, err := mp4box.Check(r, size)
	l.indexed = facts.Fragments == 0
	switch {
	case facts.Tracks > p.MaxStreams:
		return tooManyStreams(facts.Tracks, p.MaxStreams)
	case err != nil:
		return err
	case facts.Still:
		return fault.New(fault.CodeSourceUnsupported, "HEIF and AVIF pictures are not supported")
	}
	return nil
}

func tooManyStreams(got, limit int) error {
	return fault.New(fault.CodeSourceTooManyStreams, "the file has more than %d streams (at least %d)", limit, got)
}

func truncatedBy(missing int64) error {
	return fault.New(fault.CodeSourceTruncated, "the file ends %d bytes before its declared end", missing)
}

// checkRIFF compares the chunks of the top level with the file's size. Writers that could not seek
// back leave 0 or the largest number.
func checkRIFF(r io.ReaderAt, size int64) error {
	for pos := int64(0); pos+12 <= size; {
		h, err := readAt(r, pos, 12)
		if err != nil {
			return err
		}
		length := int64(binary.LittleEndian.Uint32(h[4:]))
		if string(h[:4]) != "RIFF" || length == 0 || length >= 0xffffff00 {
			return nil
		}
		// The last chunk may lack the byte that makes its length even.
		if end := pos + 8 + length; end > size {
			return truncatedBy(end - size)
		}
		pos += 8 + length + length&1
	}
	return nil
}

// checkFLV walks the tags of a Flash video file.
func checkFLV(r io.ReaderAt, size int64) error {
	h, err := readAt(r, 0, min(size, 9))
	if err != nil {
		return err
	}
	if len(h) < 9 {
		return truncatedBy(9 - size)
	}
	// After the header, and after each tag, stand four bytes that repeat the last tag's length.
	pos := int64(binary.BigEndian.Uint32(h[5:])) + 4
	for pos+11 <= size {
		h, err := readAt(r, pos, 11)
		if err != nil {
			return err
		}
		if kind := h[0] & 0x1f; kind != 8 && kind != 9 && kind != 18 {
			return nil // what follows is no tag: left to the demuxer, which searches for the next
		}
		end := pos + 11 + int64(h[1])<<16 + int64(h[2])<<8 + int64(h[3])
		if end > size {
			return truncatedBy(end - size)
		}
		pos = end + 4
	}
	return nil
}

// checkASF compares the data object's declared end with the file's size. Both objects stand at the
// beginning: the header object, then the data object, each with a GUID and a length.
func checkASF(head []byte, size int64) error {
	const guid, object = 16, 24
	if len(head) < object {
		return truncatedBy(object - size)
	}
	header := binary.LittleEndian.Uint64(head[guid:])
	if header > uint64(size) {
		return truncatedBy(int64(min(header, 1<<62)) - size)
	}
	if header+object > uint64(len(head)) {
		return nil
	}
	data := binary.LittleEndian.Uint64(head[header+guid:])
	if data > uint64(size)-header {
		return truncatedBy(int64(min(data, 1<<62)) + int64(header) - size)
	}
	return nil
}

// readAt returns n bytes at pos, which the caller knows to lie within the file.
func readAt(r io.ReaderAt, pos, n int64) ([]byte, error) {
	b := make([]byte, n)
	if m, err := r.ReadAt(b, pos); m < len(b) {
		if err == io.EOF || err == nil {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b, nil
}
