package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
)

// asProgram makes the test binary be the program.
const asProgram = "REELMILL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	sandbox.Main()
	if os.Getenv(asProgram) == "1" {
		os.Exit(Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// patience bounds everything that is waited for: the machine may be busy with other tests.
const patience = 3 * time.Minute

// program is one run of the program as a process of its own.
type program struct {
	cmd    *exec.Cmd
	stdout *buffer
	stderr *buffer
	ended  chan struct{}
}

// buffer may be read while a process writes to it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// world is where programs of one test run: a working directory and a folder for temporary files.
type world struct {
	t    *testing.T
	dir  string
	tmp  string
	path string
	// tool is the ffmpeg that gate has put on PATH.
	tool string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, dir: t.TempDir(), tmp: t.TempDir(), path: os.Getenv("PATH")}
}

// start starts the program. It is killed at the end of the test where it still runs.
func (w *world) start(args ...string) *program {
	w.t.Helper()
	p := w.prepare(args...)
	w.launch(p)
	return p
}

// prepare returns the program before its start.
func (w *world) prepare(args ...string) *program {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	p := &program{cmd: exec.Command(self, args...), stdout: &buffer{}, stderr: &buffer{}, ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = w.dir, p.stdout, p.stderr
	p.cmd.Env = []string{asProgram + "=1", "PATH=" + w.path, "TMPDIR=" + w.tmp, "HOME=" + w.dir}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a signal for the test must not reach it
	return p
}

func (w *world) launch(p *program) {
	w.t.Helper()
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the state tells
		close(p.ended)
	}()
	w.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if w.t.Failed() {
			w.t.Logf("%v\nstdout: %s\nstderr: %s", p.cmd.Args[1:], p.stdout, p.stderr)
		}
	})
}

// run runs the program to its end.
func (w *world) run(args ...string) *program {
	w.t.Helper()
	p := w.start(args...)
	p.wait(w.t)
	return p
}

// wait waits for the end and returns the exit status.
func (p *program) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("the program did not end")
	}
	return p.status()
}

func (p *program) status() int { return p.cmd.ProcessState.ExitCode() }

func (p *program) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// processesNaming returns the command lines of processes that hold text, without this one's.
func processesNaming(t *testing.T, text string) []string {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range dirs {
		b, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		if line := strings.ReplaceAll(string(b), "\x00", " "); strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// clip is a small video of two seconds.
func clip(t *testing.T) string {
	t.Helper()
	return ffmpegtest.Testsrc(t, ffmpegtest.Options{Duration: 2 * time.Second, Size: media.Resolution{Width: 160, Height: 120}, Audio: true})
}

// gate puts an ffmpeg on PATH that waits, whenever it is to work on media, until the file that is
// returned exists, and then is the real one: a job can be held in its middle for as long as is needed.
func (w *world) gate() (open string) {
	w.t.Helper()
	dir := w.t.TempDir()
	open = filepath.Join(dir, "open")
	real, err := exec.LookPath("ffmpeg")
	if err != nil {
		w.t.Skip("ffmpeg is needed")
	}
	script := "#!/bin/sh\ncase \" $* \" in *' -version '*) ;; *) while [ ! -e '" + open + "' ]; do sleep 0.05; done ;; esac\nexec '" + real + "' \"$@\"\n"
	w.tool = filepath.Join(dir, "ffmpeg")
	if err := os.WriteFile(w.tool, []byte(script), 0o700); err != nil {
		w.t.Fatal(err)
	}
	w.path = dir + ":" + w.path
	return open
}

// awaitHeld waits until the ffmpeg of gate is held while it works on a file below dir.
func (w *world) awaitHeld(p *program, dir string) {
	w.t.Helper()
	eventually(w.t, "ffmpeg runs", func() bool {
		select {
		case <-p.ended:
			w.t.Fatal("the program ended by itself")
		default:
		}
		return slices.ContainsFunc(processesNaming(w.t, dir), func(line string) bool { return strings.HasPrefix(line, "/bin/sh "+w.tool) })
	})
}

// entries returns the names of what lies in a folder.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = e.Name()
	}
	return names
}
