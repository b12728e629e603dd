package generate

import (
	"context"
	"fmt"
	"maps"

	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/poster"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/timeline"
)

// brighten replaces stills that are black, flat or blurred by other frames of the middle halves of their
// parts, where one of those is better: of keyframes first, which cost little, and of others only where no
// keyframe is good. features are those of the analysis, whose last ones are the
// stills'. Without it, all stills of a film whose scenes fade in from keyframes would be black.
func (j *job) brighten(ctx context.Context, features []poster.Features, made [][]Frame) error {
	if len(j.plan.stills) == 0 || j.src.Single {
		return nil
	}
	count := j.req.Sets.Stills.Count
	fit := poster.Fit(features)[len(features)-count:]
	chosen := map[int]timeline.Pick{}
	for name, alternatives := range []func(timeline.Timeline, int, int) []timeline.Pick{poster.KeyframeAlternatives, poster.Alternatives} {
		var picks []timeline.Pick
		var of []int // the still that a pick is an alternative for
		for i, ok := range fit {
			if _, done := chosen[i]; ok || done {
				continue
			}
			for _, p := range alternatives(j.src.Timeline, count, i) {
				picks, of = append(picks, p), append(of, i)
			}
		}
		if len(picks) == 0 {
			continue
		}
		found, err := j.look(ctx, picks, fmt.Sprintf("alternatives-%d", name))
		if err != nil {
			return err
		}
		maps.Copy(chosen, j.better(picks, of, found, features))
	}
	return j.replace(ctx, chosen, made)
}

// better returns for each still that has a fit alternative the best one. Fitness is judged beside all
// frames that were measured.
func (j *job) better(picks []timeline.Pick, of []int, found, features []poster.Features) map[int]timeline.Pick {
	fit := poster.Fit(append(append([]poster.Features(nil), features...), found...))[len(features):]
	groups, at := map[int][]poster.Features{}, map[int][]timeline.Pick{}
	for k, i := range of {
		if fit[k] {
			groups[i], at[i] = append(groups[i], found[k]), append(at[i], exactly(picks[k], found[k]))
		}
	}
	best := map[int]timeline.Pick{}
	for i, g := range groups {
		index, _ := poster.Best(g, j.src.Timeline.Span())
		best[i] = at[i][index]
	}
	return best
}

// replace extracts the stills anew that have another frame.
func (j *job) replace(ctx context.Context, better map[int]timeline.Pick, made [][]Frame) error {
	if len(better) == 0 {
		return nil
	}
	var stills []int
	var picks []timeline.Pick
	for i, p := range better {
		stills, picks = append(stills, i), append(picks, p)
	}
	var sets []Set
	for _, set := range j.plan.stills {
		s := j.plan.sets[set]
		s.Picks = picks
		sets = append(sets, s)
	}
	frames, err := j.run(ctx, sets, "brighter", doneExtracting, doneExtracting)
	if err != nil {
		return err
	}
	for w, set := range j.plan.stills {
		for k, i := range stills {
			made[set][i] = frames[w][k]
		}
	}
	return nil
}
