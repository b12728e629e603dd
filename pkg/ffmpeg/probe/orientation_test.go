package probe

import (
	"encoding/binary"
	"slices"
	"testing"
)

// exif returns a JPEG file's beginning with an Exif segment whose only directory has one entry.
func exif(order binary.AppendByteOrder, tag, kind, value uint16) []byte {
	tiff := []byte("II")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		tiff = []byte("MM")
	}
	for _, n := range []uint16{42, 8, 0, 1, tag, kind, 1, 0, value, 0} {
		tiff = order.AppendUint16(tiff, n)
	}
	if order == binary.AppendByteOrder(binary.BigEndian) { // numbers of 32 bits
		copy(tiff[4:], "\x00\x00\x00\x08")
		copy(tiff[14:], "\x00\x00\x00\x01")
	}
	segment := binary.BigEndian.AppendUint16([]byte("\xff\xd8\xff\xe0\x00\x04xx\xff\xe1"), uint16(len(tiff)+8))
	return slices.Concat(segment, []byte("Exif\x00\x00"), tiff, []byte("\xff\xda\x00\x02"))
}

func TestOrientationOfJPEG(t *testing.T) {
	const tag, short = 0x112, 3
	little, big := binary.LittleEndian, binary.BigEndian
	beyond := exif(little, tag, short, 6)
	copy(beyond[len(beyond)-26:], "\xff\xff\xff\xff") // the directory's place
	tests := []struct {
		name string
		head []byte
		want Orientation
	}{
		{"nothing", nil, 1},
		{"no Exif segment", []byte("\xff\xd8\xff\xe1\x00\x06http\xff\xda\x00\x02"), 1},
		{"little endian", exif(little, tag, short, 6), 6},
		{"big endian", exif(big, tag, short, 8), 8},
		{"a number that means nothing", exif(little, tag, short, 9), 1},
		{"zero", exif(little, tag, short, 0), 1},
		{"another type", exif(little, tag, 2, 6), 1},
		{"another tag", exif(little, 0x100, short, 6), 1},
		{"a directory beyond the segment", beyond, 1},
		{"behind the picture", append([]byte("\xff\xd8\xff\xda\x00\x02"), exif(little, tag, short, 6)[2:]...), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := jpegOrientation(tt.head); got != tt.want {
				t.Errorf("orientation %d, want %d", got, tt.want)
			}
			for n := range tt.head { // a head may end anywhere
				if got := jpegOrientation(tt.head[:n]); got != 1 && got != tt.want {
					t.Errorf("orientation %d of the first %d bytes", got, n)
				}
			}
		})
	}
}

func TestABytesDump(t *testing.T) {
	for line, want := range map[string]string{
		"00000000: ffd8 ffe1 0022 4578 6966 0000 4949 2a00  .....\"Exif..II*.": "\xff\xd8\xff\xe1\x00\x22Exif\x00\x00II*\x00",
		"00001e70: 0117 ff                                  ...":               "\x01\x17\xff",
		"":            "",
		"some: words": "",
	} {
		if got := string(dumped(line)); got != want {
			t.Errorf("%q reads as %q, want %q", line, got, want)
		}
	}
}

func FuzzOrientation(f *testing.F) {
	f.Add(exif(binary.LittleEndian, 0x112, 3, 6))
	f.Add(exif(binary.BigEndian, 0x112, 3, 6))
	f.Fuzz(func(t *testing.T, head []byte) {
		if o := jpegOrientation(head); o < 1 || o > 8 || o.Rotation()%90 != 0 {
			t.Errorf("orientation %d", o)
		}
	})
}
