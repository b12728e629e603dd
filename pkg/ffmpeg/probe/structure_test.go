package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
)

func preCheckBytes(b []byte, p Policy) (look, error) {
	return preCheck(bytes.NewReader(b), int64(len(b)), p.withDefaults())
}

func le32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

func riff(form string, length uint32, rest int) []byte {
	return bytes.Join([][]byte{[]byte("RIFF"), le32(length), []byte(form), make([]byte, rest)}, nil)
}

// ebml returns an element; the length field has eight bytes.
func ebml(id []byte, body ...[]byte) []byte {
	b := bytes.Join(body, nil)
	return append(binary.BigEndian.AppendUint64(bytes.Clone(id), 1<<56|uint64(len(b))), b...)
}

func matroskaFile(tracks ...[]byte) []byte {
	segment := ebml([]byte{0x18, 0x53, 0x80, 0x67}, ebml([]byte{0x16, 0x54, 0xAE, 0x6B}, tracks...), ebml([]byte{0x1F, 0x43, 0xB6, 0x75}, make([]byte, 100)))
	return append(ebml([]byte{0x1A, 0x45, 0xDF, 0xA3}, make([]byte, 10)), segment...)
}

var trackEntry = []byte{0xAE}

func flv(tag uint32, payload int) []byte {
	b := append([]byte("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00\x09"), byte(tag>>16), byte(tag>>8), byte(tag))
	return append(b, make([]byte, 7+payload)...)
}

func asf(header, data uint64, rest int) []byte {
	guid := "\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"
	b := binary.LittleEndian.AppendUint64([]byte(guid), header)
	b = append(b, make([]byte, max(0, int(min(header, 1000))-len(b)))...)
	b = binary.LittleEndian.AppendUint64(append(b, make([]byte, 16)...), data)
	return append(b, make([]byte, rest)...)
}

// transport returns packets of one stream, without those that lost says.
func transport(n int, stride int, lost func(i int) bool) []byte {
	var b []byte
	for i := range n {
		if lost(i) {
			continue
		}
		p := append([]byte{tsSync, 0x01, 0x00, 0x10 | byte(i&0x0f)}, make([]byte, tsPacket-4)...)
		b = append(b, append(make([]byte, stride-tsPacket), p...)...)
	}
	return b
}

func TestPreCheck(t *testing.T) {
	png := func(w, h uint32) []byte {
		b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"), binary.BigEndian.AppendUint32(nil, w)...)
		return append(b, binary.BigEndian.AppendUint32(nil, h)...)
	}
	webp := func(flags byte, side int) []byte {
		b := riff("WEBP", 22, 0)
		b = append(b, "VP8X\x0a\x00\x00\x00"...)
		return append(b, flags, 0, 0, 0, byte(side), byte(side>>8), 0, byte(side), byte(side>>8), 0)
	}
	jpeg := "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xff\xc0\x00\x11\x08"
	var many [][]byte
	for range 65 {
		many = append(many, ebml(trackEntry))
	}
	encodings := ebml([]byte{0x6D, 0x80}, ebml([]byte{0x62, 0x40}, ebml([]byte{0x50, 0x35})))
	live := matroskaFile()
	live = live[:bytes.Index(live, []byte{0x1F, 0x43, 0xB6, 0x75})]
	live[bytes.Index(live, []byte{0x18, 0x53})+4] = 0x01
	copy(live[bytes.Index(live, []byte{0x18, 0x53})+5:], bytes.Repeat([]byte{0xff}, 7))
	none := func(int) bool { return false }
	tests := []struct {
		name string
		data []byte
		want fault.Code
		kind kind
	}{
		{"empty", nil, fault.CodeSourceEmpty, 0},
		{"PDF", []byte("%PDF-1.7"), fault.CodeSourceUnrecognized, 0},
		{"HTML after blanks", []byte("\n\n <!doctype HTML><p>"), fault.CodeSourceUnrecognized, 0},
		{"an HLS playlist with a mark", []byte("\xef\xbb\xbf#EXTM3U\nx"), fault.CodeSourceDisallowed, 0},
		{"a manifest behind a comment", []byte("<?xml?><!-- x --><MPD/>"), fault.CodeSourceDisallowed, 0},
		{"a drawing", []byte("<svg/>"), fault.CodeSourceDisallowed, 0},
		{"an SDP description", []byte("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n"), fault.CodeSourceDisallowed, 0},
		{"UTF-16", []byte("\xff\xfeh\x00i\x00"), fault.CodeSourceDisallowed, 0},
		{"Latin 1", []byte("Gr\xfc\xdfe aus M\xfcnchen, mit viel Text\n"), fault.CodeSourceDisallowed, 0},
		{"text cut within a rune", []byte(strings.Repeat("a", headBytes-1) + "ü"), fault.CodeSourceDisallowed, 0},
		{"binary of no known kind", []byte("\x00\x01\x02"), "", kindUnknown},
		{"PNG", png(100, 100), "", kindPNG},
		{"PNG too large", png(60000, 60000), fault.CodeSourceTooLarge, 0},
		{"PNG of an absurd size", png(1<<32-1, 1<<32-1), fault.CodeSourceTooLarge, 0},
		{"PNG without a header", png(1, 1)[:9], "", kindPNG},
		{"JPEG", []byte(jpeg + "\x01\x00\x01\x00\x03"), "", kindJPEG},
		{"JPEG too large", []byte(jpeg + "\xff\xdc\xff\xdc\x03"), fault.CodeSourceTooLarge, 0},
		{"JPEG with a segment of length 0", []byte("\xff\xd8\xff\xe0\x00\x00\xff\xc0\x00\x00\x00\x00\x00"), "", kindJPEG},
		{"GIF too large", []byte("GIF89a\xff\xff\xff\xff"), fault.CodeSourceTooLarge, 0},
		{"WebP", webp(0, 100), "", kindWebP},
		{"WebP too large", webp(0, 16000), fault.CodeSourceTooLarge, 0},
		{"animated WebP", webp(2, 100), fault.CodeSourceUnsupported, 0},
		{"AVI", riff("AVI ", 104, 100), "", kindRIFF},
		{"AVI cut", riff("AVI ", 105, 100), fault.CodeSourceTruncated, 0},
		{"AVI in two parts, the second cut", append(riff("AVI ", 104, 100), riff("AVIX", 999, 10)...), fault.CodeSourceTruncated, 0},
		{"WAV of unknown length", riff("WAVE", 0xffffffff, 100), "", kindRIFF},
		{"Matroska", matroskaFile(ebml(trackEntry)), "", kindMatroska},
		{"Matroska cut", matroskaFile()[:100], fault.CodeSourceTruncated, 0},
		{"Matroska without a segment", matroskaFile()[:19], fault.CodeSourceTruncated, 0},
		{"Matroska of unknown length", live, "", kindMatroska},
		{"Matroska with too many tracks", matroskaFile(many...), fault.CodeSourceTooManyStreams, 0},
		{"Matroska encrypted", matroskaFile(ebml(trackEntry, encodings)), fault.CodeSourceEncrypted, 0},
		{"FLV", flv(10, 10), "", kindFLV},
		{"FLV cut", flv(11, 10), fault.CodeSourceTruncated, 0},
		{"FLV header alone", []byte("FLV\x01\x05"), fault.CodeSourceTruncated, 0},
		{"ASF", asf(100, 124, 100), "", kindASF},
		{"ASF cut", asf(100, 125, 100), fault.CodeSourceTruncated, 0},
		{"ASF of an absurd length", asf(100, 1<<63, 100), fault.CodeSourceTruncated, 0},
		{"ASF of an absurd header", asf(1<<63, 0, 10), fault.CodeSourceTruncated, 0},
		{"transport stream", transport(100, 188, none), "", kindTS},
		{"transport stream of cameras", transport(100, 192, none), "", kindTS},
		{"transport stream with holes", transport(1000, 188, func(i int) bool { return i%20 == 7 }), fault.CodeSourceCorrupt, 0},
		{"MP4 cut", []byte("\x00\x00\x00\x10ftypisom\x00\x00\x00\x00\x00\x00\x10\x00mdat"), fault.CodeSourceTruncated, 0},
		{"HEIF", []byte("\x00\x00\x00\x10ftypheic\x00\x00\x00\x00\x00\x00\x00\x0cmeta\x00\x00\x00\x00"), fault.CodeSourceUnsupported, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := preCheckBytes(tt.data, Policy{})
			if tt.want == "" && (err != nil || l.kind != tt.kind) || tt.want != "" && fault.CodeOf(err) != tt.want {
				t.Errorf("preCheck = %v, %v, want kind %v, code %q", l.kind, err, tt.kind, tt.want)
			}
		})
	}
	if _, err := preCheckBytes(make([]byte, 11), Policy{MaxBytes: 10}); fault.CodeOf(err) != fault.CodeSourceTooLarge {
		t.Errorf("a file of too many bytes: %v", err)
	}
	if l, err := preCheckBytes(transport(2000, 188, func(i int) bool { return i == 700 }), Policy{}); err != nil || len(l.notes) != 1 || l.notes[0] != NoteGaps {
		t.Errorf("a single gap: %+v, %v", l, err)
	}
}

// TestSalvageForgivesNothingButDamage cuts files that are refused for other reasons too.
func TestSalvageForgivesNothingButDamage(t *testing.T) {
	encodings := ebml([]byte{0x6D, 0x80}, ebml([]byte{0x62, 0x40}, ebml([]byte{0x50, 0x35})))
	var many [][]byte
	for range 65 {
		many = append(many, ebml(trackEntry))
	}
	cut := func(b []byte) []byte { return b[:len(b)-50] }
	for _, tt := range []struct {
		name string
		data []byte
		want fault.Code // empty: accepted as damaged
	}{
		{"cut Matroska", cut(matroskaFile(ebml(trackEntry))), ""},
		{"cut and encrypted Matroska", cut(matroskaFile(ebml(trackEntry, encodings))), fault.CodeSourceEncrypted},
		{"cut Matroska of many tracks", cut(matroskaFile(many...)), fault.CodeSourceTooManyStreams},
		{"cut AVI", riff("AVI ", 5000, 100), ""},
		{"cut FLV", flv(1000, 10), ""},
		{"a transport stream full of gaps", transport(2000, 188, func(i int) bool { return i%20 == 7 }), ""},
		{"nothing", nil, fault.CodeSourceEmpty},
		{"text", []byte("hello"), fault.CodeSourceDisallowed},
	} {
		l, err := preCheckBytes(tt.data, Policy{Salvage: true})
		if fault.CodeOf(err) != tt.want && tt.want != "" || err != nil && tt.want == "" || (l.damage != nil) != (tt.want == "") {
			t.Errorf("%s: damage %v, %v, want code %q", tt.name, l.damage, err, tt.want)
		}
	}
	sound := matroskaFile(ebml(trackEntry))
	if l, err := preCheckBytes(sound, Policy{Salvage: true}); err != nil || l.damage != nil || l.indexed {
		t.Errorf("a sound file: %+v, %v", l, err)
	}
	segment := ebml([]byte{0x18, 0x53, 0x80, 0x67}, ebml([]byte{0x16, 0x54, 0xAE, 0x6B}), ebml([]byte{0x1C, 0x53, 0xBB, 0x6B}))
	if l, err := preCheckBytes(append(ebml([]byte{0x1A, 0x45, 0xDF, 0xA3}, make([]byte, 10)), segment...), Policy{}); err != nil || !l.indexed {
		t.Errorf("a file with an index: %+v, %v", l, err)
	}
}

func FuzzPreCheck(f *testing.F) {
	f.Add(matroskaFile(ebml(trackEntry)))
	f.Add(flv(10, 10))
	f.Add(asf(100, 124, 100))
	f.Add(riff("AVI ", 104, 100))
	f.Add(transport(20, 188, func(int) bool { return false }))
	f.Add([]byte("\xff\xd8\xff\xe0\x00\x10JFIF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := preCheckBytes(data, Policy{})
		if err != nil && fault.ClassOf(err) != fault.Invalid {
			t.Errorf("preCheck of a sound reader = %v", err)
		}
	})
}

func TestVerdicts(t *testing.T) {
	failed := func(stderr string) error {
		return fault.Wrap(fault.CodeFFmpegFailed, &ffmpeg.ExitError{Program: ffmpeg.FFprobe, Code: 1, Stderr: stderr}, "ffprobe failed")
	}
	tests := []struct {
		name string
		err  error
		kind kind
		want fault.Code
	}{
		{"too many streams, called a lack of memory", failed("[mpegts @ 0x1] Number of streams exceeds max_streams parameter (64)\nsrc: Cannot allocate memory"), kindKnown, fault.CodeSourceTooManyStreams},
		{"too many pixels", failed("[h264 @ 0x1] Picture size 9000x9000 exceeds specified max pixel count 40000000"), kindKnown, fault.CodeSourceTooLarge},
		{"a playlist", failed("[hls @ 0x1] Format not on whitelist 'mov'"), kindUnknown, fault.CodeSourceDisallowed},
		{"text", failed("[tty @ 0x1] Format not on whitelist 'mov'"), kindUnknown, fault.CodeSourceDisallowed},
		{"an odd container", failed("[nut @ 0x1] Format not on whitelist 'mov'"), kindUnknown, fault.CodeSourceUnsupported},
		{"an odd codec", failed("[magicyuv @ 0x1] Codec (magicyuv) not on whitelist 'h264'"), kindKnown, fault.CodeSourceUnsupported},
		{"noise", failed("src: Invalid data found when processing input"), kindUnknown, fault.CodeSourceUnrecognized},
		{"a damaged film", failed("src: Invalid data found when processing input"), kindMatroska, fault.CodeSourceCorrupt},
		{"a cut film", failed("[mov @ 0x1] stream 0, offset 0x30: partial file"), kindMP4, fault.CodeSourceTruncated},
		{"a failing disk", failed("src: Input/output error"), kindMP4, fault.CodeFFmpegFailed},
		{"a crash", fault.Wrap(fault.CodeFFmpegFailed, &ffmpeg.ExitError{Code: -1, Signal: 11}, "x"), kindMP4, fault.CodeFFmpegFailed},
		{"a limit", fault.Wrap(fault.CodeLimitExceeded, &ffmpeg.ExitError{Code: 1, Limit: ffmpeg.LimitAddressSpace}, "x"), kindMP4, fault.CodeLimitExceeded},
		{"no exit at all", errors.New("x"), kindMP4, fault.CodeInternal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := verdict(tt.err, tt.kind)
			if fault.CodeOf(got) != tt.want || !errors.Is(got, tt.err) {
				t.Errorf("verdict = %v, want code %s", got, tt.want)
			}
			if strings.Contains(fault.DetailOf(got), "0x1") {
				t.Errorf("the detail holds the tool's words: %q", fault.DetailOf(got))
			}
		})
	}
}
