// Package child starts processes that cannot outlive the program that started them, however it ends.
//
// Three nets, each below the other: every process is started in a process group of its own, which is killed whole
// when its leader has ended; the kernel sends each leader a signal when this program dies; and orphans that left
// their group are adopted (AdoptOrphans) and killed at the end (KillOrphans). Linux only.
package child

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// outputDelay is how long a process that has ended is waited for when something outside its group still holds its
// output open.
const outputDelay = 2 * time.Second

// ErrClosed is returned by Spawner.Start after Close.
var ErrClosed = errors.New("spawner is closed")

// Command describes a process to start.
type Command struct {
	Path   string    // of the program, absolute
	Args   []string  // without the program's name
	Env    []string  // the whole environment
	Dir    string    // working directory; empty: this program's
	Stdin  io.Reader // nil: nothing to read
	Stdout io.Writer // nil: thrown away; a file is handed on as it is
	Stderr io.Writer // likewise

	// Credential is the user to run as; nil: this program's. Only root may set it.
	Credential *syscall.Credential

	// DeathSignal is what the kernel sends to the process when this program dies; zero means SIGKILL.
	DeathSignal syscall.Signal
}

// Spawner starts processes from one operating system thread of its own: a parent-death signal is sent when the thread
// that forked ends, not when the program does, and the Go runtime ends threads as it pleases. Its methods may be
// called concurrently.
type Spawner struct {
	requests chan request
	closed   chan struct{}
	ended    chan struct{}
	close    sync.Once
}

type request struct {
	cmd  *exec.Cmd
	done chan<- error
}

// NewSpawner returns a running spawner. The caller must Close it.
func NewSpawner() *Spawner {
	s := &Spawner{requests: make(chan request), closed: make(chan struct{}), ended: make(chan struct{})}
	go s.run()
	return s
}

// Close ends the spawner's thread and waits for its goroutine. Processes that still run get their death signal, so
// stop them first.
func (s *Spawner) Close() {
	s.close.Do(func() { close(s.closed) })
	<-s.ended
}

func (s *Spawner) run() {
	// Never unlocked: the thread ends with this goroutine.
	runtime.LockOSThread()
	defer close(s.ended)
	for {
		select {
		case r := <-s.requests:
			r.done <- r.cmd.Start()
		case <-s.closed:
			return
		}
	}
}

// Start starts c. The process runs until it ends by itself or is stopped by the methods of Process. Start returns an
// error if the program cannot be started, and ErrClosed after Close.
func (s *Spawner) Start(c Command) (*Process, error) {
	death := c.DeathSignal
	if death == 0 {
		death = syscall.SIGKILL
	}
	cmd := &exec.Cmd{
		Path: c.Path, Args: append([]string{c.Path}, c.Args...), Env: c.Env, Dir: c.Dir,
		Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death, Credential: c.Credential},
		WaitDelay:   outputDelay,
	}
	if cmd.Env == nil {
		cmd.Env = []string{} // nil would mean: inherit
	}
	started := make(chan error, 1)
	select {
	case s.requests <- request{cmd: cmd, done: started}:
	case <-s.closed:
		return nil, ErrClosed
	}
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	go p.wait()
	return p, nil
}

// Process is a started process and its group. Its methods may be called concurrently.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // set before ended is closed

	mu      sync.Mutex
	reaped  bool // its id may belong to another process by now
	stopped bool // somebody asked it to end
}

// wait reaps the process after killing what is left of its group. Until it is reaped, its id, which is the group's,
// cannot be given to another process.
func (p *Process) wait() {
	for {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.mu.Lock()
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // nothing left in the group is the normal case
	p.reaped = true
	p.mu.Unlock()
	p.err = p.cmd.Wait()
	close(p.ended)
}

// PID returns the id of the process and of its group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed when the process has ended and its group is gone.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err waits for the end of the process and returns nil for exit code 0, else an *exec.ExitError or what went wrong
// while reading its output.
func (p *Process) Err() error {
	<-p.ended
	return p.err
}

// Running reports whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Stopped reports whether Signal, Stop or Kill was called: a process that ends without has crashed.
func (p *Process) Stopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// Signal sends sig to every process of the group; nothing happens when it has ended.
func (p *Process) Signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if !p.reaped {
		_ = syscall.Kill(-p.cmd.Process.Pid, sig)
	}
}

// Leader sends sig to the first process of the group alone.
func (p *Process) Leader(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if !p.reaped {
		_ = syscall.Kill(p.cmd.Process.Pid, sig)
	}
}

// Kill ends the group by SIGKILL and waits until it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.ended
}

// Stop asks the leader to end by sig, kills the group when that took longer than grace, and waits until it is gone.
func (p *Process) Stop(sig syscall.Signal, grace time.Duration) {
	p.Leader(sig)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		p.Kill()
	}
}
