package transcode

import (
	"context"
	"os"
	"path/filepath"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// join makes one MP4 file of the best rung and of all sound, by copying their packets, and proves that it
// holds the same packets.
func (j *job) join(ctx context.Context) (contract.TaskResult, error) {
	plan, err := j.planned(ctx)
	if err != nil {
		return contract.TaskResult{}, err
	}
	p, err := j.parts(ctx, plan)
	if err != nil {
		return contract.TaskResult{}, err
	}
	var renditions []Rendition
	joined := p.joined()
	for i, part := range joined {
		r, dir, err := j.fetch(ctx, part)
		defer os.RemoveAll(dir)
		if err != nil {
			return contract.TaskResult{}, err
		}
		renditions = append(renditions, r)
		j.w.Progress(400 * (i + 1) / len(joined))
	}
	if len(renditions) == 0 {
		return contract.TaskResult{}, invalid("there is nothing to join")
	}
	path := filepath.Join(j.w.Scratch(), "joined.mp4")
	if err := j.encode.Join(ctx, renditions, path, &j.meter); err != nil {
		return contract.TaskResult{}, err
	}
	j.w.Progress(700)
	if _, err := j.sameFrames(ctx, renditions, path); err != nil {
		return contract.TaskResult{}, err
	}
	j.w.Progress(850)
	o := contract.Output{Path: j.path("audio.m4a"), Kind: contract.OutputAudio, MediaType: contract.MediaTypeM4A}
	if plan.Video != nil {
		best := plan.Video.Rungs[0]
		o = contract.Output{Path: j.path("video.mp4"), Kind: contract.OutputVideo, MediaType: contract.MediaTypeMP4, Width: best.Width, Height: best.Height}
	}
	if o, err = j.w.Store(ctx, path, o); err != nil {
		return contract.TaskResult{}, err
	}
	j.w.Progress(1000)
	return contract.TaskResult{Outputs: []contract.Output{o}}, nil
}

// joined returns the parts that are in the joined file: the best rung and every audio track.
func (p parts) joined() []part {
	var all []part
	if len(p.rungs) > 0 {
		all = append(all, p.rungs[0])
	}
	for _, t := range p.tracks {
		if t.kind == media.KindAudio {
			all = append(all, t)
		}
	}
	return all
}

// sameFrames reports a file whose coded frames are not those of the renditions, in the same order and at the
// same times.
func (j *job) sameFrames(ctx context.Context, renditions []Rendition, path string) (packets int64, err error) {
	seen := map[media.StreamKind]int{}
	for _, r := range renditions {
		n := seen[r.Kind]
		seen[r.Kind]++
		want, err := j.check.Packets(ctx, r, j.w.Scratch(), &j.meter)
		if err != nil {
			return 0, err
		}
		got, err := j.check.FilePackets(ctx, path, r.Kind, n, &j.meter)
		if err != nil {
			return 0, err
		}
		if got.Packets != want.Packets || got.SHA256 != want.SHA256 {
			return 0, invalid("the joined file has %d %s frames that differ from the %d of the renditions", got.Packets, r.Kind, want.Packets)
		}
		if off := got.First - want.First; off.Abs() > tick {
			return 0, invalid("the joined file's %s begins %v off its place", r.Kind, off)
		}
		packets += got.Packets
	}
	return packets, nil
}
