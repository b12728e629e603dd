package mp4cut

import (
	"bufio"
	"io"
)

// tableBuffer is how much of a table is held at a time.
const tableBuffer = 32 << 10

// sample is one coded picture. Times are in ticks of the track's clock.
type sample struct {
	dts, pts, offset int64
	size, span       uint32
	key              bool
}

// samples yields the samples of the track in the order of decoding.
type samples struct {
	*film
	left int64

	n             int64 // number of the next, from 1
	dts           int64
	spans, delays *repeated // delays is nil where there are none
	keys          *table    // nil where all are keyframes
	key           int64     // number of the next keyframe
	sizes         *table    // nil where all have one size
	size          uint32
	places        places
}

// samples returns the samples of the track, from the first.
func (f *film) samples() (s *samples, err error) {
	s = &samples{film: f, n: 1}
	p, err := f.payload(f.tables["stsz"], 12)
	if err != nil {
		return nil, err
	}
	if s.size, s.left = be32(p[4:]), int64(be32(p[8:])); s.left > maxSamples {
		return nil, unusual("%d frames", s.left)
	}
	if s.size == 0 {
		if s.sizes, err = f.entries("stsz", 12, s.left, 4); err != nil {
			return nil, err
		}
	}
	if s.spans, err = f.repeated("stts"); err != nil {
		return nil, err
	}
	if f.tables["ctts"].kind != "" {
		if s.delays, err = f.repeated("ctts"); err != nil {
			return nil, err
		}
	}
	if f.tables["stss"].kind != "" {
		if s.keys, err = f.table("stss", 4); err != nil {
			return nil, err
		}
	}
	if err := s.nextKey(); err != nil {
		return nil, err
	}
	s.places, err = f.places()
	return s, err
}

// nextKey finds out which sample the next keyframe is.
func (s *samples) nextKey() error {
	if s.keys == nil {
		s.key++
		return nil
	}
	if s.keys.left == 0 {
		s.key = 0
		return nil
	}
	e, err := s.keys.next()
	if err != nil {
		return err
	}
	if k := int64(be32(e)); k <= s.key {
		return unusual("keyframes that are out of order")
	}
	s.key = int64(be32(e))
	return nil
}

// next returns the next sample; left says that there is one.
func (s *samples) next() (sample, error) {
	// Some writers mean a negative number where the version of the table has none.
	const absurd = 1 << 30
	v := sample{dts: s.dts, pts: s.dts, size: s.size, key: s.n == s.key}
	var err error
	if v.span, err = s.spans.next(); err != nil {
		return sample{}, err
	}
	if s.delays != nil {
		delay, err := s.delays.next()
		if err != nil {
			return sample{}, err
		}
		if d := int64(int32(delay)); d < absurd && d > -absurd {
			v.pts += d
		} else {
			return sample{}, unusual("a frame that is shown %d ticks after it is decoded", d)
		}
	}
	if s.sizes != nil {
		e, err := s.sizes.next()
		if err != nil {
			return sample{}, err
		}
		v.size = be32(e)
	}
	if v.offset, err = s.places.next(v.size); err != nil {
		return sample{}, err
	}
	if v.span >= absurd || v.offset > s.film.size-int64(v.size) {
		return sample{}, unusual("a frame that lies behind the end of the file, or lasts too long")
	}
	if v.key {
		err = s.nextKey()
	}
	s.n, s.dts, s.left = s.n+1, s.dts+int64(v.span), s.left-1
	return v, err
}

// places yields where samples lie, from the tables of chunks.
type places struct {
	chunks, runs *table
	wide         bool
	chunk        int64  // number of the present one, from 1
	left         uint32 // samples of it that are left
	at           int64
	// From chunk nextFirst on, chunks have nextCount samples instead of perChunk.
	perChunk, nextCount uint32
	nextFirst           int64
}

func (f *film) places() (p places, err error) {
	kind, width := "stco", int64(4)
	if f.tables["co64"].kind != "" {
		kind, width, p.wide = "co64", 8, true
	}
	if p.chunks, err = f.table(kind, width); err != nil {
		return p, err
	}
	if p.runs, err = f.table("stsc", 12); err != nil {
		return p, err
	}
	return p, p.advance()
}

// advance reads the next entry of the table of runs.
func (p *places) advance() error {
	last := p.nextFirst
	if p.nextFirst = maxFile; p.runs.left == 0 {
		return nil
	}
	e, err := p.runs.next()
	if err != nil {
		return err
	}
	p.nextFirst, p.nextCount = int64(be32(e)), be32(e[4:])
	if p.nextFirst <= last || p.nextCount == 0 || be32(e[8:]) != 1 {
		return unusual("chunks that are out of order, empty, or described otherwise")
	}
	return nil
}

func (p *places) next(size uint32) (int64, error) {
	if p.left == 0 {
		p.chunk++
		for p.nextFirst <= p.chunk {
			p.perChunk = p.nextCount
			if err := p.advance(); err != nil {
				return 0, err
			}
		}
		e, err := p.chunks.next()
		if err != nil {
			return 0, err
		}
		at := uint64(0)
		if p.wide {
			at = be64(e)
		} else {
			at = uint64(be32(e))
		}
		if at > maxFile || p.perChunk == 0 {
			return 0, unusual("a chunk in an absurd place, or that nothing describes")
		}
		p.at, p.left = int64(at), p.perChunk
	}
	at := p.at
	p.at, p.left = p.at+int64(size), p.left-1
	return at, nil
}

// repeated yields the values of a table whose entries say how often a value stands.
type repeated struct {
	*table
	count, value uint32
}

func (f *film) repeated(kind string) (*repeated, error) {
	t, err := f.table(kind, 8)
	return &repeated{table: t}, err
}

func (r *repeated) next() (uint32, error) {
	for r.count == 0 {
		e, err := r.table.next()
		if err != nil {
			return 0, err
		}
		r.count, r.value = be32(e), be32(e[4:])
	}
	r.count--
	return r.value, nil
}

// table yields the entries of a table.
type table struct {
	r     *bufio.Reader
	left  int64
	entry []byte
}

// table returns the table of that kind, whose entries have width bytes.
func (f *film) table(kind string, width int64) (*table, error) {
	p, err := f.payload(f.tables[kind], 8)
	if err != nil {
		return nil, err
	}
	return f.entries(kind, 8, int64(be32(p[4:])), width)
}

// entries returns count entries that begin head bytes into the payload of the box.
func (f *film) entries(kind string, head, count, width int64) (*table, error) {
	b := f.tables[kind]
	if count*width > b.end-b.body-head {
		return nil, unusual("the box %q is shorter than its %d entries", kind, count)
	}
	section := io.NewSectionReader(f.r, b.body+head, count*width)
	return &table{r: bufio.NewReaderSize(section, int(min(tableBuffer, max(16, count*width)))), left: count, entry: make([]byte, width)}, nil
}

// next returns the next entry, which is valid until the next call.
func (t *table) next() ([]byte, error) {
	if t.left == 0 {
		return nil, unusual("a table that ends early")
	}
	t.left--
	_, err := io.ReadFull(t.r, t.entry)
	return t.entry, err
}
