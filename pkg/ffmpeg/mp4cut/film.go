package mp4cut

import (
	"encoding/binary"
	"io"
	"slices"
)

const (
	// maxBoxes bounds the boxes that are looked at, maxCopied each box that is copied: a description of
	// samples holds a colour profile at most.
	maxBoxes  = 10_000
	maxCopied = 1 << 20
	// maxFile bounds sizes and offsets so that sums of a few of them cannot overflow.
	maxFile = 1 << 60
)

// film is the source: the boxes of its video track that matter.
type film struct {
	r    io.ReaderAt
	size int64

	// Boxes that are copied as they are, heads included. ftyp is empty where there is none.
	ftyp, mvhd, tkhd, mdhd, stsd []byte
	trackID, timescale           uint32
	// begin is the time of the track that the presentation begins with, where there is an edit list.
	begin  int64
	edited bool
	units  slicing
	// tables are the boxes of the sample tables by their kind.
	tables map[string]box

	boxes int // seen so far
}

// box is a box of the film: its payload is [body, end).
type box struct {
	kind             string
	start, body, end int64
}

// open finds the video track of a film.
func open(r io.ReaderAt, size int64) (*film, error) {
	f := &film{r: r, size: size}
	var tracks []map[string]box
	var mvhd box
	err := f.boxesIn(0, size, func(b box) (err error) {
		switch b.kind {
		case "ftyp":
			f.ftyp, err = f.whole(b)
		case "moov":
			if mvhd.kind != "" {
				return unusual("two indexes")
			}
			tracks, mvhd, err = f.movie(b)
		case "moof":
			return unusual("fragments")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(tracks) != 1 || mvhd.kind == "" {
		return nil, unusual("%d video tracks", len(tracks))
	}
	if f.mvhd, err = f.whole(mvhd); err != nil {
		return nil, err
	}
	f.tables = tracks[0]
	return f, f.track(tracks[0])
}

// boxesIn calls visit for the boxes in [pos, end). A few bytes at the end may be no box; a size of 0 means
// the rest.
func (f *film) boxesIn(pos, end int64, visit func(box) error) error {
	for end-pos >= 8 {
		if f.boxes++; f.boxes > maxBoxes {
			return unusual("more than %d boxes", maxBoxes)
		}
		var h [16]byte
		if err := f.read(h[:min(16, end-pos)], pos); err != nil {
			return err
		}
		b := box{kind: string(h[4:8]), start: pos, body: pos + 8}
		switch n := be32(h[:]); n {
		case 0:
			b.end = end
		case 1:
			b.body, b.end = pos+16, pos+int64(min(be64(h[8:]), maxFile))
		default:
			b.end = pos + int64(n)
		}
		if b.end < b.body || b.end > end {
			return unusual("a box that does not fit into what holds it")
		}
		if err := visit(b); err != nil {
			return err
		}
		pos = b.end
	}
	return nil
}

// movie returns the boxes of all video tracks, and the header.
func (f *film) movie(moov box) (tracks []map[string]box, mvhd box, err error) {
	err = f.boxesIn(moov.body, moov.end, func(b box) error {
		switch b.kind {
		case "mvhd":
			mvhd = b
		case "mvex":
			return unusual("fragments")
		case "trak":
			t := map[string]box{}
			if err := f.collect(b, t); err != nil {
				return err
			}
			handler, err := f.payload(t["hdlr"], 12)
			if err == nil && string(handler[8:12]) == "vide" {
				tracks = append(tracks, t)
			}
			return err
		}
		return nil
	})
	return tracks, mvhd, err
}

// leaves are the boxes of a track that matter, by what holds them.
var leaves = map[string][]string{
	"trak": {"tkhd"}, "edts": {"elst"}, "mdia": {"mdhd", "hdlr"}, "stbl": {"stsd", "stts", "ctts", "stss", "stsz", "stsc", "stco", "co64"},
}

// collect finds the leaves of a track.
func (f *film) collect(in box, into map[string]box) error {
	return f.boxesIn(in.body, in.end, func(b box) error {
		switch b.kind {
		case "edts", "mdia", "minf", "stbl":
			return f.collect(b, into)
		}
		if !slices.Contains(leaves[in.kind], b.kind) {
			return nil
		}
		if _, twice := into[b.kind]; twice {
			return unusual("two boxes %q", b.kind)
		}
		into[b.kind] = b
		return nil
	})
}

// track reads the headers of the track.
func (f *film) track(t map[string]box) (err error) {
	for kind, to := range map[string]*[]byte{"tkhd": &f.tkhd, "mdhd": &f.mdhd, "stsd": &f.stsd} {
		if *to, err = f.whole(t[kind]); err != nil {
			return err
		}
	}
	at := 8 + 4 + 8 // behind the head, version and flags, and two times
	if tkhd, mdhd := f.tkhd[8:], f.mdhd[8:]; len(tkhd) < 24 || len(mdhd) < 24 || tkhd[0] > 1 || mdhd[0] > 1 {
		return unusual("a header of an unknown kind")
	}
	f.trackID = be32(f.tkhd[at+8*int(f.tkhd[8]):])
	f.timescale = be32(f.mdhd[at+8*int(f.mdhd[8]):])
	if f.timescale == 0 || f.trackID == 0 {
		return unusual("no clock or no number")
	}
	if f.units, err = slicingOf(f.stsd[8:]); err != nil {
		return err
	}
	return f.edits(t["elst"])
}

// edits reads an edit list: at most one edit that shows nothing, then one that shows the track from a time on.
func (f *film) edits(b box) error {
	if b.kind == "" {
		return nil
	}
	p, err := f.payload(b, 8)
	if err != nil {
		return err
	}
	width, n := int64(12), int64(be32(p[4:]))
	if p[0] == 1 {
		width = 20
	}
	if p[0] > 1 || n > 2 || b.end-b.body < 8+n*width {
		return unusual("an edit list of %d edits", n)
	}
	for i := range n {
		e := make([]byte, width)
		if err := f.read(e, b.body+8+i*width); err != nil {
			return err
		}
		at := int64(int32(be32(e[4:])))
		if width == 20 {
			at = int64(be64(e[8:]))
		}
		switch rate := be32(e[width-4:]); {
		case at == -1 && i == 0 && n == 2:
		case at >= 0 && at < maxFile && i == n-1 && rate == 1<<16:
			f.begin, f.edited = at, true
		default:
			return unusual("an edit list that does more than to say where the film begins")
		}
	}
	return nil
}

// whole returns a box with its head.
func (f *film) whole(b box) ([]byte, error) {
	n := b.end - b.start
	if b.kind == "" || n > maxCopied || b.body-b.start != 8 {
		return nil, unusual("a header is missing, or longer than any is")
	}
	p := make([]byte, n)
	return p, f.read(p, b.start)
}

// payload returns the first n bytes of a box's payload.
func (f *film) payload(b box, n int64) ([]byte, error) {
	if b.kind == "" || b.end-b.body < n {
		return nil, unusual("a box is missing or too short")
	}
	p := make([]byte, n)
	return p, f.read(p, b.body)
}

// read fills p from pos, which the caller knows to lie within the film.
func (f *film) read(p []byte, pos int64) error {
	if n, err := f.r.ReadAt(p, pos); n < len(p) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

func be64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }
