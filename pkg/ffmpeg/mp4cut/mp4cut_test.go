package mp4cut_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/ffmpeg/mp4cut"
)

// box returns a box of the payloads.
func box(kind string, payloads ...[]byte) []byte {
	b := append(make([]byte, 4), kind...)
	for _, p := range payloads {
		b = append(b, p...)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// words returns numbers of 32 bits.
func words(v ...uint32) []byte {
	var b []byte
	for _, w := range v {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return b
}

// plain is a film of four frames that last a second each, the first and the third of them keyframes. The
// fields are its boxes by their kinds; nil leaves one out, and more stands beside the others.
type plain struct {
	mvhd, tkhd, mdhd, hdlr, stsd, elst, stts, ctts, stss, stsz, stsc, stco, more []byte
	// head is of every sample: the length of a unit, the unit, and the number of the frame.
	head []byte
}

func newPlain() plain {
	entry := box("avc1", make([]byte, 6), []byte{0, 1}, make([]byte, 70), box("avcC", []byte{1, 100, 0, 10, 0xff}))
	return plain{
		mvhd: box("mvhd", words(0, 0, 0, 1000, 0), make([]byte, 80)),
		tkhd: box("tkhd", words(0, 0, 0, 7), make([]byte, 68)),
		mdhd: box("mdhd", words(0, 0, 0, 1000, 0, 0)),
		hdlr: box("hdlr", words(0, 0), []byte("vide"), make([]byte, 13)),
		stsd: box("stsd", words(0, 1), entry),
		elst: box("elst", words(0, 1, 4000, 0, 1<<16)),
		stts: box("stts", words(0, 1, 4, 1000)),
		stss: box("stss", words(0, 2, 1, 3)),
		stsz: box("stsz", words(0, 0, 4, 6, 6, 6, 6)),
		stsc: box("stsc", words(0, 1, 1, 2, 1)),
		stco: box("stco", words(0, 2, 8, 20)),
		head: []byte{0, 0, 0, 1, 0x65}, // an IDR picture
	}
}

func (p plain) file() []byte {
	var samples []byte
	for i := range byte(4) {
		samples = append(append(samples, p.head...), i)
	}
	stbl := box("stbl", p.stsd, p.stts, p.ctts, p.stss, p.stsz, p.stsc, p.stco)
	trak := box("trak", p.tkhd, box("edts", p.elst), box("mdia", p.mdhd, p.hdlr, box("minf", stbl)))
	return append(box("mdat", samples), box("moov", p.mvhd, trak, p.more)...)
}

func TestWhatIsCutFromAPlainFilm(t *testing.T) {
	const last = 3 * time.Second
	data := func(frames ...byte) []byte {
		var b []byte
		for _, f := range frames {
			b = append(b, 0, 0, 0, 1, 0x65, f)
		}
		return box("mdat", b)
	}
	for _, tt := range []struct {
		name   string
		film   func(*plain)
		pieces []mp4cut.Piece
		want   []byte
	}{
		{"nothing", func(*plain) {}, nil, nil},
		{"a keyframe", func(*plain) {}, []mp4cut.Piece{{Key: 2 * time.Second}}, data(2)},
		{"all", func(*plain) {}, []mp4cut.Piece{{Until: time.Second}, {Key: 2 * time.Second, Until: last}}, append(data(0, 1), data(2, 3)...)},
		{"up to what comes first", func(*plain) {}, []mp4cut.Piece{{Until: 1001 * time.Millisecond}}, data(0, 1, 2)},
		{"up to the end of all", func(*plain) {}, []mp4cut.Piece{{Key: 2 * time.Second, Until: time.Minute}}, data(2, 3)},
		{"pieces that touch", func(*plain) {}, []mp4cut.Piece{{Until: 1500 * time.Millisecond}, {Key: 2 * time.Second, Until: last}}, data(0, 1, 2, 3)},
		{"a film of keyframes", func(p *plain) { p.stss = nil }, []mp4cut.Piece{{Key: time.Second}, {Key: last}}, append(data(1), data(3)...)},
		{"frames of one size", func(p *plain) { p.stsz = box("stsz", words(0, 6, 4)) }, []mp4cut.Piece{{Key: 2 * time.Second}}, data(2)},
		{"a clock that begins later", func(p *plain) {
			p.ctts, p.elst = box("ctts", words(0, 1, 4, 500)), box("elst", words(0, 1, 4000, 500, 1<<16))
		},
			[]mp4cut.Piece{{Key: 2 * time.Second}}, data(2)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlain()
			tt.film(&p)
			got, _, err := cut(p.file(), tt.pieces...)
			if err != nil {
				t.Fatal(err)
			}
			var media []byte
			for len(got) > 0 {
				n := binary.BigEndian.Uint32(got)
				if string(got[4:8]) == "mdat" {
					media = append(media, got[:n]...)
				}
				got = got[n:]
			}
			if !bytes.Equal(media, tt.want) {
				t.Errorf("the new film holds %x, want %x", media, tt.want)
			}
		})
	}
}

func TestWhatMakesAFilmUnusual(t *testing.T) {
	for _, tt := range []struct {
		name string
		film func(*plain)
	}{
		{"no header of the film", func(p *plain) { p.mvhd = nil }},
		{"no header of the track", func(p *plain) { p.tkhd = nil }},
		{"a header cut short", func(p *plain) { p.mdhd = box("mdhd", words(0, 0)) }},
		{"a header of a later version", func(p *plain) { p.tkhd[8] = 2 }},
		{"a clock that stands still", func(p *plain) { p.mdhd = box("mdhd", words(0, 0, 0, 0, 0, 0)) }},
		{"a track of sound", func(p *plain) { copy(p.hdlr[16:], "soun") }},
		{"two tables", func(p *plain) { p.stts = append(p.stts, p.stts...) }},
		{"two descriptions", func(p *plain) { p.stsd[15] = 2 }},
		{"a description without parameters", func(p *plain) { copy(p.stsd[len(p.stsd)-9:], "xxxx") }},
		{"two edits", func(p *plain) { p.elst = box("elst", words(0, 2, 1000, 0, 1<<16, 1000, 2000, 1<<16)) }},
		{"an edit at another speed", func(p *plain) { p.elst = box("elst", words(0, 1, 4000, 0, 2<<16)) }},
		{"an edit between frames", func(p *plain) { p.elst = box("elst", words(0, 1, 4000, 1, 1<<16)) }},
		{"an edit behind all", func(p *plain) { p.elst = box("elst", words(0, 1, 4000, 5000, 1<<16)) }},
		{"an edit list cut short", func(p *plain) { p.elst = box("elst", words(0, 1, 4000)) }},
		{"an index of fragments", func(p *plain) { p.more = box("mvex") }},
		{"no times", func(p *plain) { p.stts = nil }},
		{"times of fewer frames", func(p *plain) { p.stts = box("stts", words(0, 1, 3, 1000)) }},
		{"delays of fewer frames", func(p *plain) { p.ctts = box("ctts", words(0, 1, 3, 0)) }},
		{"an absurd delay", func(p *plain) { p.ctts = box("ctts", words(0, 1, 4, 1<<31)) }},
		{"an absurd span", func(p *plain) { p.stts = box("stts", words(0, 1, 4, 1<<31)) }},
		{"an absurd instant", func(p *plain) {
			p.mdhd, p.stts = box("mdhd", words(0, 0, 0, 1, 0, 0)), box("stts", words(0, 1, 4, 1<<29))
		}},
		{"more sizes than there are", func(p *plain) { p.stsz = box("stsz", words(0, 0, 5, 6, 6, 6, 6)) }},
		{"absurdly many frames", func(p *plain) { p.stsz = box("stsz", words(0, 6, 1<<31)) }},
		{"keyframes in disorder", func(p *plain) { p.stss = box("stss", words(0, 2, 3, 1)) }},
		{"no place of any chunk", func(p *plain) { p.stco = nil }},
		{"fewer chunks than frames need", func(p *plain) { p.stco = box("stco", words(0, 1, 8)) }},
		{"chunks that nothing describes", func(p *plain) { p.stsc = box("stsc", words(0, 1, 2, 2, 1)) }},
		{"empty chunks", func(p *plain) { p.stsc = box("stsc", words(0, 1, 1, 0, 1)) }},
		{"chunks of another description", func(p *plain) { p.stsc = box("stsc", words(0, 1, 1, 2, 2)) }},
		{"data behind the end", func(p *plain) { p.stco = box("stco", words(0, 2, 8, 1<<20)) }},
		{"a keyframe of another kind", func(p *plain) { p.head[4] = 0x41 }},
		{"a keyframe without a picture", func(p *plain) { p.head[4] = 0x06 }},
		{"a unit longer than its frame", func(p *plain) { p.head[0], p.head[4] = 0xff, 0x06 }},
		{"no keyframe where one is expected", func(p *plain) { p.stss = box("stss", words(0, 1, 1)) }},
		{"a keyframe a little beside", func(p *plain) { p.stts = box("stts", words(0, 2, 2, 999, 2, 1000)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlain()
			tt.film(&p)
			if _, _, err := cut(p.file(), mp4cut.Piece{Key: 2 * time.Second, Until: 2 * time.Second}); !errors.Is(err, mp4cut.ErrUnusual) {
				t.Errorf("Cut = %v, want %v", err, mp4cut.ErrUnusual)
			}
		})
	}
	t.Run("frames that share their data", func(t *testing.T) {
		p := newPlain()
		p.stsz, p.stco, p.stsc = box("stsz", words(0, 600, 4)), box("stco", words(0, 4, 8, 8, 8, 8)), box("stsc", words(0, 1, 1, 1, 1))
		if _, _, err := cut(p.file(), mp4cut.Piece{Until: 3 * time.Second}); !errors.Is(err, mp4cut.ErrUnusual) {
			t.Errorf("Cut = %v, want %v", err, mp4cut.ErrUnusual)
		}
	})
}

// failing fails from the n-th call on.
type failing struct {
	r   io.ReaderAt
	n   int
	err error
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.n--; f.n < 0 {
		return 0, f.err
	}
	return f.r.ReadAt(p, off)
}

func (f *failing) Write([]byte) (int, error) { return 0, f.err }

func TestErrorsKeepTheirIdentity(t *testing.T) {
	broken := errors.New("disk on fire")
	data, all := newPlain().file(), []mp4cut.Piece{{Until: time.Second}, {Key: 2 * time.Second}}
	size := int64(len(data))
	for n := range 30 {
		if _, err := mp4cut.Cut(t.Context(), io.Discard, &failing{bytes.NewReader(data), n, broken}, size, all); !errors.Is(err, broken) {
			t.Errorf("failing read %d: Cut = %v", n, err)
		}
	}
	if _, err := mp4cut.Cut(t.Context(), &failing{err: broken}, bytes.NewReader(data), size, all); !errors.Is(err, broken) {
		t.Errorf("failing write: Cut = %v", err)
	}
	if _, err := mp4cut.Cut(t.Context(), io.Discard, bytes.NewReader(data[:len(data)-100]), size, all); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a film that shrinks: Cut = %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	if _, err := mp4cut.Cut(ctx, io.Discard, bytes.NewReader(data), size, all); !errors.Is(err, broken) {
		t.Errorf("cancelled: Cut = %v", err)
	}
}

func FuzzCut(f *testing.F) {
	f.Add(newPlain().file(), int64(2000), int64(2500))
	p := newPlain()
	p.ctts, p.elst = box("ctts", words(0, 2, 2, 500, 2, 0)), box("elst", words(0, 2, 4000, 1<<32-1, 1<<16, 4000, 500, 1<<16))
	f.Add(p.file(), int64(0), int64(9000))
	f.Fuzz(func(t *testing.T, data []byte, key, until int64) {
		got, origin, err := cut(data, mp4cut.Piece{}, mp4cut.Piece{Key: time.Duration(key) * time.Millisecond, Until: time.Duration(until) * time.Millisecond})
		// Twenty bytes or less describe a sample, which takes at least two in the tables of the film.
		if err == nil && (origin < 0 || len(got) > 20*len(data)+4096) {
			t.Errorf("%d bytes of %d, beginning at %v", len(got), len(data), origin)
		}
	})
}
