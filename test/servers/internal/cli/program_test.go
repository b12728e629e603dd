package cli_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is a run of testservers with a folder for temporary files of its own, whose path is in the environment or the
// arguments of every process below it.
type program struct {
	cmd    *exec.Cmd
	tmp    string
	output bytes.Buffer // both streams, once it has ended
}

// testservers prepares a run. Variables of the suite that may run around this test are taken out.
func testservers(t *testing.T, args ...string) *program {
	t.Helper()
	tmp, err := os.MkdirTemp("", "testservers-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tmp, 0o711); err != nil { // PostgreSQL passes through as another user
		t.Fatal(err)
	}
	p := &program{cmd: exec.Command(os.Args[0], args...), tmp: tmp}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "REELMILL_") && !strings.HasPrefix(variable, "TMPDIR=") {
			p.cmd.Env = append(p.cmd.Env, variable)
		}
	}
	p.cmd.Env = append(p.cmd.Env, mainVariable+"=1", "TMPDIR="+tmp)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil && p.cmd.Process != nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
		if err := os.RemoveAll(tmp); err != nil {
			t.Error(err)
		}
	})
	return p
}

// run runs it to its end and returns the exit code.
func (p *program) run(t *testing.T) int {
	t.Helper()
	if err := p.cmd.Run(); err != nil {
		if _, exited := errors.AsType[*exec.ExitError](err); !exited {
			t.Fatal(err)
		}
	}
	return p.cmd.ProcessState.ExitCode()
}

// startAndWait starts it and returns when a line of its output matches.
func (p *program) startAndWait(t *testing.T, line *regexp.Regexp) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := errors.Join(p.cmd.Start(), w.Close()); err != nil {
		t.Fatal(err)
	}
	found, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(io.TeeReader(r, &p.output))
		for waiting := true; lines.Scan(); {
			if waiting && line.Match(lines.Bytes()) {
				waiting = false
				close(found)
			}
		}
	}()
	t.Cleanup(func() {
		<-ended
		_ = r.Close()
	})
	select {
	case <-found:
	case <-ended:
		t.Fatalf("it ended without a line that matches %q:\n%s", line, &p.output)
	case <-time.After(patience):
		t.Fatalf("no line matches %q", line)
	}
}

// end sends a signal and returns the exit code, -1 if the signal itself was the end.
func (p *program) end(t *testing.T, sig syscall.Signal) int {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		if _, exited := errors.AsType[*exec.ExitError](err); !exited {
			t.Fatal(err)
		}
	}
	return p.cmd.ProcessState.ExitCode()
}

// processes returns the command lines of all processes below p.
func (p *program) processes(t *testing.T) []string {
	t.Helper()
	var found []string
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		arguments, _ := os.ReadFile(filepath.Join(dir, "cmdline")) // it may have ended meanwhile
		environment, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if bytes.Contains(arguments, []byte(p.tmp)) || bytes.Contains(environment, []byte(p.tmp)) {
			found = append(found, dir+" "+string(bytes.ReplaceAll(arguments, []byte{0}, []byte(" "))))
		}
	}
	return found
}

// assertNothingLeft checks that processes and temporary files are gone.
func (p *program) assertNothingLeft(t *testing.T) {
	t.Helper()
	if left := p.processes(t); len(left) > 0 {
		t.Errorf("processes are left:\n%s", strings.Join(left, "\n"))
	}
	entries, err := os.ReadDir(p.tmp)
	if err != nil || len(entries) > 0 {
		t.Errorf("files are left: %v (%v)", entries, err)
	}
}
