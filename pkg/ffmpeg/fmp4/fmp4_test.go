package fmp4_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/fmp4"
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

func zeros(n int) []byte { return make([]byte, n) }

// initSection returns an initialization section of a track with that handler, sample entry and edit list.
func initSection(handler string, entry, elst []byte) []byte {
	trak := box("trak",
		box("tkhd", words(0, 0, 0, 1), zeros(68)),
		box("edts", elst),
		box("mdia", box("mdhd", words(0, 0, 0, 90000, 0, 0)), box("hdlr", words(0, 0), []byte(handler), zeros(13)),
			box("minf", box("stbl", box("stsd", words(0, 1), entry)))))
	return append(box("ftyp", []byte("iso6"), words(0)),
		box("moov", box("mvhd", words(0, 0, 0, 1000, 0), zeros(80)), trak, box("mvex", box("trex", words(0, 1, 1, 3000, 10, 0x10000))))...)
}

var (
	avc    = box("avc1", zeros(24), []byte{1, 64, 0, 180}, zeros(50), box("avcC", []byte{1, 0x64, 0x00, 0x28, 0xff}))
	delay2 = box("elst", words(0, 1, 0, 6000, 0x10000))
)

func hevcEntry(config ...byte) []byte {
	return box("hvc1", zeros(24), []byte{1, 64, 0, 180}, zeros(50), box("hvcC", config))
}

func aacEntry(config ...byte) []byte {
	specific := append([]byte{5, byte(len(config))}, config...)
	decoder := append([]byte{4, byte(13 + len(specific)), 0x40}, append(zeros(12), specific...)...)
	stream := append([]byte{3, 0x80, 0x80, byte(3 + len(decoder)), 0, 1, 0}, decoder...)
	return box("mp4a", zeros(16), []byte{0, 2, 0, 16, 0, 0, 0, 0}, words(44100<<16), box("esds", words(0), stream))
}

func TestParseInit(t *testing.T) {
	opus := box("Opus", zeros(16), []byte{0, 2, 0, 16, 0, 0, 0, 0}, words(44100<<16), box("dOps", []byte{0, 6, 1, 56, 0, 0, 0, 0, 0, 0, 0}))
	none := box("elst", words(0, 0))
	tests := []struct {
		name string
		in   []byte
		want fmp4.Init
	}{
		{"H.264", initSection("vide", avc, delay2), fmp4.Init{Kind: media.KindVideo, MediaTime: 6000, Codecs: "avc1.640028", Size: media.Resolution{Width: 320, Height: 180}}},
		{"HEVC", initSection("vide", hevcEntry(1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93), none),
			fmp4.Init{Kind: media.KindVideo, Codecs: "hvc1.1.6.L93.90", Size: media.Resolution{Width: 320, Height: 180}}},
		{"HEVC of high tier", initSection("vide", hevcEntry(1, 0x62, 0x20, 0, 0, 0, 0xb0, 0, 0x1c, 0, 0, 0, 120), none),
			fmp4.Init{Kind: media.KindVideo, Codecs: "hvc1.A2.4.H120.B0.0.1C", Size: media.Resolution{Width: 320, Height: 180}}},
		{"AAC", initSection("soun", aacEntry(0x11, 0x90), box("elst", words(0, 1, 0, 1024, 0x10000))),
			fmp4.Init{Kind: media.KindAudio, MediaTime: 1024, Codecs: "mp4a.40.2", SampleRate: 48000, Channels: 2}},
		{"mono AAC", initSection("soun", aacEntry(0x12, 0x08), none), fmp4.Init{Kind: media.KindAudio, Codecs: "mp4a.40.2", SampleRate: 44100, Channels: 1}},
		{"Opus", initSection("soun", opus, none), fmp4.Init{Kind: media.KindAudio, Codecs: "opus", SampleRate: 48000, Channels: 6}},
		{"a presentation that waits", initSection("vide", avc, box("elst", words(0, 2, 500, 0xffffffff, 0x10000, 0, 6000, 0x10000))),
			fmp4.Init{Kind: media.KindVideo, MediaTime: 6000, Delay: 500 * time.Millisecond, Codecs: "avc1.640028", Size: media.Resolution{Width: 320, Height: 180}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := fmp4.ParseInit(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want.TrackID, tt.want.Timescale = 1, 90000; !sameInit(got, tt.want) {
				t.Errorf("ParseInit = %+v, want %+v", got, tt.want)
			}
		})
	}
}

// sameInit compares what is exported.
func sameInit(a, b fmp4.Init) bool {
	return a.Kind == b.Kind && a.TrackID == b.TrackID && a.Timescale == b.Timescale && a.MediaTime == b.MediaTime && a.Delay == b.Delay &&
		a.Codecs == b.Codecs && a.Size == b.Size && a.SampleRate == b.SampleRate && a.Channels == b.Channels
}

func TestParseInitRefuses(t *testing.T) {
	good := initSection("vide", avc, delay2)
	for name, in := range map[string][]byte{
		"nothing":            nil,
		"no track":           box("moov", box("mvhd", zeros(100))),
		"two tracks":         append(bytes.Clone(good), good...),
		"a cut":              good[:len(good)-3],
		"media data":         append(bytes.Clone(good), box("mdat")...),
		"subtitles":          initSection("text", avc, delay2),
		"an unknown codec":   initSection("vide", box("xxxx", zeros(24), []byte{1, 64, 0, 180}, zeros(50)), delay2),
		"no parameters":      initSection("vide", box("avc1", zeros(24), []byte{1, 64, 0, 180}, zeros(50)), delay2),
		"no size":            initSection("vide", box("avc1", zeros(78), box("avcC", zeros(5))), delay2),
		"three edits":        initSection("vide", avc, box("elst", words(0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0))),
		"an edit in reverse": initSection("vide", avc, box("elst", words(0, 1, 0, 0xfffffffe, 0))),
		"too much":           box("free", zeros(fmp4.MaxInitBytes)),
	} {
		if got, err := fmp4.ParseInit(in); !errors.Is(err, fmp4.ErrInvalid) {
			t.Errorf("%s: ParseInit = %+v, %v", name, got, err)
		}
	}
}

// frame is a sample of a test segment.
type frame struct{ duration, size, flags, offset uint32 }

const notSync = 0x10000

// gop are four frames at 30 a second, reordered: the last two are shown in the middle.
var gop = []frame{{3000, 100, 0, 6000}, {3000, 50, notSync, 12000}, {3000, 20, notSync, 3000}, {3000, 10, notSync, 3000}}

// segment returns a segment of the frames that begins at the instant.
func segment(at uint64, frames []frame) []byte {
	samples, size := []byte(nil), uint32(0)
	for _, f := range frames {
		samples = append(samples, words(f.duration, f.size, f.flags, f.offset)...)
		size += f.size
	}
	build := func(offset uint32) []byte {
		tfdt := box("tfdt", words(1<<24), binary.BigEndian.AppendUint64(nil, at))
		trun := box("trun", words(0xf01, uint32(len(frames)), offset), samples)
		return append(box("styp", []byte("msdh"), words(0)), box("moof", box("mfhd", words(0, 1)), box("traf", box("tfhd", words(0x20000, 1)), tfdt, trun))...)
	}
	head := build(0)
	const styp = 16
	head = build(uint32(len(head)) - styp + 8)
	return append(head, box("mdat", zeros(int(size)))...)
}

func mustInit(t testing.TB) fmp4.Init {
	t.Helper()
	i, err := fmp4.ParseInit(initSection("vide", avc, delay2))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestSegment(t *testing.T) {
	b := segment(90000, gop)
	got, err := mustInit(t).Segment(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	tick := func(n int64) time.Duration { return time.Duration(n) * time.Second / 90000 }
	want := fmp4.Segment{
		Start: time.Second, Duration: tick(102000) - time.Second, Frames: 4, FirstPTS: time.Second, LastPTS: tick(99000), EndPTS: tick(102000),
		Keyframes: 1, KeyFirst: true, KeyBytes: int64(len(b)) - 80,
	}
	if got != want {
		t.Errorf("Segment = %+v, want %+v", got, want)
	}
}

func TestSegmentsAddUp(t *testing.T) {
	i := mustInit(t)
	i.Timescale = 30000 // times that are no whole nanoseconds
	at, end := uint64(0), time.Duration(0)
	for range 1000 {
		b := segment(at, []frame{{duration: 1001, size: 1, offset: 0}})
		s, err := i.Segment(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if s.Start != end {
			t.Fatalf("a segment begins at %v where the one before ends at %v", s.Start, end)
		}
		at, end = at+1001, s.Start+s.Duration
	}
}

func TestSegmentRefuses(t *testing.T) {
	good := segment(90000, gop)
	change := func(old, new string) []byte { return bytes.Replace(bytes.Clone(good), []byte(old), []byte(new), 1) }
	tests := map[string][]byte{
		"nothing":                       nil,
		"no frames":                     box("styp", zeros(8)),
		"a cut":                         good[:len(good)-1],
		"trailing bytes":                append(bytes.Clone(good), 0, 0, 0),
		"no media data":                 change("mdat", "free"),
		"no time":                       change("tfdt", "free"),
		"no header":                     change("tfhd", "free"),
		"another track":                 segmentOfTrack(good, 2),
		"an initialization section":     append(bytes.Clone(good), box("moov")...),
		"the last frame is cut off":     shrink(good),
		"a gap between its fragments":   append(bytes.Clone(good), segment(110000, gop)...),
		"frames that claim more":        segmentWith(good, 5),
		"frames that claim 4 milliards": segmentWith(good, 0xffffffff),
	}
	for name, b := range tests {
		if got, err := mustInit(t).Segment(bytes.NewReader(b), int64(len(b))); !errors.Is(err, fmp4.ErrInvalid) {
			t.Errorf("%s: Segment = %+v, %v", name, got, err)
		}
	}
	b := append(bytes.Clone(good), segment(102000, gop)...)
	if got, err := mustInit(t).Segment(bytes.NewReader(b), int64(len(b))); err != nil || got.Frames != 8 || got.Keyframes != 2 {
		t.Errorf("two fragments: Segment = %+v, %v", got, err)
	}
	if _, err := mustInit(t).Segment(strings.NewReader(""), 100); !errors.Is(err, fmp4.ErrInvalid) {
		t.Errorf("a file shorter than told: %v", err)
	}
}

func segmentOfTrack(b []byte, id uint32) []byte {
	b = bytes.Clone(b)
	binary.BigEndian.PutUint32(b[bytes.Index(b, []byte("tfhd"))+8:], id)
	return b
}

// segmentWith changes the number of frames that a segment claims.
func segmentWith(b []byte, count uint32) []byte {
	b = bytes.Clone(b)
	binary.BigEndian.PutUint32(b[bytes.Index(b, []byte("trun"))+8:], count)
	return b
}

// shrink takes ten bytes from the media data, and from what it says of itself.
func shrink(b []byte) []byte {
	b = bytes.Clone(b[:len(b)-10])
	at := bytes.Index(b, []byte("mdat")) - 4
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at))
	return b
}

func FuzzInit(f *testing.F) {
	f.Add(initSection("vide", avc, delay2))
	f.Add(initSection("soun", aacEntry(0x11, 0x90), delay2))
	f.Add(initSection("vide", hevcEntry(1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93), delay2))
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := fmp4.ParseInit(b)
		if err == nil && (i.Timescale == 0 || i.Codecs == "" || i.MediaTime < 0 || i.Delay < 0) || err != nil && !errors.Is(err, fmp4.ErrInvalid) {
			t.Errorf("ParseInit = %+v, %v", i, err)
		}
	})
}

func FuzzSegment(f *testing.F) {
	f.Add(segment(90000, gop), uint32(90000), int64(6000))
	f.Add(segment(1<<60, gop), uint32(1), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, timescale uint32, mediaTime int64) {
		i := mustInit(t)
		i.Timescale, i.MediaTime = timescale, max(0, mediaTime>>2)
		s, err := i.Segment(bytes.NewReader(b), int64(len(b)))
		if err == nil && (s.Frames <= 0 || s.Start < 0 || s.Duration < 0 || s.FirstPTS < 0 || s.KeyBytes < 0 || s.KeyBytes > int64(len(b))) {
			t.Errorf("Segment = %+v", s)
		}
		if err != nil && !errors.Is(err, fmp4.ErrInvalid) {
			t.Errorf("Segment: %v", err)
		}
	})
}
