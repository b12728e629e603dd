package media

import (
	"testing"
	"time"

	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/timeline"
)

const s = time.Second

// film has a keyframe every gop.
func film(span, gop time.Duration) timeline.Timeline {
	var keyframes []time.Duration
	for at := time.Duration(0); at < span; at += gop {
		keyframes = append(keyframes, at)
	}
	return timeline.New(span, 40*time.Millisecond, keyframes)
}

func keyShots(at ...time.Duration) []shot {
	var all []shot
	for i, t := range at {
		all = append(all, shot{pick: i, key: true, want: t, from: t})
	}
	return all
}

func otherShots(at ...time.Duration) []shot {
	all := keyShots(at...)
	for i := range all {
		all[i].key = false
	}
	return all
}

func spread(n int, step, offset time.Duration) []time.Duration {
	var all []time.Duration
	for i := range n {
		all = append(all, time.Duration(i)*step+offset)
	}
	return all
}

func TestSchedule(t *testing.T) {
	long := film(600*s, 2*s)
	tests := []struct {
		name     string
		shots    []shot
		film     timeline.Timeline
		seekable bool
		// The shape that is expected: runs, readings over all runs, how many are passes over keyframes, how many
		// begin at the start and decode everything.
		runs, readings, passes, linear int
	}{
		{"many keyframes take one pass", keyShots(spread(100, 6*s, 0)...), long, true, 1, 1, 1, 0},
		{"few keyframes of many take seeks", keyShots(100*s, 300*s, 500*s), long, true, 1, 3, 0, 0},
		{"few keyframes without exact seeks take a pass", keyShots(100*s, 300*s, 500*s), long, false, 1, 1, 1, 0},
		{"another frame takes a seek", otherShots(301 * s), long, true, 1, 1, 0, 0},
		{"another frame without exact seeks decodes from the start", otherShots(301 * s), long, false, 1, 1, 0, 1},
		{"frames of one group share a seek", otherShots(300500*time.Millisecond, 301*s, 301500*time.Millisecond), long, true, 1, 1, 0, 0},
		{"seeks beside a pass", append(keyShots(spread(90, 6*s, 0)...), otherShots(301*s, 451*s)...), long, true, 1, 3, 1, 0},
		{"many seeks take several runs", otherShots(spread(40, 14*s, s/10)...), long, true, 3, 40, 0, 0},
		{"seeks that decode nearly everything give way", otherShots(spread(100, 6*s, s)...), film(600*s, 60*s), true, 1, 1, 0, 1},
		{"too many seeks give way", otherShots(spread(300, 2*s, s/10)...), long, true, 1, 1, 0, 1},
		{"one decode of everything serves keyframes too", append(keyShots(0, 60*s), otherShots(spread(99, 6*s, s)...)...), film(600*s, 60*s), true, 1, 1, 0, 1},
		{"nothing wanted", nil, long, true, 0, 0, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			runs := schedule(tt.shots, tt.film, tt.seekable)
			readings, passes, linear, shots := 0, 0, 0, 0
			for _, run := range runs {
				if len(run) > maxInputs {
					t.Errorf("a run opens the source %d times", len(run))
				}
				for _, r := range run {
					readings++
					shots += len(r.shots)
					if r.keyframesOnly {
						passes++
					} else if r.from == 0 && len(r.shots) > 0 && r.until() > 2*s {
						linear++
					}
					for _, sh := range r.shots {
						if sh.want < r.from || r.keyframesOnly && !sh.key {
							t.Errorf("a reading from %v cannot find %+v", r.from, sh)
						}
					}
				}
			}
			if len(runs) != tt.runs || readings != tt.readings || passes != tt.passes || linear != tt.linear {
				t.Errorf("%d runs, %d readings, %d passes, %d linear, want %d, %d, %d, %d", len(runs), readings, passes, linear,
					tt.runs, tt.readings, tt.passes, tt.linear)
			}
			if shots != len(tt.shots) {
				t.Errorf("%d shots are scheduled of %d", shots, len(tt.shots))
			}
		})
	}
}
