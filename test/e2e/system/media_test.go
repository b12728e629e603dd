package system

import (
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

// clips returns short sources of different sizes and lengths.
func clips(t *testing.T) []string {
	t.Helper()
	size := func(w, h int) media.Resolution { return media.Resolution{Width: w, Height: h} }
	return []string{
		ffmpegtest.Testsrc(t, ffmpegtest.Options{Duration: 2 * time.Second, Size: size(160, 120)}),
		ffmpegtest.Testsrc(t, ffmpegtest.Options{Duration: 3 * time.Second, Size: size(320, 180), Audio: true}),
		ffmpegtest.Testsrc(t, ffmpegtest.Options{Duration: 4 * time.Second}),
	}
}

// steps is a pipeline of thumbnail steps that each need the one before.
func steps(params ...map[string]any) map[string]any {
	var all []any
	for i, p := range params {
		s := map[string]any{"name": string(rune('a' + i)), "kind": "thumbnail", "params": p}
		if i > 0 {
			s["needs"] = []string{string(rune('a' + i - 1))}
		}
		all = append(all, s)
	}
	return map[string]any{"steps": all}
}

// Parameters of steps: one picture, and several kinds of output.
var (
	onePicture = map[string]any{"posters": []any{map[string]any{"at": "50%", "width": 160}}}
	allKinds   = map[string]any{
		"posters":    []any{map[string]any{"at": "best", "width": 160, "formats": []string{"jpeg", "webp"}}},
		"stills":     map[string]any{"count": 3, "widths": []int{160}},
		"storyboard": map[string]any{"interval_seconds": 1},
	}
)
