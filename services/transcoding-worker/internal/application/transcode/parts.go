package transcode

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// part is one rung or track as it is stored.
type part struct {
	name string
	kind media.StreamKind
	// inits are the initialization sections that tasks made: one for a track, one for each chunk of a rung,
	// the first of which is the rendition's.
	inits    []contract.Output
	segments []contract.Output
	// subtitles is the only file of a subtitle track.
	subtitles contract.Output
	track     contract.TrackPlan
}

// parts are everything that chunks and tracks stored, in the order of the plan.
type parts struct {
	rungs  []part
	tracks []part
}

// parts reads what the chunks and tracks of the plan stored.
func (j *job) parts(ctx context.Context, plan contract.TranscodePlan) (parts, error) {
	var p parts
	if plan.Video != nil {
		chunks, err := j.w.Results(ctx, j.spec.Steps[contract.OpChunk])
		if err != nil {
			return p, err
		}
		if len(chunks) != len(plan.Video.Chunks) {
			return p, fault.New(fault.CodeTaskSpecInvalid, "there are %d chunks, the plan has %d", len(chunks), len(plan.Video.Chunks))
		}
		for _, r := range plan.Video.Rungs {
			rung := part{name: r.Name, kind: media.KindVideo}
			for _, c := range chunks {
				j.collect(&rung, c)
			}
			p.rungs = append(p.rungs, rung)
		}
	}
	tracks, err := j.w.Results(ctx, j.spec.Steps[contract.OpTrack])
	if err != nil {
		return p, err
	}
	if len(tracks) != len(plan.Tracks) {
		return p, fault.New(fault.CodeTaskSpecInvalid, "there are %d tracks, the plan has %d", len(tracks), len(plan.Tracks))
	}
	for i, t := range plan.Tracks {
		track := part{name: t.Name, kind: t.Kind, track: t}
		j.collect(&track, tracks[i])
		p.tracks = append(p.tracks, track)
	}
	for _, r := range slices.Concat(p.rungs, p.tracks) {
		if err := r.whole(); err != nil {
			return p, err
		}
	}
	return p, nil
}

// collect adds to a part what the result has of it.
func (j *job) collect(p *part, result contract.TaskResult) {
	for _, o := range slices.Concat(result.Outputs, result.Working) {
		switch {
		case !within(o.Path, j.path(p.name)):
		case o.Kind == contract.OutputInit:
			p.inits = append(p.inits, o)
		case o.Kind == contract.OutputSegment && o.Segment != nil:
			p.segments = append(p.segments, o)
		case o.Kind == contract.OutputSubtitles:
			p.subtitles = o
		}
	}
}

// within reports whether a path lies in a folder, at any depth.
func within(path, folder string) bool {
	return len(path) > len(folder) && path[:len(folder)] == folder && path[len(folder)] == '/'
}

// whole sorts the segments and reports what is missing or twice, and initialization sections that differ.
func (p *part) whole() error {
	if p.kind == media.KindSubtitle {
		if p.subtitles.Path == "" {
			return invalid("track %s has no file", p.name)
		}
		return nil
	}
	if len(p.inits) == 0 || len(p.segments) == 0 {
		return invalid("rendition %s has no segments", p.name)
	}
	for _, i := range p.inits {
		if i.SHA256 != p.inits[0].SHA256 {
			return invalid("the chunks of rung %s were encoded by encoders that differ: a player could not go from one to the next", p.name)
		}
	}
	slices.SortFunc(p.segments, func(a, b contract.Output) int { return cmp.Compare(a.Segment.Number, b.Segment.Number) })
	for i, s := range p.segments {
		if s.Segment.Number != i+1 {
			return invalid("rendition %s has segment %d where segment %d belongs", p.name, s.Segment.Number, i+1)
		}
	}
	return nil
}

// fetch downloads the part into a folder of its own, which the caller deletes.
func (j *job) fetch(ctx context.Context, p part) (r Rendition, dir string, err error) {
	if dir, err = os.MkdirTemp(j.w.Scratch(), "r-"); err != nil {
		return r, "", fault.Wrap(fault.CodeScratchFull, err, "")
	}
	r = Rendition{Kind: p.kind, Init: filepath.Join(dir, "init.mp4"), Segments: make([]string, len(p.segments)),
		Language: p.track.Language, Label: p.track.Label, Default: p.track.Default}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(transfers)
	g.Go(func() error { return j.w.Fetch(ctx, p.inits[0], r.Init) })
	for i, s := range p.segments {
		r.Segments[i] = filepath.Join(dir, fmt.Sprintf("%05d.m4s", i+1))
		g.Go(func() error { return j.w.Fetch(ctx, s, r.Segments[i]) })
	}
	return r, dir, g.Wait()
}
