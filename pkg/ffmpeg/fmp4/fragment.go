package fmp4

import "math"

// Flags of the boxes of a fragment (ISO/IEC 14496-12, 8.8.7 and 8.8.8), and of a sample (8.8.3.1).
const (
	tfhdBaseOffset  = 0x000001
	tfhdDescription = 0x000002
	tfhdDuration    = 0x000008
	tfhdSize        = 0x000010
	tfhdFlags       = 0x000020
	trunDataOffset  = 0x000001
	trunFirstFlags  = 0x000004
	trunDuration    = 0x000100
	trunSize        = 0x000200
	trunFlags       = 0x000400
	trunComposition = 0x000800
	sampleNotSync   = 0x010000
)

// fragment reads the description of a fragment, which begins at pos in the file.
func (s *segment) fragment(b []byte, pos int64) error {
	tracks := 0
	return each(b, func(bx box) error {
		if bx.kind != "traf" {
			return nil
		}
		if tracks++; tracks > 1 {
			return invalid("a fragment of several tracks")
		}
		f := fragment{s: s, sampleDefaults: s.init.defaults, moof: pos, next: pos}
		return each(bx.data, f.box)
	})
}

// fragment is the track's part of one fragment.
type fragment struct {
	s *segment
	sampleDefaults
	moof int64
	// base is what offsets count from; next is where the data of a run without an offset begins.
	base, next int64
	headed     bool
	timed      bool
	// now is the decoding time of the next sample.
	now int64
}

func (f *fragment) box(bx box) error {
	r := reader{b: bx.data}
	switch bx.kind {
	case "tfhd":
		return f.header(&r)
	case "tfdt":
		v, _ := r.full()
		at := r.wide(v)
		if r.short || at > maxTicks {
			return invalid("a fragment begins at an absurd instant")
		}
		f.now, f.timed = int64(at), true
		if !f.s.started {
			f.s.started, f.s.start = true, f.now
		}
		if f.now != f.s.start+f.s.duration {
			return invalid("a fragment begins %d ticks off the end of the one before", f.now-f.s.start-f.s.duration)
		}
	case "trun":
		return f.run(&r)
	}
	return nil
}

func (f *fragment) header(r *reader) error {
	_, flags := r.full()
	if id := r.u32(); id != f.s.init.TrackID {
		return invalid("a fragment of track %d, not %d", id, f.s.init.TrackID)
	}
	f.base, f.headed = f.moof, true
	if flags&tfhdBaseOffset != 0 {
		f.base = int64(r.u64() & math.MaxInt64)
	}
	if flags&tfhdDescription != 0 {
		r.skip(4)
	}
	for _, field := range []struct {
		flag uint32
		to   *uint32
	}{{tfhdDuration, &f.duration}, {tfhdSize, &f.size}, {tfhdFlags, &f.flags}} {
		if flags&field.flag != 0 {
			*field.to = r.u32()
		}
	}
	if r.short || f.base > f.s.size {
		return invalid("the header of a fragment makes no sense")
	}
	f.next = f.base
	return nil
}

// run takes in a run of samples.
func (f *fragment) run(r *reader) error {
	version, flags := r.full()
	count := int64(r.u32())
	if !f.headed || !f.timed {
		return invalid("frames before the header or the time of their fragment")
	}
	if f.s.frames+count > maxSamples {
		return invalid("more than %d frames", maxSamples)
	}
	start := f.next
	if flags&trunDataOffset != 0 {
		start = f.base + int64(int32(r.u32()))
	}
	first, hasFirst := uint32(0), flags&trunFirstFlags != 0
	if hasFirst {
		first = r.u32()
	}
	at := start
	for i := range count {
		d := f.sampleDefaults
		if flags&trunDuration != 0 {
			d.duration = r.u32()
		}
		if flags&trunSize != 0 {
			d.size = r.u32()
		}
		if flags&trunFlags != 0 {
			d.flags = r.u32()
		}
		if i == 0 && hasFirst {
			d.flags = first
		}
		offset := int64(0)
		if flags&trunComposition != 0 {
			if offset = int64(r.u32()); version > 0 {
				offset = int64(int32(offset))
			}
		}
		if r.short {
			return invalid("a run of frames is shorter than its %d entries", count)
		}
		at += int64(d.size)
		f.sample(d, offset, at)
	}
	if r.short || start < 0 || at > f.s.size {
		return invalid("frames that lie outside of the file")
	}
	f.next = at
	f.s.runs = append(f.s.runs, span{start, at})
	return nil
}

// sample takes in one sample, whose data ends at end. A million samples below 2^32 ticks each cannot
// overflow.
func (f *fragment) sample(d sampleDefaults, offset, end int64) {
	s := f.s
	pts := f.now + offset
	key := d.flags&sampleNotSync == 0
	if s.frames == 0 {
		s.firstPTS, s.lastPTS, s.lastEnd = pts, pts, pts
		s.keyFirst, s.keyBytes = key, end
	}
	s.frames++
	s.firstPTS, s.lastPTS = min(s.firstPTS, pts), max(s.lastPTS, pts)
	s.lastEnd = max(s.lastEnd, pts+int64(d.duration))
	if key {
		s.keyframes++
	}
	f.now += int64(d.duration)
	s.duration += int64(d.duration)
}
