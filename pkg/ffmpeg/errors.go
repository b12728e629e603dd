package ffmpeg

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/reelmill/reelmill/pkg/core/task"
)

var (
	// ErrDrain is the cause to cancel a context with when the work should end gently: the program gets
	// SIGTERM and five seconds to close its files. Any other end of the context kills at once.
	ErrDrain = task.ErrDrain
	// ErrStalled means that the run showed no sign of life for Limits.Stall.
	ErrStalled = errors.New("no sign of life")
	// ErrWallClock means that the run took longer than Limits.Wall.
	ErrWallClock = errors.New("wall clock limit reached")
	// ErrStdoutLimit means that the program wrote more than Command.MaxStdoutBytes.
	ErrStdoutLimit = errors.New("standard output exceeds its limit")
	// ErrStdoutCut means that Command.Stdout was so slow that the end of what the program wrote was lost.
	ErrStdoutCut = errors.New("standard output was cut")
	// ErrIncomplete means that ffmpeg exited with 0 but never reported that it had finished.
	ErrIncomplete = errors.New("exited without reporting its end")
	// ErrNoSandbox means that the program did not call sandbox.Main before it used a Runner.
	ErrNoSandbox = errors.New("sandbox.Main was not called first in main or TestMain")
)

// Limit names a resource limit of the sandbox.
type Limit string

// The limits whose hits are recognised.
const (
	LimitCPU          Limit = "processor time"
	LimitFileSize     Limit = "file size"
	LimitAddressSpace Limit = "memory"
)

// ExitError says how a program ended that did not succeed.
type ExitError struct {
	Program Program
	// Code is the exit status, -1 where Signal ended the program.
	Code int
	// Signal is the signal that ended the program, 0 where it exited by itself.
	Signal syscall.Signal
	// Limit is the resource limit that it ran into, empty where none is recognised.
	Limit Limit
	// Stderr is the redacted tail of standard error, for logs.
	Stderr string
}

// Error returns the program, how it ended and the last line of standard error.
func (e *ExitError) Error() string {
	s := fmt.Sprintf("%s exited with %d", e.Program, e.Code)
	if e.Signal != 0 {
		s = fmt.Sprintf("%s was ended by signal %d (%s)", e.Program, int(e.Signal), e.Signal)
	}
	if e.Limit != "" {
		s += fmt.Sprintf(" at its limit of %s", e.Limit)
	}
	if line := lastLine(e.Stderr); line != "" {
		s += ": " + line
	}
	return s
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
