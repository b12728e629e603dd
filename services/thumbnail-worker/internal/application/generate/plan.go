package generate

import (
	"fmt"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/poster"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/storyboard"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/timeline"
)

// analysisWidth is how wide pictures are when the best frame is sought: wide enough for blur to show,
// small enough to cost nothing beside the decoding.
const analysisWidth = 320

// Codes of the notes that this package adds.
const (
	// NoteClamped: a poster's instant lies behind the end, so that the last frame is shown.
	NoteClamped = "clamped"
	// NoteNoGoodFrame: no frame that was looked at is fit to stand for the film; the least poor is used.
	NoteNoGoodFrame = "no_good_frame"
)

// plan says which sets answer a request. Indices are into sets; -1 means none.
type plan struct {
	sets  []Set
	notes []contract.Note
	// posters are the sets of the posters whose frame is known from the start; best are the others.
	posters []int
	best    []int // indices into the request's posters
	stills  []int // by the request's widths
	tiles   int
	// analysis is the set to choose the best frame from, and to judge stills by: its last picks are those
	// of the stills.
	analysis int
	board    storyboard.Board
}

func newPlan(want contract.ThumbnailSets, src Source) plan {
	p := plan{tiles: -1, analysis: -1}
	display := src.Picture.Video.Display()
	for i, q := range want.Posters {
		pick, known := p.instant(q, src.Timeline)
		if !known {
			p.posters, p.best = append(p.posters, -1), append(p.best, i)
			continue
		}
		p.posters = append(p.posters, p.add(Set{Size: poster.Size(display, q.Width), Formats: q.Formats, Picks: []timeline.Pick{pick}}))
	}
	var measured []timeline.Pick
	if len(p.best) > 0 {
		measured = poster.Candidates(src.Timeline)
	}
	if s := want.Stills; s != nil {
		picks := poster.Stills(src.Timeline, s.Count)
		measured = append(measured, picks...)
		for _, width := range s.Widths {
			p.stills = append(p.stills, p.add(Set{Size: poster.Size(display, width), Formats: s.Formats, Picks: picks}))
		}
	}
	if s := want.Storyboard; s != nil {
		p.board = storyboard.New(storyboard.Spec{
			Interval: s.Interval.Duration(), MaxTiles: s.MaxTiles, TileWidth: s.TileWidth, Columns: s.Columns, Rows: s.Rows,
		}, src.Timeline, display)
		tiles := Set{Size: p.board.Tile(), Formats: []Format{Raw}}
		for _, c := range p.board.Cues() {
			tiles.Picks = append(tiles.Picks, c.Pick)
		}
		p.tiles = p.add(tiles)
	}
	if len(measured) > 0 {
		p.analysis = p.add(analysis(src, measured))
	}
	return p
}

func (p *plan) add(s Set) int {
	p.sets = append(p.sets, s)
	return len(p.sets) - 1
}

// instant returns the frame of a poster; known is false for the best frame.
func (p *plan) instant(q contract.Poster, t timeline.Timeline) (pick timeline.Pick, known bool) {
	if at, ok := q.At.Time(); ok {
		pick, clamped := poster.AtTime(t, at.Duration())
		if clamped {
			p.notes = append(p.notes, contract.Note{Code: NoteClamped,
				Detail: fmt.Sprintf("%s: %v lies behind the end; the last frame is shown", q.Name, at.Duration())})
		}
		return pick, true
	}
	if share, ok := q.At.Percent(); ok {
		return poster.AtPercent(t, share), true
	}
	return timeline.Pick{}, false
}

func analysis(src Source, picks []timeline.Pick) Set {
	return Set{Size: poster.Size(src.Picture.Video.Display(), analysisWidth), Formats: []Format{Raw}, Picks: picks}
}
