package media

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// webVTTHeader begins a file of which HLS shall know that its 0 is that of the segments (RFC 8216, 3.5).
const webVTTHeader = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n"

// writeCues returns the cues as WebVTT.
func writeCues(cues []cue) []byte {
	var b bytes.Buffer
	b.WriteString(webVTTHeader)
	for _, c := range cues {
		fmt.Fprintf(&b, "\n%s --> %s\n", timestamp(c.start), timestamp(c.end))
		for _, l := range c.lines {
			var text strings.Builder
			for _, s := range l {
				text.WriteString(s.markup())
			}
			b.WriteString(strings.TrimSpace(text.String()) + "\n")
		}
	}
	return b.Bytes()
}

// escaper makes text what it is meant to be, whatever it holds: without '>' there is no "-->" either.
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// markup returns the span with its style.
func (s styled) markup() string {
	text := escaper.Replace(s.text)
	if strings.TrimSpace(text) == "" {
		return text
	}
	for _, t := range []struct {
		is   bool
		name string
	}{{s.underline, "u"}, {s.italic, "i"}, {s.bold, "b"}} {
		if t.is {
			text = "<" + t.name + ">" + text + "</" + t.name + ">"
		}
	}
	return text
}

// timestamp returns an instant as WebVTT writes it, "HH:MM:SS.mmm".
func timestamp(d time.Duration) string {
	ms := d.Milliseconds()
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
}

// isUTF16 reports whether bytes begin with the mark of UTF-16.
func isUTF16(b []byte) bool {
	return bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff"))
}

// decodeText returns text as UTF-8: of UTF-16 with its mark, of UTF-8, and of what is neither as if it were
// Windows-1252, which is what old subtitles of western languages are in.
func decodeText(b []byte) string {
	if isUTF16(b) {
		units := make([]uint16, 0, len(b)/2)
		for i := 2; i+1 < len(b); i += 2 {
			u := uint16(b[i]) | uint16(b[i+1])<<8
			if b[0] == 0xfe {
				u = u>>8 | u<<8
			}
			units = append(units, u)
		}
		return string(utf16.Decode(units))
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if utf8.Valid(b) {
		return string(b)
	}
	text, err := charmap.Windows1252.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "")
	}
	return string(text)
}
