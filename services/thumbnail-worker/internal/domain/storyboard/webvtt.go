package storyboard

import (
	"fmt"
	"strings"
	"time"
)

// WebVTT returns the text of the WebVTT file. sheets are the names of the sheets, in order, as a reader
// of the file finds them: relative to the file itself. Each cue names its tile by a media fragment,
// "NAME#xywh=X,Y,WIDTH,HEIGHT" (W3C Media Fragments 1.0). Cues that round to no span at all are shown
// for a millisecond, since WebVTT wants an end behind the start.
func (b Board) WebVTT(sheets []string) string {
	var w strings.Builder
	w.WriteString("WEBVTT\n")
	for i, c := range b.cues {
		p := b.Place(i)
		start := c.Start.Truncate(time.Millisecond)
		end := max(c.End.Truncate(time.Millisecond), start+time.Millisecond)
		fmt.Fprintf(&w, "\n%s --> %s\n%s#xywh=%d,%d,%d,%d\n", stamp(start), stamp(end), sheets[p.Sheet], p.X, p.Y, b.tile.Width, b.tile.Height)
	}
	return w.String()
}

// stamp formats an instant as WebVTT wants it: hours of at least two digits, milliseconds.
func stamp(d time.Duration) string {
	ms := d.Milliseconds()
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
}
