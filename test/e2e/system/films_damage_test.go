package system

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

// TestAFilmWithAChunkThatFailsForGoodLeavesNothing makes a film whose source is damaged in its middle, which shows
// only when the chunk there is decoded: the job fails with what that chunk said, without trying it again, and what
// was made of the others is deleted.
func TestAFilmWithAChunkThatFailsForGoodLeavesNothing(t *testing.T) {
	s := newSystem(t, quick, 0)
	s.addTranscoders(twoWorkers)
	s.up()
	const length = 24 * time.Second
	source := damagedAt(t, ffmpegtest.Testsrc(t, ffmpegtest.Options{Duration: length, Size: media.Resolution{Width: 320, Height: 180}, Audio: true}), length/2)
	id := s.submit("damaged", source, transcode(time.Second, 180, 120))
	j := s.ended(id, jobDeadline)
	const code = "source_corrupt"
	if j.State != "failed" || j.Error == nil || j.Error.Code != code {
		t.Fatalf("job is %s: %+v", j.State, j.Error)
	}
	if state := j.step("video-plan").State; state != "succeeded" {
		t.Errorf("the plan %s", state)
	}
	failed, succeeded := 0, 0
	chunks := j.step("video-chunks").Tasks
	for i, task := range chunks {
		switch task.State {
		case "succeeded":
			succeeded++
		case "failed":
			failed++
			if n := len(task.Attempts); n != 1 || task.Attempts[0].Error == nil || task.Attempts[0].Error.Code != code {
				t.Errorf("chunk %d was tried %d times: %+v", i, n, task.Attempts)
			}
		}
	}
	if failed != 1 || succeeded == 0 {
		t.Errorf("of %d chunks %d failed and %d succeeded", len(chunks), failed, succeeded)
	}
	t.Logf("chunk failed with: %s; %d of %d chunks had been made", j.Error.Detail, succeeded, len(chunks))
	s.nothingElse(soon, []string{id})
}

// damagedAt returns a copy of an MP4 file in which the data of the pictures of a quarter of a second are
// overwritten. Its index is as it was.
func damagedAt(t *testing.T, file string, at time.Duration) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time,pos,size", "-of", "json", file).Output()
	if err != nil {
		t.Fatalf("list the packets of %s: %v", file, err)
	}
	var list struct {
		Packets []struct {
			Time string `json:"pts_time"`
			Pos  string `json:"pos"`
			Size string `json:"size"`
		} `json:"packets"`
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for _, p := range list.Packets {
		seconds, err1 := strconv.ParseFloat(p.Time, 64)
		pos, err2 := strconv.Atoi(p.Pos)
		size, err3 := strconv.Atoi(p.Size)
		if err1 != nil || err2 != nil || err3 != nil || pos+size > len(content) {
			t.Fatalf("a packet of %s is %+v", file, p)
		}
		// What comes before says how long the units are, and which kind.
		const header = 8
		if shown := time.Duration(seconds * float64(time.Second)); shown >= at && shown < at+time.Second/4 && size > header {
			for i := pos + header; i < pos+size; i++ {
				content[i] ^= 0x5a
			}
			damaged++
		}
	}
	if damaged == 0 {
		t.Fatalf("no picture of %s is shown at %v", file, at)
	}
	copied := filepath.Join(t.TempDir(), "damaged.mp4")
	if err := os.WriteFile(copied, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}
