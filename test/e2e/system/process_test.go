package system

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// drain is how long the programs let running work go on after SIGTERM; see REELMILL_DRAIN.
	drain = 4 * time.Second
	// stopTimeout is longer than any program may take from SIGTERM to its end.
	stopTimeout = drain + 20*time.Second
	// logTail is how much of a program's log a failed test shows.
	logTail = 8 << 10
)

// process is a program that can be started again and again, always with the same environment but for what
// a start adds. Its methods may be called concurrently.
type process struct {
	// name is unique within a test, like "thumbnail-worker-2".
	name    string
	program string
	env     []string
	// ops is the address of its probes and metrics.
	ops string
	log *os.File

	mu     sync.Mutex
	cmd    *exec.Cmd
	ended  chan struct{} // closed when cmd has ended
	starts int
	// begins is where the present or last run begins in the log.
	begins int
}

// newProcess returns a process that is not started. At the end of t it is killed, and its log is shown if t
// failed.
func newProcess(t *testing.T, name, program, ops string, env []string) *process {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	p := &process{name: name, program: program, env: env, ops: ops, log: log}
	t.Cleanup(func() {
		if err := p.kill(); err != nil && !errors.Is(err, errNotRunning) {
			t.Errorf("kill %s: %v", name, err)
		}
		if t.Failed() {
			t.Logf("--- log of %s, started %d times\n%s", name, p.starts, p.tail())
		}
		log.Close()
	})
	return p
}

// nilSignal asks whether a process is there.
const nilSignal = syscall.Signal(0)

var errNotRunning = errors.New("process is not running")

// start starts the process with more settings, "NAME=value", than it always has.
func (p *process) start(settings ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return fmt.Errorf("start %s: it is running", p.name)
	}
	cmd := exec.Command(filepath.Join(programs, p.program), "serve")
	cmd.Env = append(append(cmd.Env, p.env...), settings...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	p.begins = len(p.logs())
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // ProcessState says how it ended
	}()
	p.cmd, p.ended = cmd, ended
	p.starts++
	return nil
}

// running must be called with mu held.
func (p *process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// signal sends a signal and returns the channel that is closed when the process has ended.
func (p *process) signal(s os.Signal) (<-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return nil, errNotRunning
	}
	return p.ended, p.cmd.Process.Signal(s)
}

// kill ends the process by SIGKILL and waits for its end.
func (p *process) kill() error {
	ended, err := p.signal(syscall.SIGKILL)
	if err != nil {
		return err
	}
	<-ended
	return nil
}

// stop asks the process to end, waits for it, and returns its exit code.
func (p *process) stop() (code int, err error) {
	ended, err := p.signal(syscall.SIGTERM)
	if err != nil {
		return 0, err
	}
	select {
	case <-ended:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(stopTimeout):
		return 0, fmt.Errorf("%s has not ended %v after SIGTERM", p.name, stopTimeout)
	}
}

// killed returns nil if the process has ended by SIGKILL.
func (p *process) killed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return fmt.Errorf("%s is running", p.name)
	}
	if s, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !s.Signaled() || s.Signal() != syscall.SIGKILL {
		return fmt.Errorf("%s has ended: %v", p.name, p.cmd.ProcessState)
	}
	return nil
}

// pid returns the process id of the present or last run.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// logs returns what the process has written in all its runs.
func (p *process) logs() string {
	b, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// run returns what the process has written in its present or last run.
func (p *process) run() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logs()[p.begins:]
}

// tail returns the first warnings and errors in the log, and its end without answered requests.
func (p *process) tail() string {
	var bad, rest bytes.Buffer
	for line := range strings.Lines(p.logs()) {
		switch {
		case bad.Len() < logTail && !strings.Contains(line, `"level":"INFO"`):
			bad.WriteString(line)
		case !strings.Contains(line, `"request answered"`): // mostly of the tests themselves
			rest.WriteString(line)
		}
	}
	return fmt.Sprintf("first warnings:\n%s...\nend:\n%s", &bad, rest.Bytes()[max(0, rest.Len()-logTail):])
}
