package mp4cut

import (
	"bufio"
	"encoding/binary"
	"io"
	"slices"
	"time"
)

// writer writes the new film: a description without samples, and a fragment for every run (ISO/IEC
// 14496-12, 8.8), since fragments say when they begin.
type writer struct {
	*film
	buffer *bufio.Writer
	// origin is when the first frame that is shown in the source would be shown; times of decoding are shift
	// later than in the source, and times of showing lead more.
	origin      time.Duration
	lead, shift int64

	fragments uint32
	written   int64 // bytes of samples
}

func newWriter(dst io.Writer, f *film) *writer {
	return &writer{film: f, buffer: bufio.NewWriterSize(dst, 256<<10)}
}

// head writes what stands before the samples.
func (w *writer) head() error {
	empty := func(kind string) []byte { return boxOf(kind, words(0, 0)) }
	description := boxOf("stbl", w.stsd, empty("stts"), empty("stsc"), boxOf("stsz", words(0, 0, 0)), empty("stco"))
	data := boxOf("dinf", boxOf("dref", words(0, 1), boxOf("url ", words(1)))) // in this very file
	track := boxOf("trak", w.tkhd, boxOf("mdia", w.mdhd,
		boxOf("hdlr", words(0, 0), []byte("vide"), make([]byte, 13)),
		boxOf("minf", boxOf("vmhd", words(1, 0, 0)), data, description)))
	extends := boxOf("mvex", boxOf("trex", words(0, w.trackID, 1, 0, 0, 0)))
	_, err := w.buffer.Write(slices.Concat(w.ftyp, boxOf("moov", w.mvhd, track, extends)))
	return err
}

// Flags of the boxes of a fragment, and of its samples.
const (
	baseIsFragment = 0x020000
	// perSample says that a run tells where its data is, and of each sample duration, size, flags and delay.
	perSample = 0x000001 | 0x000100 | 0x000200 | 0x000400 | 0x000800
	keySample = 0x02000000 // needs no other
	anySample = 0x01010000
)

// fragment writes samples that follow each other in the source.
func (w *writer) fragment(run []sample) error {
	w.fragments++
	total := int64(0)
	var table []byte
	for _, s := range run {
		flags := uint32(anySample)
		if s.key {
			flags = keySample
		}
		total += int64(s.size)
		table = append(table, words(s.span, s.size, flags, uint32(s.pts+w.lead-s.dts))...)
	}
	// A film that names data twice could make the copy of any size.
	if w.written += total; w.written > w.size || total > 1<<31 {
		return unusual("more samples than the file has room for")
	}
	moof := func(dataAt int) []byte {
		return boxOf("moof", boxOf("mfhd", words(0, w.fragments)), boxOf("traf",
			boxOf("tfhd", words(baseIsFragment, w.trackID)),
			boxOf("tfdt", words(1<<24), binary.BigEndian.AppendUint64(nil, uint64(run[0].dts+w.shift))),
			boxOf("trun", words(perSample, uint32(len(run)), uint32(dataAt)), table)))
	}
	if _, err := w.buffer.Write(moof(len(moof(0)) + 8)); err != nil {
		return err
	}
	if _, err := w.buffer.Write(append(words(uint32(8+total)), "mdat"...)); err != nil {
		return err
	}
	for _, s := range run {
		if _, err := io.CopyN(w.buffer, io.NewSectionReader(w.r, s.offset, int64(s.size)), int64(s.size)); err != nil {
			return err
		}
	}
	return nil
}

// boxOf returns a box of the payloads.
func boxOf(kind string, payloads ...[]byte) []byte {
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
	for _, n := range v {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}
