package ffmpeg_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
)

func TestRealRun(t *testing.T) {
	r := realRunner(t)
	dir := t.TempDir()
	make := func(seconds int, extra ...string) ffmpeg.Command {
		args := []string{"-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=320x240:r=25:d=%d", seconds)}
		return ffmpeg.Command{Program: ffmpeg.FFmpeg, Dir: dir, Args: append(append(args, extra...), "out.mp4")}
	}
	t.Run("reports its end", func(t *testing.T) {
		reports := 0
		c := make(4, "-c:v", "mpeg4")
		c.OnProgress = func(ffmpeg.Progress) { reports++ }
		res, err := r.Run(t.Context(), c)
		if err != nil || !res.Progress.Ended || res.Progress.Frame != 100 || res.Progress.OutTime < 3900*time.Millisecond || reports == 0 {
			t.Errorf("Run = %+v after %d reports, %v", res, reports, err)
		}
		if res.UserCPU <= 0 || res.MaxRSSBytes < 5<<20 || res.Wall <= 0 || res.ExitCode != 0 {
			t.Errorf("cost = %+v", res)
		}
	})
	t.Run("with more outputs than it can report", func(t *testing.T) {
		many := func(n int) ffmpeg.Command {
			c := make(1)
			c.Args = c.Args[:len(c.Args)-1]
			for i := range n {
				c.Args = append(c.Args, "-threads", "1", "-frames:v", "1", "-pix_fmt", "yuvj420p", fmt.Sprintf("many-%d.jpg", i))
			}
			return c
		}
		if res, err := r.Run(t.Context(), many(ffmpeg.MaxReportedOutputs)); err != nil || !res.Progress.Ended {
			t.Errorf("with %d outputs: %+v, %v", ffmpeg.MaxReportedOutputs, res.Progress, err)
		}
		c := many(2 * ffmpeg.MaxReportedOutputs)
		if _, err := r.Run(t.Context(), c); !errors.Is(err, ffmpeg.ErrIncomplete) {
			t.Errorf("with %d outputs: %v; if ffmpeg reports the end by now, MaxReportedOutputs can go", 2*ffmpeg.MaxReportedOutputs, err)
		}
		c.EndUnseen = true
		if res, err := r.Run(t.Context(), c); err != nil || res.ExitCode != 0 {
			t.Errorf("with the end unseen: %+v, %v", res, err)
		}
		c.Args = append(c.Args, "-frames:v", "1", "no-such-folder/x.jpg")
		if _, err := r.Run(t.Context(), c); err == nil {
			t.Error("a run that fails is a success with the end unseen")
		}
	})
	t.Run("drained in the middle", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := make(100000, "-c:v", "mpeg4")
		c.OnProgress = func(p ffmpeg.Progress) {
			if p.Frame > 0 {
				cancel(ffmpeg.ErrDrain)
			}
		}
		res, err := r.Run(ctx, c)
		if !errors.Is(err, ffmpeg.ErrDrain) || res.ExitCode != 255 || res.Progress.Frame == 0 {
			t.Errorf("Run = %+v, %v", res, err)
		}
	})
	t.Run("out of memory", func(t *testing.T) {
		c := make(1, "-vf", "scale=8000:8000", "-c:v", "rawvideo", "-f", "nut")
		c.Limits.AddressSpaceBytes = 400 << 20
		_, err := r.Run(t.Context(), c)
		if exit, ok := errors.AsType[*ffmpeg.ExitError](err); !ok || exit.Limit != ffmpeg.LimitAddressSpace || fault.CodeOf(err) != fault.CodeLimitExceeded {
			t.Errorf("Run = %v", err)
		}
	})
	t.Run("out of processor time", func(t *testing.T) {
		c := make(100000, "-c:v", "mpeg4")
		c.Limits.CPU = time.Second
		_, err := r.Run(t.Context(), c)
		if exit, ok := errors.AsType[*ffmpeg.ExitError](err); !ok || exit.Limit != ffmpeg.LimitCPU {
			t.Errorf("Run = %v", err)
		}
	})
	t.Run("a file too large", func(t *testing.T) {
		c := make(100000, "-c:v", "rawvideo", "-f", "avi")
		c.Limits.FileBytes = 1 << 20
		_, err := r.Run(t.Context(), c)
		if exit, ok := errors.AsType[*ffmpeg.ExitError](err); !ok || exit.Limit != ffmpeg.LimitFileSize {
			t.Errorf("Run = %v", err)
		}
	})
}

// BenchmarkStart measures what the sandbox adds to starting a program.
func BenchmarkStart(b *testing.B) {
	r, err := ffmpeg.NewRunner(ffmpeg.Tools{FFmpegPath: "/bin/true", FFprobePath: "/bin/true"}, ffmpeg.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("sandboxed", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Run(b.Context(), ffmpeg.Command{Program: ffmpeg.FFprobe}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command("/bin/true").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
