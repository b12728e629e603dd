// Package hls is the text of HLS playlists: RFC 8216 and its second edition, draft-pantos-hls-rfc8216bis.
// A playlist is plain data. String renders it as this project writes playlists; ParseMultivariant and
// ParseMedia read what any conforming writer may write, and pass over tags and attributes that they do not
// know, as the RFC asks of clients.
//
// What the types have no field for is lost in reading: encryption, dates, partial segments, renditions
// other than sound and subtitles. It is for our own playlists and for checking them, not for playing what
// others publish.
package hls

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// defaultVersion is the EXT-X-VERSION of playlists that name none: the second edition of the RFC asks for 6
// where a playlist of whole segments has an EXT-X-MAP, and players of fragmented MP4 know 7.
const defaultVersion = 7

const header = "#EXTM3U"

// ByteRange is a part of a resource. The zero value is the whole.
type ByteRange struct {
	Length int64
	Offset int64
}

// String returns "LENGTH@OFFSET".
func (r ByteRange) String() string { return fmt.Sprintf("%d@%d", r.Length, r.Offset) }

// SyntaxError says what is wrong with a playlist.
type SyntaxError struct {
	// Line counts from 1.
	Line   int
	Detail string
}

// Error returns "line 3: ...".
func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Detail) }

// eachLine calls do for every line that is neither blank nor a comment, without its end, beginning after the
// header. An error of do gets the number of its line. last is the number of the last line.
func eachLine(text string, do func(line string) error) (last int, err error) {
	for more := true; more; {
		var line string
		line, text, more = strings.Cut(text, "\n")
		line = strings.TrimSuffix(line, "\r")
		last++
		switch err := checkLine(line); {
		case err != nil:
			return last, &SyntaxError{Line: last, Detail: err.Error()}
		case last == 1 && line != header:
			return last, &SyntaxError{Line: last, Detail: "a playlist begins with " + header}
		case last == 1, strings.TrimSpace(line) == "", strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "#EXT"):
			continue
		}
		if err := do(line); err != nil {
			return last, &SyntaxError{Line: last, Detail: err.Error()}
		}
	}
	return last, nil
}

// checkLine refuses what RFC 8216, 4.1 forbids in a playlist.
func checkLine(line string) error {
	if !utf8.ValidString(line) {
		return fmt.Errorf("the line is not UTF-8")
	}
	if i := strings.IndexFunc(line, isControl); i >= 0 {
		return fmt.Errorf("the line holds the control character %q", line[i:i+1])
	}
	return nil
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r <= 0x9f }

// uriLine returns a URI that can stand on a line: what would end it is percent-encoded, and so is a '#' that
// would make a comment of it.
func uriLine(uri string) string {
	if rest, ok := strings.CutPrefix(uri, "#"); ok {
		return "%23" + escape(rest, isControl)
	}
	return escape(uri, isControl)
}

// uriQuoted returns a URI that can stand between quotes.
func uriQuoted(uri string) string {
	return escape(uri, func(r rune) bool { return r == '"' || isControl(r) })
}

// escape percent-encodes the characters that are special, and bytes that are no UTF-8.
func escape(s string, special func(r rune) bool) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if special(r) || r == utf8.RuneError && n == 1 {
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// seconds returns a span as a decimal number of seconds, exact, with six or nine decimals.
func seconds(d time.Duration) string {
	d = max(0, d)
	s := fmt.Sprintf("%d.%09d", d/time.Second, d%time.Second)
	return strings.TrimSuffix(s, "000")
}
