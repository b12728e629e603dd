package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// stage is the set of components that are stopped together.
type stage struct {
	intake  context.Context //nolint:containedctx // the stage owns it: it is made and ended here
	stop    context.CancelCauseFunc
	work    context.Context //nolint:containedctx // as intake
	abort   context.CancelCauseFunc
	running []string // names
}

// result is how a component ended.
type result struct {
	component Component
	err       error
}

// group is one call of Run. Only the goroutine of that call touches it; the
// components' goroutines send to results.
type group struct {
	parent   context.Context //nolint:containedctx // lives for one call of Run
	cfg      Config
	log      *slog.Logger
	primary  *stage
	support  *stage
	results  chan result
	failures []error
}

func newGroup(ctx context.Context, cfg Config, components []Component) *group {
	cfg.Drain = cmp.Or(cfg.Drain, DefaultDrain)
	cfg.Cutoff = cmp.Or(cfg.Cutoff, DefaultCutoff)
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &group{
		parent: ctx, cfg: cfg, log: log, primary: newStage(ctx), support: newStage(ctx),
		// Buffered: a component that was left behind must not hang for ever when
		// it returns at last.
		results: make(chan result, len(components)),
	}
}

// newStage makes contexts that carry the values of ctx, but end only when the
// stage is stopped: supporting components outlive ctx.
func newStage(ctx context.Context) *stage {
	detached := context.WithoutCancel(ctx)
	s := &stage{}
	s.work, s.abort = context.WithCancelCause(detached)
	s.intake, s.stop = context.WithCancelCause(context.WithValue(detached, workKey{}, s.work))
	return s
}

func (g *group) stageOf(c Component) *stage {
	if c.Support {
		return g.support
	}
	return g.primary
}

func (g *group) start(c Component) {
	s := g.stageOf(c)
	s.running = append(s.running, c.Name)
	go func() {
		r := result{component: c, err: errGoexit}
		defer func() { g.results <- r }() // deferred: runtime.Goexit runs nothing else
		r.err = protect(s.intake, c.Run)
	}()
}

// errGoexit is what is left of a component that called runtime.Goexit.
var errGoexit = errors.New("its goroutine exited without returning")

// protect calls run and turns a panic into an error.
func protect(ctx context.Context, run func(context.Context) error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	return run(ctx)
}

// waitForReason returns why the group has to stop.
func (g *group) waitForReason() error {
	if len(g.primary.running) == 0 && len(g.support.running) == 0 {
		return ErrFinished
	}
	for {
		select {
		case <-g.parent.Done():
			return context.Cause(g.parent)
		case r := <-g.results:
			if failure := g.ended(r); failure != nil {
				return failure
			}
			if r.component.Finite && len(g.primary.running) == 0 {
				return ErrFinished
			}
		}
	}
}

// ended records how a component ended and returns its failure, if it was one.
func (g *group) ended(r result) error {
	s := g.stageOf(r.component)
	s.running = slices.DeleteFunc(s.running, func(name string) bool { return name == r.component.Name })
	stopped := s.intake.Err() != nil
	err := r.err
	switch {
	case err == nil && !stopped && !r.component.Finite:
		err = ErrReturned
	case stopped && s.work.Err() == nil && isEnd(err, s.intake):
		err = nil
	}
	if err == nil {
		return nil
	}
	failure := &ComponentError{Name: r.component.Name, Err: err}
	g.failures = append(g.failures, failure)
	return failure
}

// isEnd reports whether err says nothing but that ctx has ended.
func isEnd(err error, ctx context.Context) bool {
	for err != nil {
		if same(err, ctx.Err()) || same(err, context.Cause(ctx)) {
			return true
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // this link of the chain is meant
			all := joined.Unwrap()
			return len(all) > 0 && !slices.ContainsFunc(all, func(e error) bool { return !isEnd(e, ctx) })
		}
		err = errors.Unwrap(err)
	}
	return false
}

// same reports whether two errors are identical, without a panic for types that
// cannot be compared.
func same(a, b error) bool {
	return b != nil && reflect.TypeOf(b).Comparable() && a == b //nolint:errorlint // identity is meant
}

// drain stops s and waits for its components: for the drain period, then, their
// work cut off, for Cutoff.
func (g *group) drain(s *stage, reason error, period time.Duration) {
	s.stop(reason)
	defer s.abort(context.Canceled) // releases the contexts of Work
	deadline := time.NewTimer(period)
	defer deadline.Stop()
	cutNow := hardStop(g.parent)
	for len(s.running) > 0 && s.work.Err() == nil {
		select {
		case r := <-g.results:
			g.ended(r)
		case <-deadline.C:
			g.cut(s, ErrDrainExpired)
		case <-cutNow.Done():
			g.cut(s, context.Cause(cutNow))
		}
	}
	last := time.NewTimer(g.cfg.Cutoff)
	defer last.Stop()
	for len(s.running) > 0 {
		select {
		case r := <-g.results:
			g.ended(r)
		case <-last.C:
			g.abandon(s)
		}
	}
}

func (g *group) cut(s *stage, cause error) {
	g.log.WarnContext(g.parent, "cutting off work", slog.String("cause", cause.Error()),
		slog.String("components", strings.Join(s.running, ",")))
	s.abort(cause)
}

func (g *group) abandon(s *stage) {
	for _, name := range s.running {
		g.failures = append(g.failures, &ComponentError{Name: name, Err: ErrAbandoned})
	}
	s.running = nil
}

// PanicError is a panic that was turned into an error.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // stack of the goroutine, as by debug.Stack
}

// Error returns the value, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value if it is an error, and nil otherwise.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
