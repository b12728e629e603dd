package transcode

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/dash"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/film"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/domain/hls"
)

// pack writes the playlists and manifests. It reads no media but initialization sections: joining chunks is
// naming their segments one after the other.
func (j *job) pack(ctx context.Context) (contract.TaskResult, error) {
	plan, err := j.planned(ctx)
	if err != nil {
		return contract.TaskResult{}, err
	}
	p, err := j.parts(ctx, plan)
	if err != nil {
		return contract.TaskResult{}, err
	}
	f, err := j.film(ctx, plan, p)
	if err != nil {
		return contract.TaskResult{}, err
	}
	var result contract.TaskResult
	write := func(path, kind, mediaType, text string) error {
		local := filepath.Join(j.w.Scratch(), "manifest")
		if err := os.WriteFile(local, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		o, err := j.w.Store(ctx, local, contract.Output{Path: path, Kind: kind, MediaType: mediaType})
		result.Outputs = append(result.Outputs, o)
		return err
	}
	if j.wants(contract.DASH) {
		text, err := dash.Manifest(f)
		if err != nil {
			return result, invalid("the DASH manifest cannot be written: %v", err)
		}
		if err := write(dash.Path(f), contract.OutputDASH, contract.MediaTypeDASH, text); err != nil {
			return result, err
		}
	}
	if j.wants(contract.HLS) {
		for _, playlist := range hls.Playlists(f) { // the one that names the others comes last
			if err := write(playlist.Path, playlist.Kind, contract.MediaTypeHLS, playlist.Text); err != nil {
				return result, err
			}
		}
	}
	j.w.Progress(1000)
	return result, nil
}

// film returns what was made as manifests need it. What a rendition is called comes from its own
// initialization section.
func (j *job) film(ctx context.Context, plan contract.TranscodePlan, p parts) (film.Film, error) {
	f := film.Film{Folder: j.spec.Folder, Plan: plan}
	files := func(part part) (film.Files, error) {
		if part.kind == media.KindSubtitle {
			return film.Files{Segments: []contract.Output{part.subtitles}}, nil
		}
		init := filepath.Join(j.w.Scratch(), "init.mp4")
		if err := j.w.Fetch(ctx, part.inits[0], init); err != nil {
			return film.Files{}, err
		}
		m, err := j.check.Measure(Rendition{Kind: part.kind, Init: init})
		return film.Files{Codecs: m.Codecs, Init: part.inits[0], Segments: slices.Clone(part.segments)}, err
	}
	for i, r := range p.rungs {
		all, err := files(r)
		if err != nil {
			return f, err
		}
		f.Rungs = append(f.Rungs, film.Rung{Plan: plan.Video.Rungs[i], Files: all})
	}
	for _, t := range p.tracks {
		all, err := files(t)
		if err != nil {
			return f, err
		}
		f.Tracks = append(f.Tracks, film.Track{Plan: t.track, Files: all})
	}
	return f, nil
}
