package hls

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseMedia reads a media playlist. Every segment gets the initialization section that applies to it, and a
// byte range without an offset the one that follows from the segment before. Errors are *SyntaxError; a
// multivariant playlist is one.
func ParseMedia(text string) (Media, error) {
	p := mediaParser{m: Media{Version: 1}}
	last, err := eachLine(text, p.line)
	if err != nil {
		return Media{}, err
	}
	switch {
	case p.timed:
		return Media{}, &SyntaxError{Line: last, Detail: "the last segment has no URI"}
	case !p.target:
		return Media{}, &SyntaxError{Line: last, Detail: "EXT-X-TARGETDURATION lacks"}
	}
	p.m.TargetDuration = p.m.Target()
	return p.m, nil
}

type mediaParser struct {
	m                 Media
	versioned, target bool
	// next is the segment whose URI is still to come; timed says that its duration is known, and open that
	// it has a range without an offset.
	next        Segment
	timed, open bool
	current     Map
	total       time.Duration
}

func (p *mediaParser) line(line string) error {
	if !strings.HasPrefix(line, "#") {
		return p.segment(line)
	}
	tag, value, _ := strings.Cut(line, ":")
	switch tag {
	case "#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE":
		return p.number(tag, value)
	case "#EXT-X-PLAYLIST-TYPE":
		p.m.Type = PlaylistType(value)
		if p.m.Type != VOD && p.m.Type != Event {
			return fmt.Errorf("want VOD or EVENT, got %.40q", value)
		}
	case "#EXT-X-INDEPENDENT-SEGMENTS":
		p.m.Independent = true
	case "#EXT-X-START":
		return p.start(value)
	case "#EXT-X-I-FRAMES-ONLY":
		p.m.KeyFramesOnly = true
	case "#EXT-X-ENDLIST":
		p.m.Ended = true
	case "#EXT-X-DISCONTINUITY":
		p.next.Discontinuity = true
	case "#EXTINF":
		return p.duration(value)
	case "#EXT-X-BYTERANGE":
		return p.byteRange(value)
	case "#EXT-X-MAP":
		return p.initialization(value)
	case "#EXT-X-STREAM-INF", "#EXT-X-I-FRAME-STREAM-INF", "#EXT-X-MEDIA":
		return fmt.Errorf("%s belongs into a multivariant playlist", tag[1:])
	}
	return nil
}

// number reads the tags whose value is a whole number.
func (p *mediaParser) number(tag, value string) (err error) {
	if tag == "#EXT-X-VERSION" {
		p.m.Version, err = parseVersion(value, &p.versioned)
		return err
	}
	n, err := parseInteger(value)
	if err != nil {
		return err
	}
	if tag == "#EXT-X-MEDIA-SEQUENCE" {
		if len(p.m.Segments) > 0 {
			return fmt.Errorf("EXT-X-MEDIA-SEQUENCE stands behind a segment")
		}
		p.m.Sequence = n
		return nil
	}
	if p.target {
		return fmt.Errorf("EXT-X-TARGETDURATION stands twice")
	}
	if n >= int64(math.MaxInt64/time.Second) {
		return fmt.Errorf("seconds out of range: %d", n)
	}
	p.m.TargetDuration, p.target = time.Duration(n)*time.Second, true
	return nil
}

// start reads where players are to begin, of which only the beginning is kept.
func (p *mediaParser) start(value string) error {
	a, err := parseAttributes(value)
	if err != nil {
		return err
	}
	a.require("TIME-OFFSET")
	text, _ := a.value("TIME-OFFSET", false)
	offset, err := strconv.ParseFloat(text, 64)
	if err != nil {
		a.fail("attribute TIME-OFFSET: want a number, got %.40q", text)
	}
	p.m.FromBeginning = offset == 0
	return a.err
}

func (p *mediaParser) duration(value string) error {
	if p.timed {
		return fmt.Errorf("the segment before has no URI")
	}
	text, _, _ := strings.Cut(value, ",")
	d, err := parseSeconds(strings.TrimSpace(text))
	if err != nil {
		return err
	}
	// Sums of durations must not overflow, nor those that a target is rounded from.
	if p.total += d; p.total < 0 || p.total > math.MaxInt64-time.Second {
		return fmt.Errorf("the segments are longer than can be counted")
	}
	p.next.Duration, p.timed = d, true
	return nil
}

func (p *mediaParser) byteRange(value string) error {
	r, offset, err := parseByteRange(value)
	if err != nil {
		return err
	}
	p.next.Range, p.open = r, !offset
	return nil
}

func (p *mediaParser) initialization(value string) error {
	a, err := parseAttributes(value)
	if err != nil {
		return err
	}
	a.require("URI")
	m := Map{URI: a.text("URI")}
	if m.URI == "" {
		a.fail("attribute URI is empty")
	}
	if text, ok := a.value("BYTERANGE", true); ok {
		// Without an offset, the range begins at the beginning.
		if m.Range, _, err = parseByteRange(text); err != nil {
			return err
		}
	}
	p.current = m
	return a.err
}

func (p *mediaParser) segment(uri string) error {
	if !p.timed {
		return fmt.Errorf("a URI without EXTINF before it")
	}
	s := p.next
	s.URI, s.Map = uri, p.current
	if p.open {
		n := len(p.m.Segments)
		if n == 0 || p.m.Segments[n-1].URI != uri || p.m.Segments[n-1].Range == (ByteRange{}) {
			return fmt.Errorf("a byte range without an offset follows no other of the same resource")
		}
		before := p.m.Segments[n-1].Range
		s.Range.Offset = before.Offset + before.Length
		if s.Range.Offset > math.MaxInt64-s.Range.Length {
			return fmt.Errorf("the byte range ends behind all numbers")
		}
	}
	p.m.Segments = append(p.m.Segments, s)
	p.next, p.timed, p.open = Segment{}, false, false
	return nil
}

// parseByteRange reads "LENGTH[@OFFSET]". offset says that the offset was there.
func parseByteRange(s string) (r ByteRange, offset bool, err error) {
	length, at, offset := strings.Cut(s, "@")
	if r.Length, err = parseInteger(strings.TrimSpace(length)); err != nil {
		return r, offset, err
	}
	if offset {
		if r.Offset, err = parseInteger(strings.TrimSpace(at)); err != nil {
			return r, offset, err
		}
	}
	if r.Length == 0 || r.Offset > math.MaxInt64-r.Length {
		return r, offset, fmt.Errorf("the byte range %.40q holds nothing, or ends behind all numbers", s)
	}
	return r, offset, nil
}
