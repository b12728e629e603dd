package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
)

// pipeError says that nobody reads standard output any more.
type pipeError struct{ error }

func (e *pipeError) Unwrap() error { return e.error }

// ExitStatus is that of programs that SIGPIPE ends, as shells show it.
func (e *pipeError) ExitStatus() int { return 128 + int(syscall.SIGPIPE) }

// pipe calls broken when it is written to and nobody reads it any more.
type pipe struct {
	io.Writer
	broken func()
}

// Write writes to what the pipe is around. Its error is a *pipeError where nobody reads.
func (p *pipe) Write(b []byte) (int, error) {
	n, err := p.Writer.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		p.broken()
		err = &pipeError{err}
	}
	return n, err
}

// survivePipe lets the program outlive the reader of its output, as in 'reelmill process film.mp4 | head -1', for
// as long as it takes to clean up: SIGPIPE would kill it at once. The context that it returns ends then, with a
// *lifecycle.SignalError as cause. release restores the signal's effect.
func (e *environment) survivePipe(parent context.Context) (ctx context.Context, release func()) {
	// Nothing receives from the channel: SIGPIPE is sent for every connection that breaks too. The signal must not
	// be ignored either, since child processes would inherit that.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGPIPE)
	ctx, end := context.WithCancelCause(parent)
	if !e.terminal { // a terminal has no reader; drawing on it needs the file
		e.stdout = &pipe{e.stdout, func() { end(&lifecycle.SignalError{Signal: syscall.SIGPIPE}) }}
	}
	return ctx, func() {
		signal.Stop(signals)
		end(nil)
	}
}
