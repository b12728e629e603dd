package system

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

// cancelLimit is how long after the answer to a cancel a media tool may live.
const cancelLimit = 2 * time.Second

// TestACancelledJobLeavesNoProcessAndNoOutput cancels a job while ffmpeg decodes a long clip.
func TestACancelledJobLeavesNoProcessAndNoOutput(t *testing.T) {
	s := newSystem(t, timing{lease: time.Minute, sweep: time.Second}, 1)
	s.up()
	scratch := s.settings["REELMILL_SCRATCH_DIR"]
	id := s.submit("long", longClip(t), steps(map[string]any{"storyboard": map[string]any{"interval_seconds": 1, "max_tiles": 400}}))
	testenv.Eventually(t, jobDeadline, func() error {
		if ps := commandsWith(t, scratch, "-filter_complex"); len(ps) == 0 {
			return fmt.Errorf("no ffmpeg makes pictures")
		}
		return nil
	})

	if err := s.api.must(t.Context(), http.StatusAccepted, "POST", "/v1/jobs/"+id+"/cancel", nil, nil); err != nil {
		t.Fatal(err)
	}
	answered := time.Now()
	testenv.Eventually(t, cancelLimit, func() error {
		if ps := commandsWith(t, scratch); len(ps) > 0 {
			return fmt.Errorf("processes of the attempt live: %q", ps)
		}
		return nil
	})
	t.Logf("no process of the attempt was left %v after the cancel was answered", time.Since(answered).Round(time.Millisecond))
	if j := s.ended(id, soon); j.State != "cancelled" || outcomes(j) != "cancelled" {
		t.Errorf("job is %s, executions ended %q", j.State, outcomes(j))
	}
	s.nothingElse(soon, []string{id})
	testenv.Eventually(t, soon, func() error { return empty(scratch, "a-*") })
	// The worker is free for others.
	id = s.submit("short", clips(t)[0], steps(onePicture))
	s.completed(id, jobDeadline)
}

// TestACancelledFilmLeavesNoProcessAndNoOutput cancels a job while two workers encode chunks of its film.
func TestACancelledFilmLeavesNoProcessAndNoOutput(t *testing.T) {
	s := newSystem(t, timing{lease: time.Minute, sweep: time.Second}, 0)
	s.addTranscoders(twoWorkers)
	s.up()
	scratch := s.settings["REELMILL_SCRATCH_DIR"]
	source := filmSource(t, filmLength)
	id := s.submit("film", source, transcode(segmentLength, 360, 240))
	testenv.Eventually(t, jobDeadline, func() error {
		j, err := s.api.job(t.Context(), id)
		if err != nil {
			return err
		}
		done := 0
		for _, task := range j.step("video-chunks").Tasks {
			if task.State == "succeeded" {
				done++
			}
		}
		if encoders := len(commandsWith(t, scratch, "ffmpeg", "-force_key_frames")); done == 0 || encoders < twoWorkers {
			return fmt.Errorf("%d chunks are made, %d are being encoded", done, encoders)
		}
		return nil
	})
	if err := s.api.must(t.Context(), http.StatusAccepted, "POST", "/v1/jobs/"+id+"/cancel", nil, nil); err != nil {
		t.Fatal(err)
	}
	answered := time.Now()
	testenv.Eventually(t, cancelLimit, func() error {
		if ps := commandsWith(t, scratch); len(ps) > 0 {
			return fmt.Errorf("processes of the attempts live: %q", ps)
		}
		return nil
	})
	t.Logf("no process of the attempts was left %v after the cancel was answered", time.Since(answered).Round(time.Millisecond))
	if j := s.ended(id, soon); j.State != "cancelled" {
		t.Errorf("job is %s: %+v", j.State, j.Error)
	}
	s.nothingElse(soon, []string{id})
	testenv.Eventually(t, soon, func() error { return empty(scratch, "a-*") })
}

// TestACancelReachesAToolThatShowsNoProgress cancels a job whose media tool does nothing but wait, in a child
// of its own. The next heartbeat is far away, so that only the broadcast can be what ends it.
func TestACancelReachesAToolThatShowsNoProgress(t *testing.T) {
	s := newSystem(t, timing{lease: time.Minute, sweep: time.Second}, 1)
	tools, sleeper := slowTools(t)
	if err := s.workers[0].start("PATH=" + tools); err != nil {
		t.Fatal(err)
	}
	s.up()
	id := s.submit("slow", clips(t)[0], steps(onePicture))
	testenv.Eventually(t, soon, func() error {
		if ps := commandsWith(t, sleeper); len(ps) == 0 {
			return fmt.Errorf("the tool does not wait")
		}
		// Once what was done before is recorded, nothing is until the lease is renewed.
		j, err := s.api.job(t.Context(), id)
		if err == nil && j.tasks()[0].Progress == 0 {
			err = fmt.Errorf("no progress is recorded yet")
		}
		return err
	})
	if err := s.api.must(t.Context(), http.StatusAccepted, "POST", "/v1/jobs/"+id+"/cancel", nil, nil); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, cancelLimit, func() error {
		if ps := append(commandsWith(t, s.settings["REELMILL_SCRATCH_DIR"]), commandsWith(t, sleeper)...); len(ps) > 0 {
			return fmt.Errorf("processes of the attempt live: %q", ps)
		}
		return nil
	})
	if j := s.ended(id, soon); j.State != "cancelled" {
		t.Errorf("job is %s", j.State)
	}
	s.nothingElse(soon, []string{id})
}

// longClip returns a clip of five minutes with few keyframes, which takes tens of seconds to decode.
func longClip(t *testing.T) string {
	t.Helper()
	const length = 10 * time.Second
	loop := ffmpegtest.Testsrc(t, ffmpegtest.Options{Duration: length, Size: media.Resolution{Width: 1280, Height: 720}, KeyframeInterval: length})
	file := filepath.Join(t.TempDir(), "long.mp4")
	c := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-stream_loop", "29", "-i", loop, "-c", "copy", file)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("loop a clip: %v\n%s", err, out)
	}
	return file
}

// commandsWith returns the command lines of all processes of this machine that hold every one of the texts.
func commandsWith(t *testing.T, texts ...string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("list processes: %d found, %v", len(files), err)
	}
	var found []string
next:
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		line := string(bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

// empty returns an error that names a file or folder of that pattern in a worker's part of the scratch folder.
func empty(scratch, pattern string) error {
	left, err := filepath.Glob(filepath.Join(scratch, "w-*", pattern))
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%q is left", left)
	}
	return err
}
