package probe_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/pkg/ffmpeg/probe"
)

// verdictTime bounds how long the verdict on a file of the corpus may take. A quiet machine needs a
// tenth of it.
const verdictTime = 5 * time.Second

// TestCorpusVerdicts inspects every hostile and odd file as a pipeline of pictures and as a pipeline of
// video would. Damage inside media data is left to Decode, which runs on what Inspect accepts.
func TestCorpusVerdicts(t *testing.T) {
	pr := newProber(t)
	seen := map[string]bool{}
	for _, c := range ffmpegtest.Corpus(t) {
		if seen[c.File] {
			continue // the same file under another client's name, which never comes this far
		}
		seen[c.File] = true
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			// As workers do: the name is neutral.
			neutral := filepath.Join(t.TempDir(), "src")
			if err := os.Symlink(c.File, neutral); err != nil {
				t.Fatal(err)
			}
			c.File = neutral
			stills := probe.Policy{NeedVideo: true, AllowStill: true, AllowCover: true}
			checkCase(t, pr, c, c.Thumbnail, stills)
			if c.Transcode != c.Thumbnail {
				checkCase(t, pr, c, c.Transcode, probe.Policy{NeedVideo: true})
			}
			checkSalvage(t, pr, c)
		})
	}
}

// checkSalvage inspects the file under the policy to salvage. Facts are those of sound files.
func checkSalvage(t *testing.T, pr *probe.Prober, c ffmpegtest.Case) {
	t.Helper()
	rep, err := pr.Inspect(t.Context(), c.File, probe.Policy{NeedVideo: true, Salvage: true, FrameTimes: true})
	if want := c.Salvage; !want.OK {
		if fault.CodeOf(err) != want.Code || fault.ClassOf(err) != fault.Invalid {
			t.Errorf("salvage: got %v (%+v), want %s", err, rep, want.Code)
		}
		return
	}
	if err != nil {
		t.Errorf("salvage: %v", err)
		return
	}
	damaged := c.Salvage.Note == ffmpegtest.NoteDamaged && !slices.Contains(inPictures, c.Name)
	if rep.Damaged != damaged || hasNote(rep, probe.NoteDamaged) != damaged {
		t.Errorf("salvage: Damaged = %v, Notes = %v, want %v", rep.Damaged, rep.Notes, damaged)
	}
	if n := len(rep.Packets.Times); n == 0 || int64(n) > rep.Packets.Count {
		t.Errorf("salvage: %d frame times of %d packets", n, rep.Packets.Count)
	}
}

// inPictures are the cases whose damage lies within pictures, where Inspect does not look.
var inPictures = []string{"corrupt_packets", "resolution_change_cat"}

func checkCase(t *testing.T, pr *probe.Prober, c ffmpegtest.Case, want ffmpegtest.Verdict, p probe.Policy) {
	t.Helper()
	start := time.Now()
	rep, err := pr.Inspect(t.Context(), c.File, p)
	if took := time.Since(start); err != nil && took > verdictTime {
		t.Errorf("the refusal took %v", took)
	}
	if err == nil {
		_, err = pr.Decode(t.Context(), c.File, rep, p, ffmpeg.Limits{})
	}
	if want.OK {
		if err != nil {
			t.Fatalf("row %d is refused: %v", c.Row, err)
		}
		checkFacts(t, c, rep, want)
		return
	}
	if err == nil || fault.CodeOf(err) != want.Code || fault.ClassOf(err) != fault.Invalid {
		t.Errorf("row %d: got %v (%+v), want %s", c.Row, err, rep, want.Code)
	}
}

func checkFacts(t *testing.T, c ffmpegtest.Case, rep probe.Report, want ffmpegtest.Verdict) {
	t.Helper()
	f := c.Facts
	s, ok := rep.Picture()
	if !ok {
		t.Fatal("there is no picture")
	}
	if got := s.Video.Display(); got != f.Display && f.Display.Valid() {
		t.Errorf("Display = %v, want %v", got, f.Display)
	}
	if got := rep.Info.Duration(); f.Duration > 0 && (got < f.Duration-f.Tolerance || got > f.Duration+f.Tolerance) {
		t.Errorf("Duration = %v, want %v±%v", got, f.Duration, f.Tolerance)
	}
	if s.Video.Rotation != f.Rotation {
		t.Errorf("Rotation = %d, want %d", s.Video.Rotation, f.Rotation)
	}
	if _, ok := rep.Info.PrimaryAudio(); ok != f.HasAudio {
		t.Errorf("audio: %v, want %v", ok, f.HasAudio)
	}
	if s.Frames != f.Frames && f.Frames > 0 {
		t.Errorf("Frames = %d, want %d", s.Frames, f.Frames)
	}
	if s.Video.HDR() != f.HDR || s.Video.Interlaced() != f.Interlaced {
		t.Errorf("HDR = %v, Interlaced = %v, want %v, %v", s.Video.HDR(), s.Video.Interlaced(), f.HDR, f.Interlaced)
	}
	if n := probe.Note(want.Note); n != "" && !hasNote(rep, n) {
		t.Errorf("Notes = %v, want %s among them", rep.Notes, n)
	}
	if s.Kind != media.KindVideo {
		t.Errorf("the picture is %s", s.Kind)
	}
}

func hasNote(rep probe.Report, n probe.Note) bool {
	for _, got := range rep.Notes {
		if got == n {
			return true
		}
	}
	return false
}
