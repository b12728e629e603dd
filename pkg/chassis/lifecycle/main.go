package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
)

// Exit statuses of [Main].
const (
	StatusOK            = 0
	StatusFailure       = 1 // a failure at run time
	StatusMisconfigured = 2 // wrong configuration: a restart will not help
)

// SignalError is the cause of the end of the context of [Signals].
type SignalError struct {
	Signal os.Signal
}

// Error says which signal was received.
func (e *SignalError) Error() string { return fmt.Sprintf("received signal %q", e.Signal) }

// Signals returns a context that ends, with a [*SignalError] as cause, when
// SIGINT, SIGTERM or SIGHUP arrives. A second one cuts work off at once, with
// [ErrAborted]; a third has its usual effect and kills the process. SIGHUP, by
// which a closed terminal ends its programs, is left alone where it is ignored,
// as it is under nohup: the program is to go on without the terminal. Call stop
// when the context is no longer needed: it ends the context and restores the
// effect of the signals.
func Signals(parent context.Context) (ctx context.Context, stop context.CancelFunc) {
	received := make(chan os.Signal, 2)
	signal.Notify(received, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // Notify would end that
		signal.Notify(received, syscall.SIGHUP)
	}
	return watch(parent, received, func() { signal.Stop(received) })
}

// watch is Signals for any source of signals. restore is called once.
func watch(parent context.Context, received <-chan os.Signal, restore func()) (context.Context, context.CancelFunc) {
	hard, abort := context.WithCancelCause(context.WithoutCancel(parent))
	ctx, end := context.WithCancelCause(context.WithValue(parent, workKey{}, hard))
	restoreOnce := sync.OnceFunc(restore)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case s := <-received:
			end(&SignalError{Signal: s})
		case <-quit:
			return
		}
		select {
		case <-received:
			restoreOnce()
			abort(ErrAborted)
		case <-quit:
		}
	}()
	return ctx, sync.OnceFunc(func() {
		close(quit)
		<-ended
		restoreOnce()
		end(context.Canceled)
		abort(context.Canceled)
	})
}

// statusError attaches an exit status to an error.
type statusError struct {
	error
	status int
}

func (e *statusError) Unwrap() error   { return e.error }
func (e *statusError) ExitStatus() int { return e.status }

// Misconfigured returns err marked as a matter of configuration, for which
// [Main] returns [StatusMisconfigured]. The text does not change; nil stays nil.
func Misconfigured(err error) error {
	if err == nil {
		return nil
	}
	return &statusError{error: err, status: StatusMisconfigured}
}

// Main calls run with the context of [Signals] and returns the status for
// os.Exit: StatusOK if run returns nil or, after a signal, nothing but the end
// of its context; the status of an error in the chain that has a method
// ExitStatus() int, such as *env.Error; StatusFailure otherwise. The error, and
// the stack of a panic, are written to standard error. A panic in run itself is
// an error too: Go's own status for it would be 2.
func Main(run func(ctx context.Context) error) int {
	ctx, stop := Signals(context.Background())
	defer stop()
	return report(os.Stderr, filepath.Base(os.Args[0]), end(ctx, protect(ctx, run)))
}

// end is err, or nil if err says nothing but that ctx has ended.
func end(ctx context.Context, err error) error {
	if ctx.Err() != nil && hardStop(ctx).Err() == nil && isEnd(err, ctx) {
		return nil
	}
	return err
}

// exitStatus is implemented by errors that choose the status of the process.
// The method is not called ExitCode: *exec.ExitError has that one, and the
// status of a child process is not ours.
type exitStatus interface {
	error
	ExitStatus() int
}

// report writes err and returns the status for it.
func report(w io.Writer, program string, err error) int {
	if err == nil {
		return StatusOK
	}
	text := fmt.Sprintf("%s: %v\n", program, err)
	for _, p := range panics(err) {
		text += fmt.Sprintf("%v\n%s", p, p.Stack)
	}
	// There is nowhere to report that standard error cannot be written.
	_, _ = io.WriteString(w, text)
	if chosen, ok := errors.AsType[exitStatus](err); ok {
		return chosen.ExitStatus()
	}
	return StatusFailure
}

// panics returns every PanicError in the tree of err.
func panics(err error) []*PanicError {
	switch e := err.(type) { //nolint:errorlint // the tree is walked by hand to find all, not the first
	case nil:
		return nil
	case *PanicError:
		return []*PanicError{e}
	case interface{ Unwrap() []error }:
		var all []*PanicError
		for _, inner := range e.Unwrap() {
			all = append(all, panics(inner)...)
		}
		return all
	}
	return panics(errors.Unwrap(err))
}
