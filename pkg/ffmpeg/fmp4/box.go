package fmp4

import "encoding/binary"

// box is a box in a slice of bytes: its payload.
type box struct {
	kind string
	data []byte
}

// next returns the box that b begins with, and what follows it.
func next(b []byte) (bx box, rest []byte, err error) {
	if len(b) < 8 {
		return box{}, nil, invalid("%d bytes that are no box", len(b))
	}
	size, head := uint64(binary.BigEndian.Uint32(b)), uint64(8)
	switch {
	case size == 1 && len(b) >= 16:
		size, head = binary.BigEndian.Uint64(b[8:]), 16
	case size == 0:
		size = uint64(len(b))
	}
	kind := string(b[4:8])
	if size < head || size > uint64(len(b)) {
		return box{}, nil, invalid("box %q does not fit into what holds it", kind)
	}
	return box{kind: kind, data: b[head:size]}, b[size:], nil
}

// each calls f for all boxes in b.
func each(b []byte, f func(box) error) error {
	for len(b) > 0 {
		bx, rest, err := next(b)
		if err != nil {
			return err
		}
		if err := f(bx); err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// find returns the first box of that kind in b. ok is false where there is none, or b is garbled.
func find(b []byte, kind string) (data []byte, ok bool) {
	for len(b) > 0 {
		bx, rest, err := next(b)
		if err != nil {
			return nil, false
		}
		if bx.kind == kind {
			return bx.data, true
		}
		b = rest
	}
	return nil, false
}

// reader takes numbers from the front of a box. Behind the end it yields zeros and is short.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if len(r.b) < n {
		r.b, r.short = nil, true
		return make([]byte, n) // n is a constant of a few bytes
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

// skip drops n bytes.
func (r *reader) skip(n int) {
	if len(r.b) < n {
		r.b, r.short = nil, true
		return
	}
	r.b = r.b[n:]
}

func (r *reader) u8() uint8   { return r.take(1)[0] }
func (r *reader) u16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) u32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

// full reads the version and flags that full boxes begin with.
func (r *reader) full() (version uint8, flags uint32) {
	v := r.u32()
	return uint8(v >> 24), v & 0xffffff
}

// wide reads a number of 64 bits in version 1 of a box and of 32 bits in version 0.
func (r *reader) wide(version uint8) uint64 {
	if version == 0 {
		return uint64(r.u32())
	}
	return r.u64()
}
