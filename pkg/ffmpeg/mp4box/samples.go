package mp4box

import "math"

// samples compares where a track's samples lie with the end of the file.
func (c *checker) samples(t track) error {
	sizes, err := c.sampleSizes(t)
	if err != nil || sizes == nil {
		return err
	}
	c.facts.Samples += sizes.left
	if t.chunks == nil || t.runs == nil {
		return nil // a fragmented film has empty tables, and may leave some out
	}
	// QuickTime counts compressed sound in samples of one byte that are not what is stored: only the
	// beginning of such a chunk is known.
	if t.audio && sizes.constant == 1 {
		sizes.constant = 0
	}
	nchunks, err := c.count(*t.chunks)
	if err != nil {
		return err
	}
	width := 4
	if t.wide {
		width = 8
	}
	runs, err := c.newRuns(*t.runs)
	if err != nil {
		return err
	}
	offsets := c.table(t.chunks.body+8, nchunks, width)
	for i := int64(1); i <= nchunks && sizes.left > 0; i++ {
		e, err := offsets.next()
		if err != nil {
			return err
		}
		offset := uint64(be32(e))
		if t.wide {
			offset = be64(e)
		}
		n, err := runs.samplesIn(i)
		if err != nil {
			return err
		}
		length, err := sizes.sum(n)
		if err != nil {
			return err
		}
		if offset > uint64(maxFile) || length > uint64(maxFile) || int64(offset+length) > c.size {
			return truncated("the index names media data behind the end of the file")
		}
	}
	return nil
}

// sizes yields the sizes of a track's samples in order.
type sizes struct {
	left     int64
	constant uint32 // where table is nil: the size of every sample
	bits     int    // width of an entry
	table    *table
	spare    []byte // the second half of an entry of two 4-bit sizes
}

// sampleSizes returns the sizes of a track, or nil where it has none.
func (c *checker) sampleSizes(t track) (*sizes, error) {
	b := t.sizes
	if b == nil {
		if b = t.compact; b == nil {
			return nil, nil
		}
	}
	var p [12]byte
	if b.len() < int64(len(p)) {
		return nil, corrupt("the box %q is too short", b.kind)
	}
	if err := c.read(p[:], b.body); err != nil {
		return nil, err
	}
	s := &sizes{left: int64(be32(p[8:])), bits: 32}
	if t.sizes == nil {
		if s.bits = int(p[7]); s.bits != 4 && s.bits != 8 && s.bits != 16 {
			return nil, corrupt("the box \"stz2\" has entries of %d bits", s.bits)
		}
	} else if s.constant = be32(p[4:]); s.constant != 0 {
		return s, nil
	}
	if (s.left*int64(s.bits)+7)/8 > b.len()-12 {
		return nil, corrupt("the box %q is shorter than its %d entries", b.kind, s.left)
	}
	entries := s.left
	if s.bits == 4 {
		entries = (entries + 1) / 2
	}
	s.table = c.table(b.body+12, entries, max(1, s.bits/8))
	return s, nil
}

// sum returns the total size of the next n samples, fewer where there are fewer.
func (s *sizes) sum(n uint32) (total uint64, err error) {
	count := min(int64(n), s.left)
	s.left -= count
	if s.table == nil {
		return uint64(count) * uint64(s.constant), nil // both below 2^32
	}
	for range count {
		v, err := s.next()
		if err != nil {
			return 0, err
		}
		total += v // below 2^32 entries below 2^32
	}
	return total, nil
}

func (s *sizes) next() (uint64, error) {
	if s.bits == 4 && s.spare != nil {
		v := uint64(s.spare[0] & 0xf)
		s.spare = nil
		return v, nil
	}
	e, err := s.table.next()
	if err != nil {
		return 0, err
	}
	switch s.bits {
	case 4:
		s.spare = e
		return uint64(e[0] >> 4), nil
	case 8:
		return uint64(e[0]), nil
	case 16:
		return uint64(be16(e)), nil
	}
	return uint64(be32(e)), nil
}

// runs yields the number of samples of each chunk from the table of runs: each entry holds from its
// first chunk up to the next entry's.
type runs struct {
	table     *table
	perChunk  uint32
	nextFirst int64
	nextCount uint32
}

func (c *checker) newRuns(b box) (*runs, error) {
	n, err := c.count(b)
	if err != nil {
		return nil, err
	}
	r := &runs{table: c.table(b.body+8, n, 12)}
	return r, r.advance()
}

// advance reads the entry that comes after the present one.
func (r *runs) advance() error {
	if r.table.left == 0 {
		r.nextFirst = math.MaxInt64
		return nil
	}
	e, err := r.table.next()
	if err != nil {
		return err
	}
	r.nextFirst, r.nextCount = int64(be32(e)), be32(e[4:])
	return nil
}

// samplesIn returns how many samples chunk i (from 1, ascending) has. Entries that do not ascend are
// taken in turn.
func (r *runs) samplesIn(i int64) (uint32, error) {
	for r.nextFirst <= i {
		r.perChunk = r.nextCount
		if err := r.advance(); err != nil {
			return 0, err
		}
	}
	return r.perChunk, nil
}
