package generate

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/storyboard"
)

// Kinds of outputs.
const (
	KindPoster     = "poster"
	KindStill      = "still"
	KindSprite     = "sprite"
	KindStoryboard = "storyboard"
)

func (j *job) stillFiles(made [][]Frame) []file {
	var all []file
	for i := range j.plan.stills {
		set := j.plan.stills[i]
		for n, f := range made[set] {
			all = append(all, j.files(KindStill, fmt.Sprintf("still-%03d-%d", n+1, j.req.Sets.Stills.Widths[i]), j.plan.sets[set], f)...)
		}
	}
	return all
}

// files returns one frame in all formats of its set.
func (j *job) files(kind, name string, s Set, f Frame) []file {
	at := contract.Seconds(f.At)
	var all []file
	for i, format := range s.Formats {
		all = append(all, file{path: f.Files[i], output: contract.Output{
			Path: j.path(name + format.Extension()), Kind: kind, MediaType: format.MediaType(),
			Width: s.Size.Width, Height: s.Size.Height, At: &at,
		}})
	}
	return all
}

// path returns the path of an output.
func (j *job) path(name string) string { return path.Join(j.req.Step, name) }

func (j *job) checkFile(f file) error {
	format := Format(f.output.MediaType[len("image/"):])
	size := media.Resolution{Width: f.output.Width, Height: f.output.Height}
	if err := j.pictures.Check(f.path, format, size); err != nil {
		return fmt.Errorf("verify %s: %w", f.output.Path, err)
	}
	return nil
}

// storyboard makes and checks the sheets of a board from its tiles, and tells what each tile shows.
func (j *job) storyboard(ctx context.Context, frames []Frame, all *pictures) error {
	if err := j.mend(ctx, frames); err != nil {
		return err
	}
	b, format := j.plan.board, j.req.Sets.Storyboard.Format
	var paths []string
	for i, sheet := range b.Sheets() {
		f := file{path: filepath.Join(j.w.Scratch(), fmt.Sprintf("sheet-%d%s", i, format.Extension())), output: contract.Output{
			Path: j.path(fmt.Sprintf("storyboard-%03d%s", i+1, format.Extension())), Kind: KindSprite, MediaType: format.MediaType(),
			Width: sheet.Size.Width, Height: sheet.Size.Height,
		}}
		var tiles []string
		for _, t := range frames[sheet.First : sheet.First+sheet.Count] {
			tiles = append(tiles, t.Files[0])
		}
		// Sheet decodes what it wrote, and looks for every tile in it.
		if err := j.pictures.Sheet(ctx, f.path, sheet, b.Tile(), tiles, format, &j.meter); err != nil {
			return fmt.Errorf("make %s: %w", f.output.Path, err)
		}
		all.files, paths = append(all.files, f), append(paths, f.output.Path)
	}
	for i, c := range b.Cues() {
		p := b.Place(i)
		all.tiles = append(all.tiles, contract.Tile{
			Start: contract.Seconds(c.Start), End: contract.Seconds(c.End), At: contract.Seconds(shownAt(c, frames[i].At)),
			Sheet: paths[p.Sheet], X: p.X, Y: p.Y, Width: b.Tile().Width, Height: b.Tile().Height,
		})
	}
	return nil
}

// shownAt returns the instant within the cue at which the frame that begins at the given one is shown. A
// frame may stay for longer than a cue; it then began before it.
func shownAt(c storyboard.Cue, begins time.Duration) time.Duration { return max(begins, c.Start) }

// mend replaces tiles that lie outside of their cues, where the file's index gave another instant than
// decoding did, by others of the cues.
func (j *job) mend(ctx context.Context, frames []Frame) error {
	set := j.plan.sets[j.plan.tiles]
	again := Set{Size: set.Size, Formats: set.Formats}
	var of []int
	cues := j.plan.board.Cues()
	for i, c := range cues {
		if c.Pick.Keyframe && !c.Shows(frames[i].At) {
			again.Picks, of = append(again.Picks, c.Early(j.src.Timeline)), append(of, i)
		}
	}
	if len(of) > 0 {
		found, err := j.run(ctx, []Set{again}, "mend", doneExtracting, doneExtracting)
		if err != nil {
			return err
		}
		for k, i := range of {
			frames[i] = found[0][k]
		}
	}
	for i, c := range cues {
		if frames[i].At >= c.End && !c.Shows(frames[i].At) {
			return fault.New(fault.CodeOutputInvalid, "the tile of the cue from %v to %v shows the frame at %v", c.Start, c.End, frames[i].At)
		}
	}
	return nil
}

// names returns the sheets as the WebVTT file, which lies beside them, refers to them.
func names(files []file) []string {
	var all []string
	for _, f := range files {
		if f.output.Kind == KindSprite {
			all = append(all, path.Base(f.output.Path))
		}
	}
	return slices.Clip(all)
}
