package ffmpeg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
)

// pipeGrace is how long pipes may stay open once the program has ended. Its group is killed by then,
// so they close at once unless something left the group, or what takes in standard output is held up.
const pipeGrace = 2 * time.Second

// process is one run, from start to the end of its group.
type process struct {
	c        Command
	progress bool
	grace    time.Duration

	cmd    *exec.Cmd
	stderr *ring
	stdout *boundedWriter
	// The read ends of the pipes are ours; the write ends go to the child.
	progressRead, progressWrite *os.File
	statusRead, statusWrite     *os.File

	mu     sync.Mutex
	ended  bool // the leader has exited; its id may be another's as soon as it is reaped
	last   Progress
	reason error // why the run was stopped, nil where it ended by itself
	status string
	cut    bool // the end of standard output was lost
}

func (r *Runner) newProcess(c Command, progress bool) (*process, error) {
	path, err := r.tools.path(c.Program)
	if err != nil {
		return nil, err
	}
	p := &process{c: c, progress: progress, grace: r.grace, stderr: &ring{}}
	if err := p.pipes(); err != nil {
		p.close()
		return nil, fault.Wrap(fault.CodeFFmpegFailed, err, "%s cannot be started", c.Program)
	}
	args, files := c.Args, []*os.File{p.statusWrite}
	if progress {
		// ExtraFiles begin at descriptor 3.
		args = append([]string{"-progress", "pipe:3", "-nostats", "-stats_period", "0.5"}, args...)
		files = []*os.File{p.progressWrite, p.statusWrite}
	}
	exe, argv, err := sandbox.Wrap(c.spec(path, args, 2+len(files)))
	if err != nil {
		p.close()
		return nil, fault.Wrap(fault.CodeInternal, err, "%s cannot be started", c.Program)
	}
	p.cmd = &exec.Cmd{
		Path: exe, Args: argv, Dir: cmp.Or(c.Dir, os.TempDir()), Env: environ(c.Dir),
		Stderr: p.stderr, ExtraFiles: files, SysProcAttr: childAttr(), WaitDelay: pipeGrace,
	}
	if c.Stdout != nil {
		p.stdout = &boundedWriter{w: c.Stdout, left: cmp.Or(c.MaxStdoutBytes, defaultMaxStdout), failed: make(chan struct{})}
		p.cmd.Stdout = p.stdout
	}
	return p, nil
}

func (p *process) pipes() (err error) {
	if p.statusRead, p.statusWrite, err = os.Pipe(); err != nil {
		return err
	}
	if p.progress {
		p.progressRead, p.progressWrite, err = os.Pipe()
	}
	return err
}

// close closes what is still open of the pipes.
func (p *process) close() {
	for _, f := range []*os.File{p.statusRead, p.statusWrite, p.progressRead, p.progressWrite} {
		if f != nil {
			_ = f.Close() // a second close of a write end is an error that says nothing
		}
	}
}

func (p *process) start() error {
	err := p.cmd.Start()
	// Whatever came of it, the child's ends are not ours: a pipe ends when its last writer has closed.
	_ = p.statusWrite.Close()
	if p.progress {
		_ = p.progressWrite.Close()
	}
	return err
}

// wait returns when the program has ended, nothing of its group is left, and its output is read or cut.
func (p *process) wait(ctx context.Context) {
	var readers, supervisor sync.WaitGroup
	if p.progress {
		readers.Go(func() { readProgress(p.progressRead, p.report) })
	}
	exited := make(chan struct{})
	supervisor.Go(func() { p.supervise(ctx, exited) })

	awaitExit(p.cmd.Process.Pid)
	p.mu.Lock()
	p.ended = true
	// The leader is not reaped yet, so the group's id cannot be another's.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.mu.Unlock()
	close(exited)
	supervisor.Wait()

	// The other errors of Wait repeat what ProcessState and the writers say. Standard error may end early: what it
	// is kept for is its end, which the program had written before it exited.
	p.cut = errors.Is(p.cmd.Wait(), exec.ErrWaitDelay) && p.stdout != nil
	awaitGroupEnd(p.cmd.Process.Pid)
	if p.progress {
		_ = p.progressRead.SetReadDeadline(time.Now().Add(pipeGrace))
	}
	_ = p.statusRead.SetReadDeadline(time.Now().Add(pipeGrace))
	status, _ := io.ReadAll(io.LimitReader(p.statusRead, 4<<10))
	p.status = string(status)
	readers.Wait()
}

// report takes in one progress report. It runs on the reader's goroutine.
func (p *process) report(pr Progress) {
	p.mu.Lock()
	p.last = pr
	p.mu.Unlock()
	if p.c.OnProgress != nil {
		p.c.OnProgress(pr)
	}
}

// supervise ends the run when its context, its clocks or its output say so, and returns when the
// program has exited.
func (p *process) supervise(ctx context.Context, exited <-chan struct{}) {
	dog := newWatchdog(max(p.c.Limits.Stall, 0), p.watchesCPU(), time.Now())
	tick := time.NewTicker(dog.interval())
	defer tick.Stop()
	var wall <-chan time.Time
	if p.c.Limits.Wall > 0 {
		t := time.NewTimer(p.c.Limits.Wall)
		defer t.Stop()
		wall = t.C
	}
	var overflow <-chan struct{}
	if p.stdout != nil {
		overflow = p.stdout.failed
	}
	for p.reason == nil {
		select {
		case <-exited:
			return
		case <-ctx.Done():
			p.reason = stopped(ctx, p.c.Program)
			p.end(errors.Is(context.Cause(ctx), ErrDrain), exited)
		case <-wall:
			p.reason = fault.Wrap(fault.CodeTaskTimeout, ErrWallClock, "%s took longer than %v", p.c.Program, p.c.Limits.Wall)
			p.end(false, exited)
		case <-overflow:
			p.reason = p.stdout.failure(p.c.Program)
			p.end(false, exited)
		case <-tick.C:
			if dog.stalled(time.Now(), p.life(dog)) {
				p.reason = fault.Wrap(fault.CodeFFmpegStalled, ErrStalled, "%s showed no progress for %v", p.c.Program, p.c.Limits.Stall)
				p.end(false, exited)
			}
		}
	}
	<-exited
}

func (p *process) watchesCPU() bool {
	return p.c.Watch == WatchCPU || p.c.Watch == WatchAuto && !p.progress
}

// life returns what the run has done so far. Counting the whole group's processor time means reading
// every process of the system, so that is done only where the leader's own says nothing new.
func (p *process) life(dog *watchdog) life {
	p.mu.Lock()
	l := life{outTime: p.last.OutTime, frame: p.last.Frame}
	p.mu.Unlock()
	if dog.useCPU {
		if l.cpu = processCPU(p.cmd.Process.Pid); l.cpu <= dog.best.cpu {
			l.cpu = groupCPU(p.cmd.Process.Pid)
		}
	}
	return l
}

// end signals the group: at once with SIGKILL, or gently first.
func (p *process) end(gently bool, exited <-chan struct{}) {
	if gently {
		p.signal(syscall.SIGTERM)
		grace := time.NewTimer(p.grace)
		defer grace.Stop()
		select {
		case <-exited:
			return
		case <-grace.C:
		}
	}
	p.signal(syscall.SIGKILL)
}

func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		_ = syscall.Kill(-p.cmd.Process.Pid, s) // fails only where the group is gone
	}
}

// boundedWriter passes on what a program writes until a bound or an error; it then closes failed.
type boundedWriter struct {
	w      io.Writer
	left   int64 // negative: no bound
	err    error
	failed chan struct{}
}

// Write is called by one goroutine, which has ended when the run has.
func (b *boundedWriter) Write(data []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	var err error
	if b.left >= 0 && int64(len(data)) > b.left {
		err = ErrStdoutLimit
	} else if _, err = b.w.Write(data); err == nil && b.left >= 0 {
		b.left -= int64(len(data))
	}
	if err != nil {
		b.err = err
		close(b.failed)
		return 0, err
	}
	return len(data), nil
}

// failure returns why writing ended. It must only be called after failed is closed.
func (b *boundedWriter) failure(p Program) error {
	if errors.Is(b.err, ErrStdoutLimit) {
		return fault.Wrap(fault.CodeLimitExceeded, b.err, "%s wrote more than is accepted", p)
	}
	return fmt.Errorf("take in what %s writes: %w", p, b.err)
}
