package integration_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/workspacetest"
)

// rejectionTime bounds how long the refusal of a file may take that is refused before it is decoded.
const rejectionTime = 5 * time.Second

// TestCorpusVerdicts makes every format of every hostile and odd file, under both damage policies.
func TestCorpusVerdicts(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range ffmpegtest.Corpus(t) {
		if seen[c.File] {
			continue // the same file under another client's name, which never comes this far
		}
		seen[c.File] = true
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			verdict(t, c, c.Transcode, contract.TranscodeParams{})
			if c.Salvage != c.Transcode {
				verdict(t, c, c.Salvage, contract.TranscodeParams{OnDamage: contract.DamageSalvage})
			}
		})
	}
}

func verdict(t *testing.T, c ffmpegtest.Case, want ffmpegtest.Verdict, params contract.TranscodeParams) {
	t.Helper()
	g := newGroup(t, c.File, params)
	start := time.Now()
	plan, err := g.Run(t.Context(), contract.OpVerify)
	took := time.Since(start)
	if !want.OK {
		if fault.CodeOf(err) != want.Code || fault.ClassOf(err) != fault.Invalid {
			t.Errorf("row %d, %s: got %v, want %s", c.Row, params.OnDamage, err, want.Code)
		}
		if plan.Video == nil && took > rejectionTime {
			t.Errorf("the refusal took %v", took)
		}
		if g.Results(contract.OpVerify) != nil {
			t.Error("the film was verified")
		}
		return
	}
	if err != nil {
		t.Fatalf("row %d, %s: %v", c.Row, params.OnDamage, err)
	}
	notes := g.Results(contract.OpPlan)[0].Notes
	if want.Note == ffmpegtest.NoteDamaged && !slices.ContainsFunc(notes, func(n contract.Note) bool { return n.Code == string(want.Note) }) {
		t.Errorf("the notes are %v, want %s among them", notes, want.Note)
	}
	plays(t, c, g, plan)
}

// plays checks that what was made is of the source's shape and length, and plays without a complaint.
func plays(t *testing.T, c ffmpegtest.Case, g *workspacetest.Group, plan contract.TranscodePlan) {
	t.Helper()
	dir := export(t, g)
	run(t, "ffmpeg", "-nostdin", "-v", "error", "-allowed_extensions", "ALL", "-i", filepath.Join(dir, "master.m3u8"), "-map", "0", "-f", "null", "-")
	run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", filepath.Join(dir, "video.mp4"), "-map", "0", "-f", "null", "-")
	if _, err := os.Stat(filepath.Join(dir, "manifest.mpd")); err != nil {
		t.Error(err)
	}
	display, best := c.Facts.Display, plan.Video.Rungs[0]
	if !display.Valid() {
		return
	}
	if best.Width > display.Width+1 || best.Height > display.Height+1 {
		t.Errorf("the best rung is %dx%d, the source %v", best.Width, best.Height, display)
	}
	for _, r := range plan.Video.Rungs {
		if off := aspect(media.Resolution{Width: r.Width, Height: r.Height})/aspect(display) - 1; min(r.Width, r.Height) >= 100 && (off > 0.015 || off < -0.015) {
			t.Errorf("rung %s is %dx%d, the source %v", r.Name, r.Width, r.Height, display)
		}
	}
	// A damaged file's facts are those of the whole one.
	if f := c.Facts; f.Duration > 0 && !plan.Damaged {
		// The facts are those of the longest stream; the film begins with the earliest.
		if len(plan.Tracks) > 0 {
			f.Tolerance += plan.Tracks[0].Start.Duration()
		}
		if got := plan.Duration.Duration(); got < f.Duration-f.Tolerance-100*time.Millisecond || got > f.Duration+f.Tolerance+100*time.Millisecond {
			t.Errorf("the film lasts %v, the source %v", got, f.Duration)
		}
	}
	if c.Facts.HasAudio != (len(plan.Tracks) > 0) {
		t.Errorf("the film has %d tracks, the source's sound: %t", len(plan.Tracks), c.Facts.HasAudio)
	}
}

func aspect(r media.Resolution) float64 { return float64(r.Width) / float64(r.Height) }

// TestSoundAlone makes a stream and a file of sources with nothing but sound.
func TestSoundAlone(t *testing.T) {
	for _, c := range ffmpegtest.Corpus(t) {
		if c.Transcode.Code != fault.CodeSourceNoVideo || !c.Facts.HasAudio {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			g := newGroup(t, c.File, contract.TranscodeParams{AudioOnly: true, Formats: []contract.StreamFormat{contract.HLS, contract.DASH, contract.MP4}})
			plan, err := g.Run(t.Context(), contract.OpVerify)
			if err != nil {
				t.Fatalf("row %d: %v", c.Row, err)
			}
			if plan.Video != nil || len(plan.Tracks) == 0 {
				t.Errorf("the plan is %+v", plan)
			}
			dir := export(t, g)
			for _, f := range []string{"master.m3u8", "manifest.mpd", "audio.m4a"} {
				run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", filepath.Join(dir, f), "-map", "0", "-f", "null", "-")
			}
		})
	}
}
