package ffmpeg_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
)

func probeAct(name string, args ...string) ffmpeg.Command {
	return ffmpeg.Command{Program: ffmpeg.FFprobe, Args: append([]string{actPrefix + name}, args...)}
}

func TestChildIsConfined(t *testing.T) {
	t.Setenv("S3_SECRET_KEY", "hush")
	dir := t.TempDir()
	var out bytes.Buffer
	c := probeAct("environment")
	c.Stdout, c.Dir = &out, dir
	c.Limits = ffmpeg.Limits{AddressSpaceBytes: 3 << 30, FileBytes: 5 << 20, CPU: 7 * time.Second, OpenFiles: 100}
	if _, err := actor(t).Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	env, rest, _ := strings.Cut(out.String(), "limits\n")
	if got, want := strings.TrimSpace(env), "PATH="+os.Getenv("PATH")+"\nTMPDIR="+dir+"\nLC_ALL=C.UTF-8"; got != want {
		t.Errorf("environment = %q, want %q", got, want)
	}
	for _, want := range []string{
		`Max address space +3221225472 +3221225472`, `Max file size +5242880 +5242880`, `Max cpu time +7 +10`,
		`Max core file size +0 +0`, `Max open files +100 +100`, `(?m)^NoNewPrivs:\s+1$`, `(?m)^oom_score_adj\n800$`,
	} {
		if !regexp.MustCompile(want).MatchString(rest) {
			t.Errorf("the child lacks %q in %s", want, rest)
		}
	}
	_, stat, _ := strings.Cut(rest, "\nstat\n")
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if pid, _, _ := strings.Cut(stat, " "); f[2] != pid {
		t.Errorf("the child is in process group %s, not its own", f[2])
	}
	if f[16] != "10" {
		t.Errorf("nice = %s, want 10", f[16])
	}
}

func TestChildDiesWithItsParent(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self, actPrefix+"parent", pidFile)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = parent.Wait() }()
	defer func() { _ = parent.Process.Kill() }()
	child := 0
	eventually(t, "the child starts", func() bool {
		b, _ := os.ReadFile(pidFile)
		child, err = strconv.Atoi(strings.TrimSpace(string(b)))
		return err == nil && child > 0
	})
	if !alive(child) {
		t.Fatal("the child died by itself")
	}
	if err := parent.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the child dies", func() bool { return !alive(child) })
}

func TestCancelKillsAtOnce(t *testing.T) {
	for _, act := range []string{"sleep", "stubborn"} {
		t.Run(act, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			p := newPIDReader(t)
			c := probeAct(act)
			c.Stdout = p.w
			var cancelled time.Time
			pid := 0
			go func() { pid = <-p.pids; cancelled = time.Now(); cancel() }()
			res, err := actor(t).Run(ctx, c)
			if took := time.Since(cancelled); took > 2*time.Second {
				t.Errorf("the run ended %v after its cancellation", took)
			}
			if !errors.Is(err, context.Canceled) || fault.ClassOf(err) != fault.Cancelled || res.ExitCode != -1 {
				t.Errorf("Run = %+v, %v", res, err)
			}
			if alive(pid) {
				t.Error("the program is alive")
			}
		})
	}
}

func TestDrainIsGentleFirst(t *testing.T) {
	for act, want := range map[string]time.Duration{"sleep": 0, "stubborn": 200 * time.Millisecond} {
		t.Run(act, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			p := newPIDReader(t)
			c := probeAct(act)
			c.Stdout = p.w
			var drained time.Time
			go func() { <-p.pids; drained = time.Now(); cancel(ffmpeg.ErrDrain) }()
			_, err := actor(t).Run(ctx, c)
			if took := time.Since(drained); took < want {
				t.Errorf("killed after %v, before the grace of %v", took, want)
			}
			if !errors.Is(err, ffmpeg.ErrDrain) || fault.ClassOf(err) != fault.Transient {
				t.Errorf("Run = %v", err)
			}
		})
	}
}

func TestStallIsNoticed(t *testing.T) {
	t.Run("a stopped process", func(t *testing.T) {
		p := newPIDReader(t)
		c := probeAct("sleep")
		c.Stdout, c.Limits.Stall = p.w, 500*time.Millisecond
		pid := 0
		go func() { pid = <-p.pids; _ = syscall.Kill(pid, syscall.SIGSTOP) }()
		_, err := actor(t).Run(t.Context(), c)
		if !errors.Is(err, ffmpeg.ErrStalled) || fault.CodeOf(err) != fault.CodeFFmpegStalled {
			t.Errorf("Run = %v", err)
		}
		if err := syscall.Kill(-pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("the group is still there: %v", err)
		}
	})
	t.Run("a busy process is alive where processor time counts", func(t *testing.T) {
		c := probeAct("spin")
		c.Limits = ffmpeg.Limits{Stall: 2 * time.Second, Wall: 5 * time.Second}
		if _, err := actor(t).Run(t.Context(), c); !errors.Is(err, ffmpeg.ErrWallClock) || fault.CodeOf(err) != fault.CodeTaskTimeout {
			t.Errorf("Run = %v", err)
		}
	})
	t.Run("a busy process has stalled where only progress counts", func(t *testing.T) {
		c := ffmpeg.Command{Program: ffmpeg.FFmpeg, Args: []string{actPrefix + "spin"}}
		c.Limits = ffmpeg.Limits{Stall: 300 * time.Millisecond, Wall: 20 * time.Second}
		if _, err := actor(t).Run(t.Context(), c); !errors.Is(err, ffmpeg.ErrStalled) {
			t.Errorf("Run = %v", err)
		}
	})
}

func TestResourceLimits(t *testing.T) {
	t.Run("processor time", func(t *testing.T) {
		c := probeAct("spin")
		c.Limits.CPU = time.Second
		res, err := actor(t).Run(t.Context(), c)
		exit, ok := errors.AsType[*ffmpeg.ExitError](err)
		if !ok || exit.Limit != ffmpeg.LimitCPU || fault.CodeOf(err) != fault.CodeLimitExceeded {
			t.Errorf("Run = %v", err)
		}
		if cpu := res.UserCPU + res.SystemCPU; cpu < 500*time.Millisecond || cpu > 5*time.Second {
			t.Errorf("processor time = %v", cpu)
		}
	})
	t.Run("file size, and a flood of standard error", func(t *testing.T) {
		c := probeAct("grow", filepath.Join(t.TempDir(), "f"))
		c.Limits.FileBytes = 1 << 20
		res, err := actor(t).Run(t.Context(), c)
		if exit, ok := errors.AsType[*ffmpeg.ExitError](err); !ok || exit.Limit != ffmpeg.LimitFileSize {
			t.Errorf("Run = %v", err)
		}
		if len(res.Stderr) > 64<<10 {
			t.Errorf("%d bytes of standard error are kept", len(res.Stderr))
		}
	})
	t.Run("standard output", func(t *testing.T) {
		var out bytes.Buffer
		c := probeAct("flood")
		c.Stdout, c.MaxStdoutBytes = &out, 50_000
		_, err := actor(t).Run(t.Context(), c)
		if !errors.Is(err, ffmpeg.ErrStdoutLimit) || fault.CodeOf(err) != fault.CodeLimitExceeded || out.Len() > 50_000 {
			t.Errorf("Run = %v, with %d bytes taken in", err, out.Len())
		}
	})
	t.Run("a writer that fails", func(t *testing.T) {
		full := fault.New(fault.CodeScratchFull, "full")
		c := probeAct("flood")
		c.Stdout = writerFunc(func([]byte) (int, error) { return 0, full })
		if _, err := actor(t).Run(t.Context(), c); !errors.Is(err, full) || fault.CodeOf(err) != fault.CodeScratchFull {
			t.Errorf("Run = %v", err)
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestNothingOfTheGroupIsLeft(t *testing.T) {
	p := newPIDReader(t)
	c := probeAct("family")
	c.Stdout = p.w
	if _, err := actor(t).Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if pid := <-p.pids; alive(pid) {
		t.Error("a grandchild outlived the run")
	}
}

func TestExitErrorsAreTypedAndRedacted(t *testing.T) {
	dir := t.TempDir()
	c := probeAct("grumble", filepath.Join(dir, "a b", "src"))
	res, err := actor(t).Run(t.Context(), c)
	exit, ok := errors.AsType[*ffmpeg.ExitError](err)
	if !ok || exit.Code != 3 || exit.Signal != 0 || exit.Limit != "" || fault.CodeOf(err) != fault.CodeFFmpegFailed {
		t.Fatalf("Run = %v", err)
	}
	if want := "https://store.example/b/k failed\n<path>: broken\n"; exit.Stderr != want || res.Stderr != want {
		t.Errorf("standard error = %q, want %q", exit.Stderr, want)
	}
	if d := fault.DetailOf(err); strings.Contains(d, "broken") {
		t.Errorf("the detail for users holds the tool's words: %q", d)
	}
}

func TestSuccessNeedsTheEndOfProgress(t *testing.T) {
	var last ffmpeg.Progress
	_, err := actor(t).Run(t.Context(), ffmpeg.Command{
		Program: ffmpeg.FFmpeg, Args: []string{actPrefix + "unfinished"}, OnProgress: func(p ffmpeg.Progress) { last = p },
	})
	if !errors.Is(err, ffmpeg.ErrIncomplete) || fault.CodeOf(err) != fault.CodeFFmpegFailed {
		t.Errorf("Run = %v", err)
	}
	if want := (ffmpeg.Progress{Frame: 7}); last != want {
		t.Errorf("last report = %+v, want %+v", last, want)
	}
}

func TestAProgramThatCannotStart(t *testing.T) {
	r, err := ffmpeg.NewRunner(ffmpeg.Tools{FFmpegPath: "/nonexistent/ffmpeg", FFprobePath: "/etc/hostname"}, ffmpeg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []ffmpeg.Program{ffmpeg.FFmpeg, ffmpeg.FFprobe} {
		if _, err := r.Run(t.Context(), ffmpeg.Command{Program: p}); fault.CodeOf(err) != fault.CodeFFmpegMissing {
			t.Errorf("Run(%s) = %v", p, err)
		}
	}
	if _, err := r.Run(t.Context(), ffmpeg.Command{Program: "rm"}); fault.CodeOf(err) != fault.CodeFFmpegMissing {
		t.Errorf("Run(rm) = %v", err)
	}
	if _, err := ffmpeg.FindAt(t.Context(), ffmpeg.Paths{FFmpeg: "/nonexistent"}); fault.CodeOf(err) != fault.CodeFFmpegMissing {
		t.Errorf("FindAt = %v", err)
	}
}

func TestARunnerWithoutTheSandboxRefuses(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(self, actPrefix+"unprepared").Output(); err != nil || string(out) != "true\n" {
		t.Errorf("a program that did not call sandbox.Main: %q, %v", out, err)
	}
}
