package storyboard

import "github.com/reelmill/reelmill/pkg/core/media"

// Sheet is one picture full of tiles, row by row. The last sheet of a board is trimmed: it has no empty
// rows, and where it has a single row no empty columns.
type Sheet struct {
	// First is the number of the cue that the first tile belongs to, Count the number of tiles.
	First, Count int
	// Columns and Rows are those of this sheet.
	Columns, Rows int
	// Size is that of the whole sheet in pixels.
	Size media.Resolution
}

// Sheets returns the sheets in order; every cue has its tile on exactly one.
func (b Board) Sheets() []Sheet {
	var sheets []Sheet
	full := b.columns * b.rows
	for first := 0; first < len(b.cues); first += full {
		s := Sheet{First: first, Count: min(full, len(b.cues)-first)}
		s.Columns = min(b.columns, s.Count)
		s.Rows = (s.Count + s.Columns - 1) / s.Columns
		s.Size = media.Resolution{Width: s.Columns * b.tile.Width, Height: s.Rows * b.tile.Height}
		sheets = append(sheets, s)
	}
	return sheets
}

// Place is where a tile lies.
type Place struct {
	// Sheet counts from 0. X and Y are the tile's left upper corner in pixels.
	Sheet, X, Y int
}

// Place returns where the tile of the i-th cue lies.
func (b Board) Place(i int) Place {
	full := b.columns * b.rows
	sheet, at := i/full, i%full
	columns := min(b.columns, len(b.cues)-sheet*full)
	return Place{Sheet: sheet, X: at % columns * b.tile.Width, Y: at / columns * b.tile.Height}
}
