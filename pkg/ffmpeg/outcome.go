package ffmpeg

import (
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// result returns what the run cost. It must only be called after wait.
func (p *process) result() Result {
	st := p.cmd.ProcessState
	res := Result{
		ExitCode: st.ExitCode(),
		UserCPU:  st.UserTime(), SystemCPU: st.SystemTime(),
		Progress: p.last,
		Stderr:   redact(p.stderr.text(), append([]string{p.c.Dir}, p.c.Args...)),
	}
	if u, ok := st.SysUsage().(*syscall.Rusage); ok {
		res.MaxRSSBytes = maxRSSBytes(u)
	}
	return res
}

// outcome returns the error of the run, nil for a success.
func (p *process) outcome(res Result) error {
	switch {
	case p.status != "":
		return p.notStarted()
	case p.reason != nil:
		return p.reason
	case p.stdout != nil && p.stdout.err != nil:
		return p.stdout.failure(p.c.Program)
	case res.ExitCode != 0:
		return p.exitError(res)
	case p.cut:
		return fault.Wrap(fault.CodeFFmpegFailed, ErrStdoutCut, "not all that %s wrote was taken in", p.c.Program)
	case p.progress && !res.Progress.Ended && !p.c.EndUnseen:
		return fault.Wrap(fault.CodeFFmpegFailed, ErrIncomplete, "%s ended early", p.c.Program)
	}
	return nil
}

// notStarted returns the error that the sandbox left on its status pipe.
func (p *process) notStarted() error {
	code := fault.CodeFFmpegFailed
	if strings.HasPrefix(p.status, "exec: ") {
		code = fault.CodeFFmpegMissing
	}
	return fault.Wrap(code, errors.New(strings.TrimSpace(p.status)), "%s cannot be started", p.c.Program)
}

func (p *process) exitError(res Result) error {
	e := &ExitError{Program: p.c.Program, Code: res.ExitCode, Stderr: res.Stderr}
	if ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = ws.Signal()
	}
	e.Limit = limitHit(e, res.UserCPU+res.SystemCPU, p.c.Limits)
	if e.Limit != "" {
		return fault.Wrap(fault.CodeLimitExceeded, e, "%s reached its limit of %s", p.c.Program, e.Limit)
	}
	return fault.Wrap(fault.CodeFFmpegFailed, e, "%s failed", p.c.Program)
}

// limitHit tells which limit ended the program. A limit of memory shows only in what the program says.
func limitHit(e *ExitError, cpu time.Duration, l Limits) Limit {
	says := func(s string) bool { return strings.Contains(e.Stderr, s) }
	switch {
	case e.Signal == syscall.SIGXCPU, outOfCPU(e, cpu, l.cpu()):
		return LimitCPU
	case e.Signal == syscall.SIGXFSZ, l.FileBytes > 0 && says("File too large"):
		return LimitFileSize
	case says("exceeds max_streams"):
		return "" // ffmpeg says that it cannot allocate memory where it has counted too many streams
	case l.AddressSpaceBytes > 0 && (says("Cannot allocate memory") || says("failed to map segment")):
		return LimitAddressSpace
	}
	return ""
}

// outOfCPU reports whether a program used up its processor time. ffmpeg turns SIGXCPU into a gentle end
// with status 255; what overlooks it is killed. The kernel holds limits against time counted in ticks,
// which runs ahead of the exact time told afterwards by up to a tenth, or half a second of short ones.
func outOfCPU(e *ExitError, cpu, limit time.Duration) bool {
	const gentle = 255
	if limit <= 0 || e.Code != gentle && e.Signal != syscall.SIGKILL {
		return false
	}
	return cpu >= limit-max(limit/10, 500*time.Millisecond)
}
