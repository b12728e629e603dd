package transcode

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/reelmill/reelmill/pkg/core/contract"
)

// joined proves the MP4 file: its frames are those of the renditions that were decoded, in the same order.
func (v *verification) joined(ctx context.Context) error {
	step, ok := v.spec.Steps[contract.OpJoin]
	if !ok {
		return nil
	}
	results, err := v.w.Results(ctx, step)
	if err != nil {
		return err
	}
	for _, r := range results {
		for _, o := range r.Outputs {
			if err := v.joinedFile(ctx, o); err != nil {
				return fmt.Errorf("file %s: %w", o.Path, err)
			}
		}
	}
	return nil
}

func (v *verification) joinedFile(ctx context.Context, o contract.Output) error {
	file := filepath.Join(v.w.Scratch(), "joined")
	defer os.Remove(file)
	if err := v.w.Fetch(ctx, o, file); err != nil {
		return err
	}
	var renditions []Rendition
	for _, p := range v.parts.joined() {
		r, dir, err := v.fetch(ctx, p)
		defer os.RemoveAll(dir)
		if err != nil {
			return err
		}
		renditions = append(renditions, r)
	}
	n, err := v.sameFrames(ctx, renditions, file)
	if err != nil {
		return err
	}
	v.found("identity", o.Path, "holds the %d coded frames of the renditions that were decoded, in the same order", n)
	info, err := v.check.DescribeFile(ctx, file, &v.meter)
	if err != nil {
		return err
	}
	if len(info.Streams) != len(renditions) {
		return invalid("it has %d streams, want %d", len(info.Streams), len(renditions))
	}
	// The file may be shorter than the film by the last frame's span, and longer by the padding of sound.
	if off := info.Duration() - v.plan.Duration.Duration(); off.Abs() > soundSlack && !v.plan.Damaged {
		return invalid("it lasts %v, the source %v", info.Duration(), v.plan.Duration.Duration())
	}
	v.found("duration", o.Path, "lasts %v, the source %v", info.Duration(), v.plan.Duration.Duration())
	return nil
}
