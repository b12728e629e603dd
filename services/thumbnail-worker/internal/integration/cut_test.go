package integration_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/application/generate"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/workspacetest"
)

// watched notes what ffmpeg opens, and first does spoil to it if that is a part cut from the source.
type watched struct {
	*ffmpeg.Runner
	spoil func(path string) error

	mu     sync.Mutex
	opened []string
}

func (w *watched) Run(ctx context.Context, c ffmpeg.Command) (ffmpeg.Result, error) {
	for i, a := range c.Args {
		if c.Program != ffmpeg.FFmpeg || a != "-i" {
			continue
		}
		path := strings.TrimPrefix(c.Args[i+1], "file:")
		w.mu.Lock()
		w.opened = append(w.opened, filepath.Base(path))
		w.mu.Unlock()
		if filepath.Base(path) == "cut" && w.spoil != nil {
			if err := w.spoil(path); err != nil {
				return ffmpeg.Result{}, err
			}
		}
	}
	return w.Runner.Run(ctx, c)
}

func TestAPlainFilmIsDecodedFromACut(t *testing.T) {
	sparse := ffmpegtest.Options{Content: ffmpegtest.ContentNumbers, Duration: 12 * time.Second, KeyframeInterval: 3 * time.Second, Audio: true}
	const all, none, some = "cut", "source", "cut source"
	tests := []struct {
		name   string
		film   string
		spoil  func(path string) error
		opened string // what ffmpeg opens at all
	}{
		{"keyframes and a frame between", ffmpegtest.BigBuckBunny(t), nil, all},
		{"frames between keyframes", ffmpegtest.Testsrc(t, sparse), nil, all},
		{"another container", ffmpegtest.Testsrc(t, ffmpegtest.Options{Container: "mkv", Duration: 12 * time.Second, KeyframeInterval: 3 * time.Second}), nil, none},
		{"a cut that does not open", ffmpegtest.BigBuckBunny(t), func(path string) error { return os.Truncate(path, 0) }, some},
		{"a cut that ends early", ffmpegtest.BigBuckBunny(t), func(path string) error { return os.Truncate(path, 300_000) }, some},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run := &watched{Runner: newRunner(t), spoil: tt.spoil}
			w := workspacetest.New(tt.film, t.TempDir(), t.TempDir())
			sets := contract.ThumbnailSets{Storyboard: &contract.Storyboard{Interval: contract.Seconds(2500 * time.Millisecond)}}.WithDefaults()
			res, err := generatorOn(t, run).Generate(t.Context(), generate.Request{Step: "thumbs", Sets: sets}, w)
			if err != nil {
				t.Fatal(err)
			}
			checkTiles(t, made{TaskResult: res, Workspace: w, source: tt.film})
			for _, file := range run.opened {
				if !strings.Contains(tt.opened, file) {
					t.Errorf("ffmpeg opened %q, want %s alone", run.opened, tt.opened)
				}
			}
			for _, file := range strings.Fields(tt.opened) {
				if !strings.Contains(strings.Join(run.opened, " "), file) {
					t.Errorf("ffmpeg opened %q, and not %s", run.opened, file)
				}
			}
			if left, err := filepath.Glob(filepath.Join(w.Scratch(), "*", "cut")); err != nil || len(left) > 0 {
				t.Errorf("%q are left, %v", left, err)
			}
		})
	}
}
