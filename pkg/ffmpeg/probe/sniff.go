package probe

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg/mp4box"
)

// headBytes is how much of a file's beginning is looked at.
const headBytes = 64 << 10

// kind is what a file's first bytes make of it.
type kind uint8

const (
	// kindUnknown is left to ffprobe: some formats begin with nothing characteristic.
	kindUnknown kind = iota
	// kindKnown is some media file; what is wrong with it is damage.
	kindKnown
	kindMP4
	kindMatroska
	kindRIFF
	kindWebP
	kindFLV
	kindASF
	kindTS
	kindPNG
	kindJPEG
	kindGIF
)

// magics are the beginnings of files.
var magics = []struct {
	at    int
	bytes string
	kind  kind
}{
	{0, "\x1aE\xdf\xa3", kindMatroska},
	{0, "\x89PNG\r\n\x1a\n", kindPNG},
	{0, "\xff\xd8\xff", kindJPEG},
	{0, "GIF87a", kindGIF},
	{0, "GIF89a", kindGIF},
	{0, "FLV\x01", kindFLV},
	{0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", kindASF},
	{0, "OggS", kindKnown},
	{0, "fLaC", kindKnown},
	{0, "ID3", kindKnown},
	{0, "\x00\x00\x01\xba", kindKnown},                         // MPEG program stream
	{0, "\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01", kindKnown}, // MXF partition
	{0, "FORM", kindKnown},                                     // AIFF
}

// strangers are files of well-known kinds that are no media.
var strangers = []struct{ magic, name string }{
	{"%PDF-", "a PDF document"}, {"\x7fELF", "a program"}, {"MZ", "a program"}, {"PK\x03\x04", "a ZIP archive"},
	{"\x1f\x8b", "a gzip archive"}, {"Rar!", "a RAR archive"}, {"7z\xbc\xaf\x27\x1c", "a 7z archive"},
}

// sniff tells what a file begins as. Errors carry source_unrecognized or source_disallowed.
func sniff(head []byte) (kind, error) {
	if mp4box.Is(head) {
		return kindMP4, nil
	}
	for _, m := range magics {
		if bytes.HasPrefix(head[min(m.at, len(head)):], []byte(m.bytes)) {
			return m.kind, nil
		}
	}
	if len(head) >= 12 && string(head[:4]) == "RIFF" {
		if string(head[8:12]) == "WEBP" {
			return kindWebP, nil
		}
		return kindRIFF, nil
	}
	for _, s := range strangers {
		if bytes.HasPrefix(head, []byte(s.magic)) {
			return 0, fault.New(fault.CodeSourceUnrecognized, "the file is %s, not media", s.name)
		}
	}
	if err := sniffText(head); err != nil {
		return 0, err
	}
	if _, _, ok := tsLayout(head); ok {
		return kindTS, nil
	}
	return kindUnknown, nil
}

// scripts are texts that make a player read other files.
var scripts = []struct{ prefix, name string }{
	{"#extm3u", "an HLS playlist"}, {"ffconcat", "a concat script"}, {"v=0", "an SDP description"},
	{"[playlist]", "a playlist"}, {"[reference]", "a playlist"}, {"rtsptext", "a playlist"}, {"webvtt", "subtitles"},
}

// markups are elements that give a markup file away, wherever its first lines hold them.
var markups = []struct{ element, name string }{
	{"<mpd", "a DASH manifest"}, {"<svg", "a vector graphic"}, {"<smil", "a playlist"}, {"<asx", "a playlist"},
	{"<smoothstreamingmedia", "a streaming manifest"}, {"<compositionplaylist", "a playlist"}, {"<assetmap", "a playlist"},
}

// sniffText returns the verdict on a file that begins as text, nil where it does not. ffmpeg would
// follow what some texts refer to, and paint others as pictures.
func sniffText(head []byte) error {
	text, ok := asText(head)
	if !ok {
		return nil
	}
	refuse := func(name string) error {
		return fault.New(fault.CodeSourceDisallowed, "the file is %s, not media", name)
	}
	text = strings.ToLower(strings.TrimSpace(text))
	for _, s := range scripts {
		if strings.HasPrefix(text, s.prefix) {
			return refuse(s.name)
		}
	}
	if !strings.HasPrefix(text, "<") {
		return refuse("plain text")
	}
	for _, m := range markups {
		if strings.Contains(text, m.element) {
			return refuse(m.name)
		}
	}
	return fault.New(fault.CodeSourceUnrecognized, "the file is a document, not media")
}

// asText returns the head as text if it is some: UTF-8 or UTF-16 with its mark, or bytes without any
// control characters, as legacy encodings have none either.
func asText(head []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		// ASCII in UTF-16 is ASCII with zeros between; other letters do not matter for what is asked here.
		head = bytes.ReplaceAll(head[2:], []byte{0}, nil)
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		head = head[3:]
	}
	if len(head) == 0 {
		return "", false
	}
	for _, b := range head {
		if b < 0x20 && b != '\n' && b != '\r' && b != '\t' && b != '\f' && b != 0x1b {
			return "", false
		}
	}
	if utf8.Valid(trimRune(head)) {
		return string(head), true
	}
	// Without control characters, but not UTF-8: a legacy encoding if it is mostly ASCII.
	ascii := 0
	for _, b := range head {
		if b < 0x80 {
			ascii++
		}
	}
	return string(head), ascii*4 >= len(head)*3
}

// trimRune drops the bytes of a rune that the end of the head cut in two.
func trimRune(b []byte) []byte {
	for i := 1; i <= min(utf8.UTFMax, len(b)); i++ {
		if utf8.RuneStart(b[len(b)-i]) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}
