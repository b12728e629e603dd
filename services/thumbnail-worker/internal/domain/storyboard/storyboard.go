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
	// boundarySlack is the share of the interval by which a boundary between cues may move to a keyframe.
	boundarySlack = 50
	// earlyShare is the share of a cue after which a frame is taken where there is no keyframe.
	earlyShare = 8
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
}

// Middle returns the instant half way through the cue.
func (c Cue) Middle() time.Duration { return c.Start + (c.End-c.Start)/2 }

// Early returns a frame from the first eighth of the cue on.
func (c Cue) Early(t timeline.Timeline) timeline.Pick {
	at, _ := t.Clamp(c.Start + (c.End-c.Start)/earlyShare)
	return timeline.Pick{At: at, Slack: max(0, c.End-at)}
}

// Shows reports whether a frame that begins at the instant can stand for the cue: it lies no further
// from the middle than half the cue's length.
func (c Cue) Shows(at time.Duration) bool { return at >= c.Start && at <= c.End }

// Board is a planned storyboard. It is immutable.
type Board struct {
	cues          []Cue
	tile          media.Resolution
	columns, rows int
}

// New plans the storyboard of a film with the given timeline and size as shown. The cues cover the
// timeline's span without gap or overlap (a film without duration has one cue that is empty) and are
// equally long, but for the last one where an interval is given, and for boundaries that move by up to a
// fiftieth of the interval to let a cue reach a keyframe. The frame of a cue is the keyframe nearest to
// its middle, and where it holds none a frame from its first eighth on: decoding begins at the keyframe
// before, so an early frame costs the least.
func New(s Spec, t timeline.Timeline, display media.Resolution) Board {
	b := Board{tile: tileSize(display, s.TileWidth)}
	b.columns = max(1, min(s.Columns, maxSheetSide/b.tile.Width))
	b.rows = max(1, min(s.Rows, maxSheetSide/b.tile.Height))
	b.cues = cut(t.Span(), s.Interval, max(1, s.MaxTiles))
	b.reach(t)
	for i := range b.cues {
		c := &b.cues[i]
		if k, ok := t.Nearest(c.Middle(), min(c.Middle()-c.Start, c.End-c.Middle())); ok {
			c.Pick = timeline.Pick{At: k, Keyframe: true}
			continue
		}
		c.Pick = c.Early(t)
	}
	return b
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

// reach moves boundaries so that cues which just miss a keyframe hold it. The keyframe becomes the
// boundary itself, so the neighbour does not lose it.
func (b *Board) reach(t timeline.Timeline) {
	for i := range b.cues {
		c := &b.cues[i]
		half := (c.End - c.Start) / 2
		if _, ok := t.Nearest(c.Middle(), half); ok {
			continue
		}
		k, ok := t.Nearest(c.Middle(), half+(c.End-c.Start)/boundarySlack)
		switch {
		case !ok:
		case k > c.End && i+1 < len(b.cues) && k < b.cues[i+1].End:
			c.End, b.cues[i+1].Start = k, k
		case k < c.Start && i > 0 && k > b.cues[i-1].Start:
			c.Start, b.cues[i-1].End = k, k
		}
	}
}

// Cues returns the cues in order of time. The caller owns the slice.
func (b Board) Cues() []Cue { return append([]Cue(nil), b.cues...) }

// Tile returns the size of a tile: the film's shape with even sides, never larger than the film.
func (b Board) Tile() media.Resolution { return b.tile }
