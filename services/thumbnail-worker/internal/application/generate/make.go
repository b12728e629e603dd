package generate

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/poster"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/timeline"
)

// file is a picture that was made and checked, with what is to be said of it.
type file struct {
	path   string
	output contract.Output
}

// pictures are all files of a request but the WebVTT, with the storyboard's tiles.
type pictures struct {
	files []file
	tiles []contract.Tile
}

// make makes and checks everything that can be made before anything is stored.
func (j *job) make(ctx context.Context) (pictures, error) {
	made, err := j.run(ctx, j.plan.sets, "main", doneInspecting, doneExtracting)
	if err != nil {
		return pictures{}, err
	}
	var all pictures
	for i, set := range j.plan.posters {
		if set >= 0 {
			all.files = append(all.files, j.files(KindPoster, j.req.Sets.Posters[i].Name, j.plan.sets[set], made[set][0])...)
		}
	}
	if j.plan.analysis >= 0 {
		files, err := j.judged(ctx, made)
		if err != nil {
			return pictures{}, err
		}
		all.files = append(all.files, files...)
	}
	if err := j.checkAll(all.files); err != nil {
		return pictures{}, err
	}
	if j.plan.tiles >= 0 {
		if err := j.storyboard(ctx, made[j.plan.tiles], &all); err != nil {
			return pictures{}, err
		}
	}
	j.w.Progress(doneChecking)
	return all, nil
}

// judged returns the files whose frames depend on how the frames of the analysis look: the posters of
// the best frame, and the stills.
func (j *job) judged(ctx context.Context, made [][]Frame) ([]file, error) {
	set := j.plan.sets[j.plan.analysis]
	features, err := j.measure(set, made[j.plan.analysis])
	if err != nil {
		return nil, err
	}
	files, err := j.best(ctx, set.Picks, features)
	if err != nil {
		return nil, err
	}
	if err := j.brighten(ctx, features, made); err != nil {
		return nil, err
	}
	return append(files, j.stillFiles(made)...), nil
}

// run extracts sets into a folder of that name, and moves progress from one value to another.
func (j *job) run(ctx context.Context, sets []Set, name string, from, to int) ([][]Frame, error) {
	dir := filepath.Join(j.w.Scratch(), name)
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	ex, err := j.extract.Extract(ctx, j.src, dir, sets, func(share float64) {
		j.w.Progress(from + int(share*float64(to-from)))
		if err := faultinject.Point(ctx, "ffmpeg.mid"); err != nil {
			abort(err)
		}
	}, &j.meter)
	if err == nil {
		err = faultinject.Point(ctx, "ffmpeg.after_before_verify")
	}
	if err != nil {
		return nil, fmt.Errorf("make pictures of the source: %w", err)
	}
	if len(ex.Frames) != len(sets) {
		return nil, fault.New(fault.CodeInternal, "%d sets of pictures instead of %d", len(ex.Frames), len(sets))
	}
	for i, s := range sets {
		if len(ex.Frames[i]) != len(s.Picks) {
			return nil, fault.New(fault.CodeInternal, "%d pictures instead of %d", len(ex.Frames[i]), len(s.Picks))
		}
	}
	j.notes = append(j.notes, ex.Notes...)
	return ex.Frames, nil
}

// best returns the files of the posters that show the best frame, given the measured candidates.
func (j *job) best(ctx context.Context, picks []timeline.Pick, candidates []poster.Features) ([]file, error) {
	if len(j.plan.best) == 0 {
		return nil, nil
	}
	pick, err := j.bestPick(ctx, slices.Clone(picks), slices.Clone(candidates))
	if err != nil {
		return nil, err
	}
	var sets []Set
	display := j.src.Picture.Video.Display()
	for _, i := range j.plan.best {
		q := j.req.Sets.Posters[i]
		sets = append(sets, Set{Size: poster.Size(display, q.Width), Formats: q.Formats, Picks: []timeline.Pick{pick}})
	}
	frames, err := j.run(ctx, sets, "best", doneExtracting, doneExtracting)
	if err != nil {
		return nil, err
	}
	var files []file
	for k, i := range j.plan.best {
		files = append(files, j.files(KindPoster, j.req.Sets.Posters[i].Name, sets[k], frames[k][0])...)
	}
	return files, nil
}

// bestPick returns the best of the candidates, having looked at more frames where none of them is good.
func (j *job) bestPick(ctx context.Context, picks []timeline.Pick, candidates []poster.Features) (timeline.Pick, error) {
	span := j.src.Timeline.Span()
	index, good := poster.Best(candidates, span)
	if !good && !j.src.Single {
		more := poster.MoreCandidates(j.src.Timeline)
		also, err := j.look(ctx, more, "more")
		if err != nil {
			return timeline.Pick{}, err
		}
		picks, candidates = append(picks, more...), append(candidates, also...)
		index, good = poster.Best(candidates, span)
	}
	if !good {
		j.notes = append(j.notes, contract.Note{Code: NoteNoGoodFrame, Detail: "the best frame is dark, flat or blurred, as all others are"})
	}
	return exactly(picks[index], candidates[index]), nil
}

// exactly returns the pick of the frame that was measured for p: a frame that is no keyframe is named by
// its own begin, not by the instant that was asked for.
func exactly(p timeline.Pick, f poster.Features) timeline.Pick {
	if !p.Keyframe {
		p.At = f.At
	}
	return p
}

// look extracts and measures more frames.
func (j *job) look(ctx context.Context, picks []timeline.Pick, name string) ([]poster.Features, error) {
	set := analysis(j.src, picks)
	frames, err := j.run(ctx, []Set{set}, name, doneExtracting, doneExtracting)
	if err != nil {
		return nil, err
	}
	return j.measure(set, frames[0])
}

func (j *job) measure(set Set, frames []Frame) ([]poster.Features, error) {
	var all []poster.Features
	for _, f := range frames {
		luma, err := j.pictures.Luma(f.Files[0], set.Size)
		if err != nil {
			return nil, fmt.Errorf("measure a frame: %w", err)
		}
		all = append(all, poster.Measure(f.At, luma, set.Size.Width, set.Size.Height))
	}
	return all, nil
}

func (j *job) checkAll(files []file) error {
	checked := map[string]bool{}
	for _, f := range files {
		if checked[f.path] {
			continue
		}
		checked[f.path] = true
		if err := j.checkFile(f); err != nil {
			return err
		}
	}
	return nil
}
