// Package storyboard plans the pictures that a player shows while a viewer moves along the time line:
// cues that cut the film into spans, one small tile for each, sheets that hold the tiles, and the WebVTT
// file that tells which part of which sheet shows which span. It is pure, and counts time in
// time.Duration.
package storyboard

import (
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/timeline"
)

const (
	// minInterval is the shortest cue where the caller names no interval.
	minInterval = time.Second
	// maxSheetSide keeps sheets decodable: WebP ends at 16383 pixels a side.
	maxSheetSide = 16000
	// maxTileShape is how many times its width a tile may be high. A film that is narrower gets narrower
	// tiles instead.
	maxTileShape = 4
	// boundarySlack is the share of the interval by which a boundary between cues may move back to a keyframe.
	boundarySlack = 50
	// earlyShare is the share of a cue after which a frame is taken where there is no keyframe.
	earlyShare = 8
	// boundaryMargin is how much earlier than the end of a cue its frame begins at the latest: containers
	// round times to milliseconds, and what begins at the end belongs to the next cue.
	boundaryMargin = 2 * time.Millisecond
	// ownShare is how many of that many cues must hold a keyframe for the others to borrow the next cue's.
	ownShare, ownOf = 3, 4
)

// Spec says what is wanted. Every field but Interval is above 0.
type Spec struct {
	// Interval is the span of a cue; where 0 the film is cut into MaxTiles equal cues, but none is
	// shorter than a second.
	Interval time.Duration
	// MaxTiles is the most cues: a shorter interval is stretched.
	MaxTiles int
	// TileWidth, Columns and Rows are those of a full sheet.
	TileWidth, Columns, Rows int
}

// Cue is one span with the frame that stands for it.
type Cue struct {
	Start, End time.Duration
	Pick       timeline.Pick
	// Borrows says that the cue holds no keyframe and is shown by the one that begins the next.
	Borrows bool
}

// Middle returns the instant half way through the cue.
func (c Cue) Middle() time.Duration { return c.Start + (c.End-c.Start)/2 }

// Early returns a frame from the first eighth of the cue on.
func (c Cue) Early(t timeline.Timeline) timeline.Pick {
	at, _ := t.Clamp(c.Start + (c.End-c.Start)/earlyShare)
	return timeline.Pick{At: at, Slack: max(0, c.End-boundaryMargin-at)}
}

// Shows reports whether a frame that begins at the instant can stand for the cue: it begins within it. One
// that begins at the end is the first of the next cue, and stands for this one only if it borrows. A cue without
// length shows its only instant.
func (c Cue) Shows(at time.Duration) bool {
	return at == c.Start || at > c.Start && at < c.End || c.Borrows && at == c.End
}

// keyframe returns the keyframe nearest to the middle of the cue, if it holds any.
func (c Cue) keyframe(t timeline.Timeline) (at time.Duration, ok bool) {
	at, ok = t.Nearest(c.Middle(), c.End-c.Middle())
	return at, ok && c.Shows(at)
}

// Board is a planned storyboard. It is immutable.
type Board struct {
	cues          []Cue
	tile          media.Resolution
	columns, rows int
}

// New plans the storyboard of a film with the given timeline and size as shown. The cues cover the
// timeline's span without gap or overlap (a film without duration has one cue that is empty) and are
// equally long, but for the last one where an interval is given, and for boundaries that move by up to
// a fiftieth of the interval, so that a cue begins with a keyframe. The frame of a cue is the keyframe
// nearest to its middle, and where it holds none a frame from its first eighth on: decoding begins at the
// keyframe before, so an early frame costs the least. Where nearly all cues hold one, those few that do not but
// end with one borrow it: decoding up to them would cost several times the rest of the storyboard.
func New(s Spec, t timeline.Timeline, display media.Resolution) Board {
	b := Board{tile: tileSize(display, s.TileWidth)}
	b.columns = max(1, min(s.Columns, maxSheetSide/b.tile.Width))
	b.rows = max(1, min(s.Rows, maxSheetSide/b.tile.Height))
	b.cues = cut(t.Span(), s.Interval, max(1, s.MaxTiles))
	b.reach(t)
	for i := range b.cues {
		c := &b.cues[i]
		if k, ok := c.keyframe(t); ok {
			c.Pick = timeline.Pick{At: k, Keyframe: true}
			continue
		}
		c.Pick = c.Early(t)
	}
	b.borrow(t)
	return b
}

// borrow lets cues that hold no keyframe take the one that begins the next cue, or would if the boundary moved onward by
// up to a fiftieth of the interval, if such cues are few.
func (b *Board) borrow(t timeline.Timeline) {
	own := 0
	for _, c := range b.cues {
		if c.Pick.Keyframe {
			own++
		}
	}
	if own*ownOf < len(b.cues)*ownShare {
		return
	}
	for i := range len(b.cues) - 1 {
		c, next := &b.cues[i], &b.cues[i+1]
		k, ok := t.Nearest(c.End, (c.End-c.Start)/boundarySlack)
		if ok && !c.Pick.Keyframe && k >= c.End && k < next.End {
			c.End, next.Start = k, k
			c.Borrows, c.Pick = true, timeline.Pick{At: k, Keyframe: true}
		}
	}
}

func tileSize(display media.Resolution, width int) media.Resolution {
	r := display.FitWidth(width)
	if limit := maxTileShape * width; r.Height > limit {
		r = display.FitWidth(max(1, int(int64(display.Width)*int64(limit)/int64(display.Height))))
		r.Height = min(r.Height, limit&^1)
	}
	return media.Resolution{Width: max(2, r.Width), Height: max(2, r.Height)}
}

// cut returns the cues without picks.
func cut(span, interval time.Duration, most int) []Cue {
	n := int64(most)
	if interval <= 0 {
		n = min(n, max(1, int64(span/minInterval)))
		cues := make([]Cue, n)
		for i := range cues {
			cues[i] = Cue{Start: share(span, int64(i), n), End: share(span, int64(i)+1, n)}
		}
		return cues
	}
	if need := (span + interval - 1) / interval; int64(need) > n {
		interval = (span + time.Duration(n) - 1) / time.Duration(n)
	}
	cues := []Cue{{End: min(interval, span)}}
	for at := cues[0].End; at < span; at += interval {
		cues = append(cues, Cue{Start: at, End: min(at+interval, span)})
	}
	return cues
}

// share returns d*i/n without overflow.
func share(d time.Duration, i, n int64) time.Duration {
	q, r := int64(d)/n, int64(d)%n
	return time.Duration(q*i + r*i/n)
}

// reach moves boundaries back to keyframes just before them, where the cue before would show such a
// keyframe or the cue behind holds none. Encoders begin scenes with keyframes: one that stands at the very
// end of a cue shows what comes next, and is where the next cue had better begin.
func (b *Board) reach(t timeline.Timeline) {
	// From the last on, so that every cue is as long as it was cut.
	for i := len(b.cues) - 2; i >= 0; i-- {
		c, next := &b.cues[i], &b.cues[i+1]
		slack := (c.End - c.Start) / boundarySlack
		k, ok := c.keyframe(t)
		if _, held := next.keyframe(t); !held && (!ok || k < c.End-slack) {
			k, ok = t.Nearest(c.End, slack)
		}
		if ok && k < c.End && k >= c.End-slack {
			c.End, next.Start = k, k
		}
	}
}

// Cues returns the cues in order of time. The caller owns the slice.
func (b Board) Cues() []Cue { return append([]Cue(nil), b.cues...) }

// Tile returns the size of a tile: the film's shape with even sides, never larger than the film.
func (b Board) Tile() media.Resolution { return b.tile }
