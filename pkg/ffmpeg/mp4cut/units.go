package mp4cut

// slicing tells how a codec cuts a picture into units, each behind its length. The zero value means that
// every keyframe of the codec is one that decoding can begin with.
type slicing struct {
	// length is how many bytes the length has.
	length int64
	// slice reports whether a unit whose first byte is head is a part of a picture, and then whether decoding
	// can begin with that picture without a trace of what was decoded before.
	slice func(head byte) (is, fresh bool)
}

// avc is H.264, hevc is H.265: of the pictures that their files mark as keyframes, some may be followed by
// pictures that refer to what comes before.
func avc(head byte) (is, fresh bool) {
	const idr, last = 5, 5
	t := head & 0x1f
	return t >= 1 && t <= last, t == idr
}

func hevc(head byte) (is, fresh bool) {
	const broken, idr, last = 16, 20, 31 // BLA and IDR pictures; the clean random access picture is 21
	t := head >> 1 & 0x3f
	return t <= last, t >= broken && t <= idr
}

// codecs are the sample entries that are known.
var codecs = map[string]struct {
	config string
	// length is where the box config holds the length of lengths, less one.
	length int
	slice  func(byte) (is, fresh bool)
}{
	"avc1": {"avcC", 4, avc}, "avc3": {"avcC", 4, avc},
	"hvc1": {"hvcC", 21, hevc}, "hev1": {"hvcC", 21, hevc},
	"vp09": {}, "av01": {},
	"apch": {}, "apcn": {}, "apcs": {}, "apco": {}, "ap4h": {}, "ap4x": {}, // ProRes
}

// slicingOf returns how the samples of a track are cut, by the payload of its description.
func slicingOf(stsd []byte) (slicing, error) {
	const list, entry = 8, 8 + 78 // version, flags and count; the head and the fixed part of a description of video
	if len(stsd) < list+entry || be32(stsd[4:]) != 1 {
		return slicing{}, unusual("not one description of samples")
	}
	kind := string(stsd[list+4 : list+8])
	codec, ok := codecs[kind]
	if !ok {
		return slicing{}, unusual("samples of the kind %q", kind)
	}
	if codec.slice == nil {
		return slicing{}, nil
	}
	for rest := stsd[list+entry:]; len(rest) >= 8; {
		n := int64(be32(rest))
		if n < 8 || n > int64(len(rest)) {
			break
		}
		if body := rest[8:n]; string(rest[4:8]) == codec.config && len(body) > codec.length {
			return slicing{length: int64(body[codec.length]&3) + 1, slice: codec.slice}, nil
		}
		rest = rest[n:]
	}
	return slicing{}, unusual("samples of the kind %q without parameters", kind)
}

// startsAfresh reports whether decoding can begin with the sample, whatever was decoded before.
func (f *film) startsAfresh(s sample) (bool, error) {
	const maxUnits = 1000 // before the first slice
	if f.units.slice == nil {
		return true, nil
	}
	pos, end := s.offset, s.offset+int64(s.size)
	for range maxUnits {
		var p [5]byte
		unit := p[:f.units.length+1]
		if end-pos < int64(len(unit)) {
			break
		}
		if err := f.read(unit, pos); err != nil {
			return false, err
		}
		if is, fresh := f.units.slice(unit[f.units.length]); is {
			return fresh, nil
		}
		n := int64(0)
		for _, b := range unit[:f.units.length] {
			n = n<<8 | int64(b)
		}
		pos += f.units.length + n
	}
	return false, nil
}
