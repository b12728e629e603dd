package ffmpeg_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
)

// actPrefix begins the argument that makes this test program act as a tool under test.
const actPrefix = "act:"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == actPrefix+"unprepared" {
		_, err := actor(nil).Run(context.Background(), ffmpeg.Command{Program: ffmpeg.FFprobe})
		fmt.Println(errors.Is(err, ffmpeg.ErrNoSandbox))
		os.Exit(0)
	}
	sandbox.Main()
	for i, a := range os.Args {
		if name, ok := strings.CutPrefix(a, actPrefix); ok {
			os.Exit(act(name, os.Args[i+1:]))
		}
	}
	goleak.VerifyTestMain(m)
}

// burstBytes is what the actor "burst" writes behind its first line; a pipe of Linux holds 64 KiB.
const burstBytes = 60_000

// act is what this program does in place of ffmpeg.
func act(name string, args []string) int {
	switch name {
	case "environment":
		fmt.Println(strings.Join(os.Environ(), "\n"))
		for _, f := range []string{"limits", "status", "oom_score_adj", "stat"} {
			b, _ := os.ReadFile("/proc/self/" + f)
			fmt.Printf("%s\n%s", f, b)
		}
	case "burst": // less than a pipe holds: it has exited before any of it is read
		pipe, _ := os.Readlink("/proc/self/fd/1")
		fmt.Printf("%s\n%s", pipe, strings.Repeat("x", burstBytes))
	case "flood":
		for {
			fmt.Println(strings.Repeat("x", 1000))
		}
	case "sleep":
		fmt.Println(os.Getpid())
		time.Sleep(time.Hour)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println(os.Getpid())
		time.Sleep(time.Hour)
	case "spin":
		for {
		}
	case "family":
		child := exec.Command("/proc/self/exe", actPrefix+"sleep")
		child.Stdout = os.Stdout
		if child.Start() != nil {
			return 1
		}
		fmt.Println(child.Process.Pid)
	case "grow":
		_, _ = io.CopyN(os.Stderr, zeros{}, 1<<20)
		fmt.Fprintln(os.Stderr)
		f, err := os.Create(args[0])
		if err != nil {
			return 1
		}
		// Go ignores the signal; ffmpeg would say the same where it is ignored.
		if _, err = io.CopyN(f, zeros{}, 1<<30); errors.Is(err, syscall.EFBIG) {
			fmt.Fprintln(os.Stderr, "av_interleaved_write_frame(): File too large")
		}
		return 1
	case "unfinished":
		fmt.Fprint(os.NewFile(3, "progress"), "frame=7\nout_time_us=N/A\nprogress=continue\n")
	case "parent":
		return actParent(args[0])
	case "grumble":
		fmt.Fprintf(os.Stderr, "https://user:pw@store.example/b/k?X-Amz-Signature=s3cret failed\n%s: broken\n", args[0])
		return 3
	}
	return 0
}

// actParent runs a tool whose process id it leaves in a file, until it is killed.
func actParent(pidFile string) int {
	f, err := os.Create(pidFile)
	if err != nil {
		return 1
	}
	_, err = actor(nil).Run(context.Background(), ffmpeg.Command{Program: ffmpeg.FFprobe, Args: []string{actPrefix + "sleep"}, Stdout: f})
	fmt.Fprintln(os.Stderr, err)
	return 1
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// actor returns a runner whose tools are this program.
func actor(t testing.TB) *ffmpeg.Runner {
	self, err := os.Executable()
	if err == nil {
		var r *ffmpeg.Runner
		if r, err = ffmpeg.NewRunner(ffmpeg.Tools{FFmpegPath: self, FFprobePath: self}, ffmpeg.Config{DrainGrace: 200 * time.Millisecond}); err == nil {
			return r
		}
	}
	t.Fatal(err)
	return nil
}

// realRunner returns a runner of the real tools. Without them the test is skipped, or fails where they
// are required.
func realRunner(t testing.TB) *ffmpeg.Runner {
	t.Helper()
	tools, err := ffmpeg.Find(context.Background())
	if fault.CodeOf(err) == fault.CodeFFmpegMissing && os.Getenv("REELMILL_TEST_REQUIRE") != "1" {
		t.Skipf("ffmpeg is missing: %v", err)
	}
	r, err2 := ffmpeg.NewRunner(tools, ffmpeg.Config{})
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return r
}

// alive reports whether process pid exists and is no zombie.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	s := string(b)
	state := s[strings.LastIndexByte(s, ')')+2]
	return state != 'Z' && state != 'X'
}

// eventually fails the test unless ok within a generous time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// pidReader hands on the process id that an actor prints.
type pidReader struct {
	r    *bufio.Reader
	w    *io.PipeWriter
	pids chan int
}

func newPIDReader(t *testing.T) *pidReader {
	r, w := io.Pipe()
	p := &pidReader{r: bufio.NewReader(r), w: w, pids: make(chan int, 4)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			line, err := p.r.ReadString('\n')
			if err != nil {
				return
			}
			if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
				p.pids <- pid
			}
		}
	}()
	t.Cleanup(func() { _ = w.Close(); <-done })
	return p
}
