package media

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/asticode/go-astisub"
)

// cue is one subtitle.
type cue struct {
	start, end time.Duration
	lines      []line
}

// line is a line of a cue in spans of one style each.
type line []styled

// styled is text without any markup, and how it is shown.
type styled struct {
	text                    string
	bold, italic, underline bool
}

const (
	arrow = "-->"
	// maxCues bounds a track: a cue every second for a day.
	maxCues = 100_000
	// latest bounds the times that are believed.
	latest = 1000 * time.Hour
)

// errNoSubtitles means that a text has nothing of a subtitle file.
var errNoSubtitles = errors.New("no subtitles")

// parseCues reads WebVTT or SubRip, in order of time. Files are often written by hand or by programs that
// know no better, so every cue is read by itself: one that makes no sense is left out. It returns
// errNoSubtitles for a text of which nothing makes sense.
func parseCues(text string) ([]cue, error) {
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"), "\n")
	web := len(lines) > 0 && strings.HasPrefix(lines[0], "WEBVTT")
	var cues []cue
	for i, l := range lines {
		if !strings.Contains(l, arrow) {
			continue
		}
		if c, ok := parseCue(l, body(lines[i+1:], web), web); ok {
			cues = append(cues, c)
		}
		if len(cues) > maxCues {
			return nil, fmt.Errorf("more than %d subtitles", maxCues)
		}
	}
	if len(cues) == 0 && !web {
		return nil, errNoSubtitles
	}
	slices.SortStableFunc(cues, func(a, b cue) int { return int(min(max(a.start-b.start, -1), 1)) })
	return cues, nil
}

// body returns the lines of a cue, of those that follow its times. In WebVTT an empty line ends it. In SubRip
// the next cue does, whose number stands before its times.
func body(after []string, web bool) []string {
	end := len(after)
	for i, l := range after {
		if web && strings.TrimSpace(l) == "" {
			end = i
			break
		}
		if strings.Contains(l, arrow) {
			if end = i; !web && i > 0 {
				end--
			}
			break
		}
	}
	return slices.DeleteFunc(slices.Clone(after[:end]), func(l string) bool { return strings.TrimSpace(l) == "" })
}

// tag is anything that looks like markup; known is what is kept of it. The library reports what else it does
// not understand to the log, with its text.
var (
	tag   = regexp.MustCompile(`</?[A-Za-z0-9:][^<>]{0,200}>`)
	known = regexp.MustCompile(`^</?[biuBIU]>$`)
)

// parseCue reads one cue. ok is false where its times make no sense, or nothing is left to show.
func parseCue(times string, body []string, web bool) (c cue, ok bool) {
	defer func() {
		if recover() != nil { // the library indexes what it split without looking
			c, ok = cue{}, false
		}
	}()
	from, to, _ := strings.Cut(times, arrow)
	until := strings.Fields(to)
	if len(until) == 0 {
		return cue{}, false
	}
	var b strings.Builder
	read := astisub.ReadFromSRT
	if web {
		read = astisub.ReadFromWebVTT
		b.WriteString("WEBVTT\n\n")
	}
	fmt.Fprintf(&b, "%s %s %s\n", strings.TrimSpace(from), arrow, until[0])
	for _, l := range body {
		b.WriteString(tag.ReplaceAllStringFunc(l, func(t string) string {
			if known.MatchString(t) {
				return strings.ToLower(t)
			}
			return ""
		}))
		b.WriteByte('\n')
	}
	subs, err := read(strings.NewReader(b.String()))
	if err != nil || len(subs.Items) != 1 {
		return cue{}, false
	}
	return cueFrom(*subs.Items[0])
}

func cueFrom(item astisub.Item) (c cue, ok bool) {
	c = cue{start: item.StartAt, end: item.EndAt}
	for _, l := range item.Lines {
		var spans line
		seen := false
		for _, i := range l.Items {
			s := styledFrom(i)
			spans, seen = append(spans, s), seen || strings.TrimSpace(s.text) != ""
		}
		if seen {
			c.lines = append(c.lines, spans)
		}
	}
	return c, c.start >= 0 && c.end > c.start && c.end <= latest && len(c.lines) > 0
}

func styledFrom(i astisub.LineItem) styled {
	s := styled{text: printable(i.Text)}
	if i.InlineStyle == nil {
		return s
	}
	s.bold, s.italic, s.underline = i.InlineStyle.SRTBold, i.InlineStyle.SRTItalics, i.InlineStyle.SRTUnderline
	for _, t := range i.InlineStyle.WebVTTTags {
		s.bold, s.italic, s.underline = s.bold || t.Name == "b", s.italic || t.Name == "i", s.underline || t.Name == "u"
	}
	return s
}

// printable returns text without control characters, and with a space for whatever white space it has.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' || r == '\v' || r == '\f':
			return ' '
		case r < 0x20 || r == 0x7f || r == '\ufeff' || r == '\ufffd':
			return -1
		}
		return r
	}, text)
}
