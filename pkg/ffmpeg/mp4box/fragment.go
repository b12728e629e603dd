package mp4box

// Flags of the boxes of a fragment (ISO/IEC 14496-12, 8.8.7 and 8.8.8).
const (
	tfhdBaseOffset  = 0x000001
	tfhdDescription = 0x000002
	tfhdDuration    = 0x000008
	tfhdSize        = 0x000010
	tfhdBaseIsMoof  = 0x020000
	trunDataOffset  = 0x000001
	trunFirstFlags  = 0x000004
	trunSampleSize  = 0x000200
	trunPerSample   = 0x000f00
)

// fragment compares where a fragment's samples lie with the end of the file.
func (c *checker) fragment(moof box) error {
	// Without a base of its own, a track's data follows that of the track before it.
	next := moof.start
	return c.children("moof", moof.body, moof.end, func(b box) error {
		if b.kind == "pssh" {
			return encrypted(b.kind)
		}
		if b.kind != "traf" {
			return nil
		}
		f := trackFragment{c: c, moof: moof.start, next: next}
		err := c.children("traf", b.body, b.end, f.box)
		next = f.next
		return err
	})
}

// trackFragment is the part of one track in one fragment.
type trackFragment struct {
	c    *checker
	moof int64
	base int64
	// next is where the data of a run without an offset of its own begins.
	next int64
	size uint32
	seen bool
}

func (f *trackFragment) box(b box) error {
	switch b.kind {
	case "tfhd":
		return f.header(b)
	case "trun":
		return f.run(b)
	case "senc":
		return encrypted(b.kind)
	}
	return nil
}

// fields reads as much of the payload as a header of the longest form has.
func (f *trackFragment) fields(b box, p []byte) (flags uint32, n int64, err error) {
	n = min(b.len(), int64(len(p)))
	if n < 8 {
		return 0, 0, corrupt("the box %q is too short", b.kind)
	}
	err = f.c.read(p[:n], b.body)
	return be32(p) & 0xffffff, n, err
}

func (f *trackFragment) header(b box) error {
	var p [32]byte
	flags, n, err := f.fields(b, p[:])
	if err != nil {
		return err
	}
	f.seen, f.base = true, f.next
	if flags&tfhdBaseIsMoof != 0 {
		f.base = f.moof
	}
	f.size = f.c.defaults[be32(p[4:])]
	at := int64(8)
	for _, field := range []struct {
		flag  uint32
		width int64
	}{{tfhdBaseOffset, 8}, {tfhdDescription, 4}, {tfhdDuration, 4}, {tfhdSize, 4}} {
		if flags&field.flag == 0 {
			continue
		}
		if at+field.width > n {
			return corrupt("the box \"tfhd\" is too short")
		}
		switch field.flag {
		case tfhdBaseOffset:
			v := be64(p[at:])
			if v > uint64(maxFile) {
				return truncated("a fragment names media data behind the end of the file")
			}
			f.base = int64(v)
		case tfhdSize:
			f.size = be32(p[at:])
		}
		at += field.width
	}
	f.next = f.base
	return nil
}

// run adds up the sizes of one run of samples.
func (f *trackFragment) run(b box) error {
	var p [16]byte
	flags, n, err := f.fields(b, p[:])
	if err != nil {
		return err
	}
	if !f.seen {
		return corrupt("a fragment has samples before its header")
	}
	count, at, start := int64(be32(p[4:])), int64(8), f.next
	if flags&trunDataOffset != 0 {
		if at+4 > n {
			return corrupt("the box \"trun\" is too short")
		}
		start = f.base + int64(int32(be32(p[at:])))
		at += 4
	}
	if flags&trunFirstFlags != 0 {
		at += 4
	}
	width, sizeAt := int64(0), int64(0)
	for flag := uint32(0x100); flag <= 0x800; flag <<= 1 {
		if flags&flag != 0 {
			if flag < trunSampleSize {
				sizeAt += 4
			}
			width += 4
		}
	}
	if at+count*width > b.len() {
		return corrupt("the box \"trun\" is shorter than its %d entries", count)
	}
	total := count * int64(f.size)
	if flags&trunSampleSize != 0 {
		if total, err = f.sum(b.body+at, count, int(width), int(sizeAt)); err != nil {
			return err
		}
	}
	f.c.facts.Samples += count
	f.next = start + total
	if total > maxFile || f.next > f.c.size || start < 0 {
		return truncated("a fragment names media data behind the end of the file")
	}
	return nil
}

// sum adds up the sizes that stand at a fixed place in each entry of a run.
func (f *trackFragment) sum(pos, count int64, width, sizeAt int) (total int64, err error) {
	t := f.c.table(pos, count, width)
	for range count {
		e, err := t.next()
		if err != nil {
			return 0, err
		}
		total += int64(be32(e[sizeAt:])) // 2^32 entries below 2^32
	}
	return total, nil
}
