package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/reelmill/reelmill/services/standalone/internal/client"
)

// life is a job from its upload to the state at its end.
func life(p progress, end string) {
	if _, err := io.WriteString(p.upload(4), "data"); err != nil {
		panic(err)
	}
	for _, percent := range []float64{0, 4, 12, 15, 50} {
		p.show(client.Job{State: "processing", Steps: []client.Step{{Name: "thumbnails", State: "running", Progress: percent}}})
	}
	step := client.Step{Name: "thumbnails", State: "failed", Progress: 50}
	if end == client.StateCompleted {
		step.State, step.Progress = "succeeded", 100
	}
	p.show(client.Job{State: end, Steps: []client.Step{step}})
	p.end()
}

func TestLinesTellOfChangesAndOfEveryTenth(t *testing.T) {
	var b bytes.Buffer
	life(newProgress(&environment{stdout: &b}, false), client.StateCompleted)
	want := "upload: 4 B\njob: processing\nthumbnails: running 0%\nthumbnails: running 12%\nthumbnails: running 50%\njob: completed\nthumbnails: succeeded 100%\n"
	if b.String() != want {
		t.Errorf("lines:\n%s\nwant:\n%s", b.String(), want)
	}
}

func TestQuietProgressWritesNothing(t *testing.T) {
	var b bytes.Buffer
	life(newProgress(&environment{stdout: &b, terminal: true}, true), client.StateCompleted)
	if b.Len() > 0 {
		t.Errorf("wrote %q", b.String())
	}
}

func TestBarsEndHoweverTheJobEnds(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, end := range []string{client.StateCompleted, client.StateFailed, client.StateCancelled} {
		life(newProgress(&environment{stdout: io.Discard, terminal: true}, false), end)
	}
	newProgress(&environment{stdout: io.Discard, terminal: true}, false).end() // before anything was shown
}

// terminal returns both ends of a new pseudo terminal.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120}); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

func TestATerminalShowsBars(t *testing.T) {
	w := newWorld(t)
	master, slave := terminal(t)
	p := w.prepare("process", clip(t), "-o", "out")
	p.cmd.Stdout = slave
	w.launch(p)
	if err := slave.Close(); err != nil {
		t.Fatal(err)
	}
	shown, _ := io.ReadAll(master) // ends with an error once the program has closed its end
	if p.wait(t) != 0 {
		t.Errorf("exit status %d", p.status())
	}
	for _, want := range []string{"upload", "thumbnails", "100 %", "succeeded", "PATH", "\x1b["} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("the terminal lacks %q:\n%s", want, shown)
		}
	}
}

func TestLogsAreJSON(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(w.dir, "log")
	p := w.run("process", clip(t), "-o", "out", "--log", file, "--json")
	if p.status() != 0 || p.stderr.String() != "" {
		t.Errorf("exit status %d", p.status())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	checkLog(t, string(text))
	p = w.run("-v", "process", clip(t), "-o", "out", "--json")
	checkLog(t, p.stderr.String())
}

// checkLog fails t unless every line is a JSON object, and one tells of an attempt with its job.
func checkLog(t *testing.T, text string) {
	t.Helper()
	attempts := 0
	for line := range strings.Lines(text) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("not JSON: %q", line)
		}
		if entry["msg"] == "attempt ended" && entry["job_id"] != nil && entry["trace_id"] != nil {
			attempts++
		}
	}
	if attempts != 1 {
		t.Errorf("%d lines tell of the end of an attempt, want 1:\n%s", attempts, text)
	}
}
