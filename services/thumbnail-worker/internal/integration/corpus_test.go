package integration_test

import (
	"context"
	"errors"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/application/generate"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/domain/poster"
	"github.com/reelmill/reelmill/services/thumbnail-worker/internal/workspacetest"
)

// rejectionTime bounds how long a refusal may take.
const rejectionTime = 5 * time.Second

// TestCorpusVerdicts makes pictures of every hostile and odd file.
func TestCorpusVerdicts(t *testing.T) {
	sets := contract.ThumbnailSets{
		Posters:    []contract.Poster{{Name: "best"}, {Name: "middle", At: contract.AtPercent(5000), Formats: allFormats}},
		Stills:     &contract.Stills{Count: 2, Widths: []int{120}},
		Storyboard: &contract.Storyboard{MaxTiles: 8},
	}
	for _, c := range ffmpegtest.Corpus(t) {
		t.Run(c.Name, func(t *testing.T) {
			start := time.Now()
			m, err := tryProcess(t, t.Context(), c.File, sets)
			took := time.Since(start)
			if !c.Thumbnail.OK {
				if fault.CodeOf(err) != c.Thumbnail.Code || fault.ClassOf(err) != fault.Invalid {
					t.Errorf("row %d: got %v, want %s", c.Row, err, c.Thumbnail.Code)
				}
				if took > rejectionTime {
					t.Errorf("the refusal took %v", took)
				}
				if stored := m.Order(); len(stored) > 0 {
					t.Errorf("%v were stored of a file that is refused", stored)
				}
				return
			}
			if err != nil {
				t.Fatalf("row %d is refused: %v", c.Row, err)
			}
			checkAccepted(t, c, m)
		})
	}
}

func checkAccepted(t *testing.T, c ffmpegtest.Case, m made) {
	t.Helper()
	if note := string(c.Thumbnail.Note); note != "" && !slices.ContainsFunc(m.Notes, func(n contract.Note) bool { return n.Code == note }) {
		t.Errorf("Notes = %v, want %s among them", m.Notes, note)
	}
	var all []string
	for _, o := range m.Outputs {
		all = append(all, o.Path)
		if o.Kind == generate.KindStoryboard {
			continue
		}
		m.picture(t, o.Path)
		if display := c.Facts.Display; o.Kind == generate.KindPoster && display.Valid() {
			if want := poster.Size(display, 1280); o.Width != want.Width || o.Height != want.Height {
				t.Errorf("%s is %dx%d, want %v", o.Path, o.Width, o.Height, want)
			}
		}
	}
	for _, want := range []string{"best.jpg", "middle.jpg", "middle.webp", "middle.png", "still-001-120.jpg", "still-002-120.jpg",
		"storyboard-001.jpg", "storyboard.vtt"} {
		if !slices.Contains(all, "thumbs/"+want) {
			t.Errorf("%s is missing among %v", want, all)
		}
	}
	if m.Media == nil || len(m.Media.Streams) == 0 || m.Usage.CPU <= 0 || m.Tools["ffmpeg"] == "" {
		t.Errorf("the result says too little: %+v", m.TaskResult)
	}
}

func TestHDRIsToneMapped(t *testing.T) {
	for _, name := range []string{"hdr10", "hlg"} {
		m := process(t, ffmpegtest.Find(t, name).File, contract.ThumbnailSets{Posters: []contract.Poster{{At: contract.AtTime(0)}}})
		if slices.ContainsFunc(m.Notes, func(n contract.Note) bool { return strings.Contains(n.Code, "not_tonemapped") }) {
			t.Skipf("this ffmpeg has no zscale: %v", m.Notes)
		}
		g := gray(m.picture(t, "thumbs/poster.jpg"), image.Rect(0, 0, 320, 240))
		f := poster.Measure(0, g.Pix, 320, 240)
		// The test picture has black, white and all between: what is not mapped comes out pale and dim.
		if f.Dark+f.Bright > 0.6 || f.Deviation < 30 || f.Mean < 40 || f.Mean > 215 {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// cancelling cancels the work when the first progress of extraction is reported.
type cancelling struct {
	*workspacetest.Workspace
	after  int
	cancel context.CancelCauseFunc
}

var errCancelled = errors.New("the task was cancelled")

func (c *cancelling) Progress(thousandths int) {
	c.Workspace.Progress(thousandths)
	if thousandths > c.after {
		c.cancel(errCancelled)
	}
}

func TestACancelledTaskStoresNothingAndLeavesNoProcess(t *testing.T) {
	g := newGenerator(t)
	file := ffmpegtest.BigBuckBunny(t)
	for _, after := range []int{0, 50, 700} {
		ctx, cancel := context.WithCancelCause(t.Context())
		w := &cancelling{Workspace: workspacetest.New(file, t.TempDir(), t.TempDir()), after: after, cancel: cancel}
		sets := contract.ThumbnailSets{Storyboard: &contract.Storyboard{Interval: contract.Seconds(time.Second)}}.WithDefaults()
		_, err := g.Generate(ctx, generate.Request{Step: "thumbs", Sets: sets}, w)
		if !errors.Is(err, errCancelled) {
			t.Errorf("cancelled after %d: Generate = %v, want the cause of the cancel", after, err)
		}
		if stored := w.Order(); len(stored) > 0 {
			t.Errorf("cancelled after %d: %v were stored", after, stored)
		}
		if left := commandsNaming(t, w.Scratch()); len(left) > 0 {
			t.Errorf("cancelled after %d: still running: %q", after, left)
		}
	}
}

// commandsNaming returns the command lines of running processes that hold the text.
func commandsNaming(t *testing.T, text string) []string {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		t.Skipf("this system does not tell command lines: %v", err)
	}
	var found []string
	for _, l := range lines {
		// A process may end while it is looked at.
		if data, err := os.ReadFile(l); err == nil && strings.Contains(string(data), text) {
			found = append(found, strings.ReplaceAll(string(data), "\x00", " "))
		}
	}
	return found
}
