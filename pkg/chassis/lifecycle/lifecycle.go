// Package lifecycle starts and stops the parts of a process together.
//
// Stopping has two steps. First the intake ends: every component is told, by
// the end of the context it runs with, to take no new work. Then work in hand
// may finish, for a drain period; what is left is cut off, with a cause. A
// component that respects neither is left behind and named in the error, so a
// process always ends.
//
// A component takes new work while its context lasts and does the work itself
// under the context that [Work] makes from it:
//
//	func (c *Consumer) Run(intake context.Context) error {
//		work, release := lifecycle.Work(intake, 0)
//		defer release()
//		… // fetch until intake.Done(), handle under work, wait for the handlers
//		return nil
//	}
//
// The main of a program is [Main] around a function that loads the
// configuration, builds the components and returns [Run].
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Defaults of [Config]. Together with the end of supporting components they
// stay just within the 30 seconds that Kubernetes and Docker Compose files
// commonly give a process before they kill it.
const (
	DefaultDrain  = 25 * time.Second
	DefaultCutoff = 1500 * time.Millisecond
)

// Component is one part of a process.
type Component struct {
	// Name is what logs and errors call it. Names in one Run are distinct.
	Name string
	// Run does the component's work and returns when all of it, goroutines
	// included, has ended. It takes no new work once intake has ended; its cause
	// says why. After that, nil means a clean end, and so does an error that is
	// nothing but the end of intake, unless work had to be cut off.
	Run func(intake context.Context) error
	// Finite says that the component may return nil at any time and that the
	// others go on without it. Of any other component that is a failure,
	// [ErrReturned]: a process whose consumer has ended silently looks alive and
	// does nothing.
	Finite bool
	// Support says that the other components need this one until they have
	// ended: the operations server, a broker connection, a relay of results. It
	// is stopped after all others have returned.
	Support bool
}

// Config adjusts [Run]. The zero value is usable.
type Config struct {
	// Drain is how long work may go on after the stop. 0 means DefaultDrain.
	Drain time.Duration
	// Cutoff is how long components may take to return after their work was cut
	// off. 0 means DefaultCutoff. Supporting components get it twice: to finish,
	// and to return after that.
	Cutoff time.Duration
	// OnStop, if set, is called once when the stop begins, before any intake
	// ends: the place to let readiness fail. It must not block.
	OnStop func()
	// Log, if set, receives the steps of the stop.
	Log *slog.Logger
}

var (
	// ErrReturned is the failure of a component that is not Finite and returned
	// nil before it was asked to stop.
	ErrReturned = errors.New("returned before it was asked to stop")
	// ErrDrainExpired is the cause with which work is cut off when the drain
	// period is over.
	ErrDrainExpired = errors.New("drain period expired")
	// ErrAborted is the cause with which work is cut off at once: a second
	// signal arrived.
	ErrAborted = errors.New("aborted by a second signal")
	// ErrAbandoned is the failure of a component that had not returned when
	// Cutoff was over. Its goroutines still run.
	ErrAbandoned = errors.New("did not return after its work was cut off")
	// ErrFinished is the cause of the stop when every Finite component is done
	// and no others are left.
	ErrFinished = errors.New("all components have finished")
)

// ComponentError is the failure of one component.
type ComponentError struct {
	Name string
	Err  error
}

// Error returns the name and the failure.
func (e *ComponentError) Error() string { return e.Name + ": " + e.Err.Error() }

// Unwrap returns the failure.
func (e *ComponentError) Unwrap() error { return e.Err }

// Run starts all components and returns when all have ended. It stops them when
// ctx ends, when one fails, or when only supporting ones are left. Failures,
// panics included, are returned as [*ComponentError] values joined by
// [errors.Join], in the order in which they happened; the result of a clean
// stop is nil.
//
// Run returns no later than Drain + 3*Cutoff after the stop begins. Runs nest:
// when the work context of an outer Run is cut off, so is the inner one's work.
// The values of ctx reach every component.
func Run(ctx context.Context, cfg Config, components ...Component) error {
	if err := check(components); err != nil {
		return err
	}
	r := newGroup(ctx, cfg, components)
	for _, c := range components {
		r.start(c)
	}
	reason := r.waitForReason()
	r.log.InfoContext(ctx, "stopping", slog.String("reason", reason.Error()), slog.Float64("drain_seconds", r.cfg.Drain.Seconds()))
	if r.cfg.OnStop != nil {
		r.cfg.OnStop()
	}
	r.drain(r.primary, reason, r.cfg.Drain)
	r.drain(r.support, reason, r.cfg.Cutoff)
	r.log.InfoContext(ctx, "stopped", slog.Int("failures", len(r.failures)))
	return errors.Join(r.failures...)
}

// check refuses components that could not be told apart or run.
func check(components []Component) error {
	seen := map[string]bool{}
	for i, c := range components {
		switch {
		case c.Name == "":
			return fmt.Errorf("run components: number %d has no name", i+1)
		case c.Run == nil:
			return fmt.Errorf("run components: %s has no Run", c.Name)
		case seen[c.Name]:
			return fmt.Errorf("run components: two are called %s", c.Name)
		}
		seen[c.Name] = true
	}
	if len(components) == 0 {
		return errors.New("run components: there are none")
	}
	return nil
}
