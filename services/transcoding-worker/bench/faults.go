package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/pkg/ffmpeg/paired"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/workspacetest"
)

// toldFromWhole returns the share of cut sources and killed runs that ended with an error, where a whole film cannot
// be had. Bare ffmpeg, with the same sources and signals, is counted beside it: what ends with status 0 and is short
// passes there for a success.
func toldFromWhole(b *paired.Bench) (float64, string) {
	t, err := newTools(b.Context(), threads)
	b.Check("set up", err)
	ours, theirs, n := 0, 0, 0
	for _, cut := range cuts(b) {
		g := workspacetest.New(t.Transcoder, cut, b.TempDir(), small)
		if _, err := g.Run(b.Context(), contract.OpChunk); err != nil {
			ours++
		}
		if exec.CommandContext(b.Context(), "ffmpeg", "-nostdin", "-v", "quiet", "-i", cut, "-vf", "scale=160:90", "-c:v", "libx264", "-preset", "ultrafast",
			"-y", filepath.Join(b.TempDir(), "out.mp4")).Run() != nil {
			theirs++
		}
		n++
	}
	film := clip(b, 8)
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGINT} {
		if killedRunFails(b, t, film, signal) {
			ours++
		}
		if bareRunFails(b, film, signal) {
			theirs++
		}
		n++
	}
	return float64(ours) / float64(n), fmt.Sprintf("%d of %d; bare ffmpeg %d", ours, n, theirs)
}

// cuts returns a fragmented film that was cut at several places, as a broken download leaves it.
func cuts(b *paired.Bench) []string {
	whole := filepath.Join(b.TempDir(), "fragmented.mp4")
	command(b, "ffmpeg", "-nostdin", "-v", "error", "-i", ffmpegtest.BigBuckBunny(b), "-map", "0:v:0", "-t", "8", "-c:v", "libx264", "-preset", "ultrafast", "-vf", "scale=320:180",
		"-g", "24", "-movflags", "+frag_keyframe+empty_moov", whole)
	data, err := os.ReadFile(whole)
	b.Check("read the film", err)
	var all []string
	for i := 1; i <= 5; i++ {
		path := filepath.Join(b.TempDir(), "cut")
		b.Check("cut the film", os.WriteFile(path, data[:len(data)*(2*i-1)/10+i], 0o600))
		all = append(all, path)
	}
	return all
}

// killedRunFails encodes a film whose ffmpeg is sent a signal in the middle, and reports whether that was an error.
func killedRunFails(b *paired.Bench, t tools, film string, signal syscall.Signal) bool {
	plan := planOf(b, t, film, contract.TranscodeParams{}, 1)
	dir := b.TempDir()
	ctx, stop := context.WithTimeout(b.Context(), time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, err := encode(ctx, t, film, plan, dir, 0)
		ended <- err
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err != nil
		case <-tick.C:
			// The first segment is being written: the run is under way.
			if pid := encoderIn(dir); pid > 0 {
				if parts, _ := filepath.Glob(filepath.Join(dir, "0", "*", "00001.m4s*")); len(parts) > 0 {
					_ = syscall.Kill(pid, signal) // it may have ended, which the loop then finds
				}
			}
		}
	}
}

// bareRunFails does the same to ffmpeg alone, and reports whether its status told. Its short file stays all the same.
func bareRunFails(b *paired.Bench, film string, signal syscall.Signal) bool {
	out := filepath.Join(b.TempDir(), "out.mp4")
	cmd := exec.CommandContext(b.Context(), "ffmpeg", "-nostdin", "-v", "quiet", "-i", film, "-an", "-c:v", "libx264", "-preset", "slow", "-y", out)
	b.Check("start ffmpeg", cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err != nil
		case <-tick.C:
			// The output is there: the run is under way.
			if _, err := os.Stat(out); err == nil {
				_ = cmd.Process.Signal(signal) // it may have ended, which the loop then finds
			}
		}
	}
}

// encoderIn returns the process id of an ffmpeg that works in the folder, 0 where there is none.
func encoderIn(dir string) int {
	lines, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, l := range lines {
		var pid int
		if target, err := os.Readlink(l); err != nil || !strings.HasPrefix(target, dir) {
			continue
		}
		if _, err := fmt.Sscanf(l, "/proc/%d/cwd", &pid); err == nil {
			return pid
		}
	}
	return 0
}
