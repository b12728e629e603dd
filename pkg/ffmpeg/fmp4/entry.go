package fmp4

import (
	"fmt"
	"math/bits"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// entry reads the only sample entry of a track.
func (i *Init) entry(stsd []byte) error {
	r := reader{b: stsd}
	r.full()
	if n := r.u32(); n != 1 || r.short {
		return invalid("%d sample entries", n)
	}
	e, _, err := next(r.b)
	if err != nil {
		return err
	}
	if i.Kind == media.KindVideo {
		return i.visual(e)
	}
	return i.sound(e)
}

// visual reads a VisualSampleEntry (12.1.3).
func (i *Init) visual(e box) error {
	r := reader{b: e.data}
	r.skip(6 + 2 + 16)
	i.Size = media.Resolution{Width: int(r.u16()), Height: int(r.u16())}
	r.skip(50)
	if r.short || !i.Size.Valid() {
		return invalid("the sample entry %q has no size", e.kind)
	}
	switch e.kind {
	case "avc1", "avc3":
		c, _ := find(r.b, "avcC")
		if len(c) < 4 {
			return invalid("no parameters of H.264")
		}
		i.Codecs = fmt.Sprintf("%s.%02x%02x%02x", e.kind, c[1], c[2], c[3])
	case "hvc1", "hev1":
		c, _ := find(r.b, "hvcC")
		if len(c) < 13 {
			return invalid("no parameters of HEVC")
		}
		i.Codecs = e.kind + "." + hevc(c)
	default:
		return invalid("a sample entry %q", e.kind)
	}
	return nil
}

// hevc returns profile, compatibility, tier and level, and constraints as ISO/IEC 14496-15, annex E.3,
// writes them.
func hevc(c []byte) string {
	r := reader{b: c[1:]}
	general := r.u8()
	space := []string{"", "A", "B", "C"}[general>>6]
	tier := "L"
	if general&0x20 != 0 {
		tier = "H"
	}
	compatibility := bits.Reverse32(r.u32())
	constraints := r.take(6)
	s := fmt.Sprintf("%s%d.%X.%s%d", space, general&0x1f, compatibility, tier, r.u8())
	last := len(constraints)
	for last > 0 && constraints[last-1] == 0 {
		last--
	}
	for _, c := range constraints[:last] {
		s += fmt.Sprintf(".%X", c)
	}
	return s
}

// sound reads an AudioSampleEntry (12.2.3).
func (i *Init) sound(e box) error {
	r := reader{b: e.data}
	r.skip(6 + 2 + 8)
	i.Channels = int(r.u16())
	r.skip(2 + 4)
	i.SampleRate = int(r.u32() >> 16)
	if r.short {
		return invalid("the sample entry %q is too short", e.kind)
	}
	switch e.kind {
	case "mp4a":
		esds, _ := find(r.b, "esds")
		return i.mpeg4(esds)
	case "Opus":
		dops, _ := find(r.b, "dOps")
		if len(dops) < 11 {
			return invalid("no parameters of Opus")
		}
		// Opus has a clock of its own, whatever its input had (RFC 7845).
		i.Codecs, i.Channels, i.SampleRate = "opus", int(dops[1]), 48000
		return nil
	}
	return invalid("a sample entry %q", e.kind)
}

// The descriptors of an elementary stream (ISO/IEC 14496-1, 7.2.6) on the way to the decoder's parameters.
const (
	tagStream   = 3
	tagConfig   = 4
	tagSpecific = 5
)

// mpeg4 reads a description of MPEG-4 audio.
func (i *Init) mpeg4(esds []byte) error {
	if len(esds) < 4 {
		return invalid("no parameters of MPEG-4 audio")
	}
	stream := reader{b: descriptor(esds[4:], tagStream)}
	stream.skip(2)
	flags := stream.u8()
	if flags&0x80 != 0 {
		stream.skip(2)
	}
	if flags&0x40 != 0 {
		stream.skip(int(stream.u8()))
	}
	if flags&0x20 != 0 {
		stream.skip(2)
	}
	config := reader{b: descriptor(stream.b, tagConfig)}
	object := config.u8()
	config.skip(12)
	if config.short {
		return invalid("no parameters of MPEG-4 audio")
	}
	i.Codecs = fmt.Sprintf("mp4a.%02x", object)
	const aac = 0x40
	if object == aac {
		return i.aac(descriptor(config.b, tagSpecific))
	}
	return nil
}

// descriptor returns the content of the descriptor with that tag, if b begins with it.
func descriptor(b []byte, tag byte) []byte {
	if len(b) < 2 || b[0] != tag {
		return nil
	}
	size, at := 0, 1
	for more := true; more; at++ {
		if at == len(b) || at > 4 {
			return nil
		}
		size, more = size<<7|int(b[at]&0x7f), b[at]&0x80 != 0
	}
	if size > len(b)-at {
		return nil
	}
	return b[at : at+size]
}

// rates are the sample rates that AAC has a number for (ISO/IEC 14496-3, table 1.18).
var rates = []int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// aac reads an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1).
func (i *Init) aac(b []byte) error {
	if len(b) < 2 {
		return invalid("no parameters of AAC")
	}
	v := uint32(b[0])<<8 | uint32(b[1])
	kind, rate, channels := v>>11, int(v>>7&0xf), int(v>>3&0xf)
	const escape = 31
	if kind == escape || rate >= len(rates) {
		return invalid("parameters of AAC that are unknown here")
	}
	i.Codecs += fmt.Sprintf(".%d", kind)
	i.SampleRate = rates[rate]
	if channels > 0 {
		i.Channels = channels
	}
	return nil
}
