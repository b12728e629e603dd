package media

import (
	"context"
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// before are the distances, from the instant back, at which a search looks for the frame that is shown.
var before = []time.Duration{0, 20 * time.Millisecond, 50 * time.Millisecond, 150 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 10 * time.Second}

// maxSearched bounds the shots of a search: a source that loses more than that is beyond trust.
const maxSearched = 200

// search decodes the source from its beginning for shots that the schedule missed, because the file's
// index is wrong or the film ends before it says. It takes frames at several distances before each
// instant, and of those the last that is not after it; so the end of the film is found as well.
func (x *extraction) search(ctx context.Context, missed []shot) error {
	if len(missed) > maxSearched {
		return fault.New(fault.CodeSourceCorrupt, "%d pictures are not where the source's index says", len(missed))
	}
	r := reading{shots: []shot{}}
	for _, s := range missed {
		for _, d := range before {
			r.shots = append(r.shots, shot{set: s.set, pick: s.pick, want: s.want, from: max(0, s.want-d)})
		}
		r.shots = append(r.shots, shot{set: s.set, pick: s.pick, want: s.want})
	}
	c, err := x.runOnce(ctx, x.src, []reading{r}, 1, 0)
	if err != nil {
		return err
	}
	yields := map[int]yield{}
	for _, s := range r.sets() {
		if yields[s], err = collect(x.dir, c.prefix(0, s), x.sets[s].Formats); err != nil {
			return err
		}
	}
	missed = slices.Clone(missed)
	for _, s := range missed {
		y := yields[s.set]
		at, ok := y.shown(s.want)
		if !ok {
			return fault.New(fault.CodeSourceCorrupt, "the source has no picture that can be decoded")
		}
		x.set(s, y.frame(at))
	}
	return nil
}
