package mp4box_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg/mp4box"
)

// The functions below write boxes by hand, so that each test damages exactly one thing.

func bx(kind string, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), append([]byte(kind), body...)...)
}

func u32(vs ...uint32) []byte {
	var b []byte
	for _, v := range vs {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

func u64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

var ftyp = bx("ftyp", []byte("isom"), u32(0x200))

// film describes a file with one track: ftyp, mdat of 1000 bytes, moov.
type film struct {
	stsd    []byte
	stsz    []byte
	stsc    []byte
	offsets []byte
	moov    []byte // more boxes for the index
}

func sound() film {
	return film{
		stsd:    bx("stsd", u32(0, 1), bx("avc1", make([]byte, 78))),
		stsz:    bx("stsz", u32(0, 0, 4), u32(100, 200, 300, 400)),
		stsc:    bx("stsc", u32(0, 1), u32(1, 2, 1)),
		offsets: bx("stco", u32(0, 2), u32(24, 324)),
	}
}

func (f film) index() []byte {
	stbl := bx("stbl", f.stsd, f.stsz, f.stsc, f.offsets, bx("stts", u32(0, 1, 4, 1)))
	hdlr := bx("hdlr", u32(0, 0), []byte("vide"), make([]byte, 12))
	return bx("moov", bx("mvhd", make([]byte, 100)), bx("trak", bx("mdia", hdlr, bx("minf", stbl))), f.moov)
}

func (f film) file() []byte {
	return bytes.Join([][]byte{ftyp, bx("mdat", make([]byte, 1000)), f.index()}, nil)
}

func check(b []byte) (mp4box.Facts, error) {
	return mp4box.Check(bytes.NewReader(b), int64(len(b)))
}

func TestSoundFile(t *testing.T) {
	want := mp4box.Facts{Brand: "isom", Tracks: 1, Samples: 4}
	if got, err := check(sound().file()); err != nil || got != want {
		t.Errorf("Check = %+v, %v, want %+v", got, err, want)
	}
	want.TrailingBytes = 10000
	if got, err := check(append(sound().file(), bytes.Repeat([]byte{0xfe}, 10000)...)); err != nil || got != want {
		t.Errorf("with garbage behind it: Check = %+v, %v, want %+v", got, err, want)
	}
}

func TestVerdicts(t *testing.T) {
	with := func(change func(f *film)) []byte {
		f := sound()
		change(&f)
		return f.file()
	}
	whole := sound().file()
	tests := []struct {
		name string
		data []byte
		want fault.Code // empty: accepted
	}{
		{"not boxes", []byte("GIF89a, and more of it"), fault.CodeSourceUnrecognized},
		{"empty", nil, fault.CodeSourceTruncated},
		{"only a file type", ftyp, fault.CodeSourceTruncated},
		{"media data without an index", whole[:len(ftyp)+1008], fault.CodeSourceTruncated},
		{"cut in the media data", whole[:500], fault.CodeSourceTruncated},
		{"cut in the index", whole[:len(whole)-10], fault.CodeSourceTruncated},
		{"last sample behind the end", with(func(f *film) { f.stsz = bx("stsz", u32(0, 0, 4), u32(100, 200, 300, 4000)) }), fault.CodeSourceTruncated},
		{"chunk behind the end", with(func(f *film) { f.offsets = bx("stco", u32(0, 2), u32(24, 99999)) }), fault.CodeSourceTruncated},
		{"chunk far behind the end, 64 bits", with(func(f *film) { f.offsets = bx("co64", u32(0, 1), u64(1<<63)) }), fault.CodeSourceTruncated},
		{"64-bit offsets", with(func(f *film) { f.offsets = bx("co64", u32(0, 2), u64(24), u64(324)) }), ""},
		{"constant size", with(func(f *film) { f.stsz = bx("stsz", u32(0, 250, 4)) }), ""},
		{"constant size too large", with(func(f *film) { f.stsz = bx("stsz", u32(0, 0xffffffff, 0xffffffff)) }), fault.CodeSourceTruncated},
		{"compact sizes of 4 bits", with(func(f *film) { f.stsz = bx("stz2", u32(0, 4, 3), []byte{0x12, 0x30}) }), ""},
		{"compact sizes of 16 bits", with(func(f *film) { f.stsz = bx("stz2", u32(0, 16, 2), []byte{1, 0, 0xff, 0xff}) }), fault.CodeSourceTruncated},
		{"compact sizes of 7 bits", with(func(f *film) { f.stsz = bx("stz2", u32(0, 7, 0)) }), fault.CodeSourceCorrupt},
		{"more samples than entries", with(func(f *film) { f.stsz = bx("stsz", u32(0, 0, 0x3fffffff), u32(1)) }), fault.CodeSourceCorrupt},
		{"more chunks than entries", with(func(f *film) { f.offsets = bx("stco", u32(0, 0xffffffff)) }), fault.CodeSourceCorrupt},
		{"more runs than entries", with(func(f *film) { f.stsc = bx("stsc", u32(0, 0x20000000)) }), fault.CodeSourceCorrupt},
		{"no table of sizes", with(func(f *film) { f.stsz = nil }), ""},
		{"no table of chunks", with(func(f *film) { f.offsets = nil }), ""},
		{"chunks in a chunk-less table", with(func(f *film) { f.stsc = bx("stsc", u32(0, 0)) }), ""},
		{"encrypted entry", with(func(f *film) { f.stsd = bx("stsd", u32(0, 1), bx("encv", make([]byte, 78))) }), fault.CodeSourceEncrypted},
		{"protection behind the real name", with(func(f *film) {
			f.stsd = bx("stsd", u32(0, 1), bx("avc1", make([]byte, 78), bx("avcC", make([]byte, 9)), bx("sinf", make([]byte, 20))))
		}), fault.CodeSourceEncrypted},
		{"a cut track before an encrypted one", with(func(f *film) {
			f.offsets = bx("stco", u32(0, 2), u32(24, 99999))
			f.moov = bx("trak", bx("mdia", bx("minf", bx("stbl", bx("stsd", u32(0, 1), bx("enca", make([]byte, 28)))))))
		}), fault.CodeSourceEncrypted},
		{"key system in the index", with(func(f *film) { f.moov = bx("pssh", make([]byte, 32)) }), fault.CodeSourceEncrypted},
		{"a track larger than the index", with(func(f *film) { f.moov = append(u32(9999), "trak"...) }), fault.CodeSourceCorrupt},
		{"a box of absurd 64-bit size", append(bytes.Clone(ftyp), append(append(u32(1), "mdat"...), u64(1<<63)...)...), fault.CodeSourceTruncated},
		{"an index without tracks", append(bytes.Clone(ftyp), bx("moov", bx("mvhd", make([]byte, 100)))...), fault.CodeSourceCorrupt},
		{"a vendor's box before the index", append(append(bytes.Clone(ftyp), bx("thum", make([]byte, 9))...), whole[len(ftyp):]...), ""},
		{"boxes nested without end", append(bytes.Clone(ftyp), bx("moov", bx("trak", nest(2000)))...), fault.CodeSourceCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := check(tt.data)
			if tt.want == "" && err != nil || tt.want != "" && fault.CodeOf(err) != tt.want {
				t.Errorf("Check = %v, want code %q", err, tt.want)
			}
		})
	}
}

func nest(n int) []byte {
	var b []byte
	for range n {
		b = bx("mdia", b)
	}
	return b
}

// fragmented returns the beginning of a fragmented film and one fragment of 300 bytes.
func fragmented(tfhd, trun []byte) []byte {
	f := sound()
	f.stsz, f.stsc, f.offsets = bx("stsz", u32(0, 0, 0)), bx("stsc", u32(0, 0)), bx("stco", u32(0, 0))
	f.moov = bx("mvex", bx("trex", u32(0, 1, 1, 40, 100, 0)))
	moof := bx("moof", bx("mfhd", u32(0, 1)), bx("traf", tfhd, trun))
	return bytes.Join([][]byte{ftyp, f.index(), moof, bx("mdat", make([]byte, 300))}, nil)
}

func TestFragments(t *testing.T) {
	inMoof := bx("tfhd", u32(0x020000, 1))
	run := bx("trun", u32(0x000201, 3), u32(88), u32(100, 100, 100))
	if f, err := check(fragmented(inMoof, run)); err != nil || f.Fragments != 1 || f.Samples != 3 {
		t.Fatalf("Check = %+v, %v", f, err)
	}
	tests := []struct {
		name       string
		tfhd, trun []byte
		want       fault.Code
	}{
		{"default sizes of the film", inMoof, bx("trun", u32(0x000001, 3, 76)), ""},
		{"default sizes beyond the end", inMoof, bx("trun", u32(0x000001, 99, 100)), fault.CodeSourceTruncated},
		{"default size of the fragment", bx("tfhd", u32(0x020010, 1, 500)), bx("trun", u32(0x000001, 1, 100)), fault.CodeSourceTruncated},
		{"sizes beyond the end", inMoof, bx("trun", u32(0x000201, 1, 100, 99999)), fault.CodeSourceTruncated},
		{"sizes behind other fields", inMoof, bx("trun", u32(0x000301, 1, 100, 99999, 5)), ""},
		{"a negative place", inMoof, bx("trun", u32(0x000201, 1, 0x80000000, 5)), fault.CodeSourceTruncated},
		{"an absolute place beyond the end", bx("tfhd", u32(0x000001, 1), u64(1<<40)), bx("trun", u32(0x000200, 1, 5)), fault.CodeSourceTruncated},
		{"more samples than entries", inMoof, bx("trun", u32(0x000201, 0xffffffff, 0, 5)), fault.CodeSourceCorrupt},
		{"samples before the header", bx("free"), run, fault.CodeSourceCorrupt},
		{"encrypted samples", inMoof, bx("senc", u32(0, 0)), fault.CodeSourceEncrypted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := check(fragmented(tt.tfhd, tt.trun)); fault.CodeOf(err) != tt.want && (err != nil || tt.want != "") {
				t.Errorf("Check = %v, want code %q", err, tt.want)
			}
		})
	}
	whole := fragmented(inMoof, run)
	for cut := 1; cut < 300+8; cut++ {
		if _, err := check(whole[:len(whole)-cut]); fault.CodeOf(err) != fault.CodeSourceTruncated {
			t.Fatalf("cut by %d bytes: Check = %v", cut, err)
		}
	}
	if _, err := check(fragmented(inMoof, run)[len(ftyp):]); err != nil {
		t.Errorf("a film without a file type: %v", err)
	}
}

func TestSegmentIndexBehindTheEnd(t *testing.T) {
	media := bx("mdat", make([]byte, 300))
	sidx := func(size uint32) []byte {
		return bx("sidx", u32(0, 1, 1000, 0, 0), []byte{0, 0, 0, 1}, u32(size, 0, 0))
	}
	for size, want := range map[uint32]fault.Code{308: "", 309: fault.CodeSourceTruncated} {
		data := bytes.Join([][]byte{ftyp, bx("moov", bx("trak")), sidx(size), media}, nil)
		if _, err := check(data); fault.CodeOf(err) != want && (err != nil || want != "") {
			t.Errorf("a segment of %d bytes: Check = %v, want code %q", size, err, want)
		}
	}
}

func TestReadErrorsKeepTheirIdentity(t *testing.T) {
	broken := errors.New("disk on fire")
	data := sound().file()
	for n := range 12 {
		r := &failing{r: bytes.NewReader(data), after: n, err: broken}
		if _, err := mp4box.Check(r, int64(len(data))); !errors.Is(err, broken) {
			t.Errorf("failing read %d: Check = %v", n, err)
		}
	}
	// A file that shrinks while it is read.
	if _, err := mp4box.Check(bytes.NewReader(data[:600]), int64(len(data))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a shrinking file: Check = %v", err)
	}
}

type failing struct {
	r     io.ReaderAt
	after int
	err   error
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.after--; f.after < 0 {
		return 0, f.err
	}
	return f.r.ReadAt(p, off)
}

func FuzzCheck(f *testing.F) {
	f.Add(sound().file())
	f.Add(fragmented(bx("tfhd", u32(0x020000, 1)), bx("trun", u32(0x000201, 3), u32(88), u32(100, 100, 100))))
	f.Add(append(bytes.Clone(ftyp), bx("sidx", u32(0, 1, 1000, 0, 0), []byte{0, 0, 0, 1}, u32(9, 0, 0))...))
	f.Fuzz(func(t *testing.T, data []byte) {
		facts, err := check(data)
		if err != nil && !errors.As(err, new(*fault.Error)) {
			t.Errorf("an error without a code from a sound reader: %v", err)
		}
		if facts.Samples < 0 || facts.TrailingBytes < 0 {
			t.Errorf("Check = %+v", facts)
		}
	})
}
