package lifecycle

import (
	"context"
	"time"
)

// workKey is the context key of the context at whose end work is cut off.
type workKey struct{}

// hardStop returns the context at whose end work under ctx is cut off; it never
// ends if nobody set one.
func hardStop(ctx context.Context) context.Context {
	if hard, ok := ctx.Value(workKey{}).(context.Context); ok {
		return hard
	}
	return context.Background()
}

// Work returns the context for work that was begun while intake lasted and may
// go on after it. It carries the values of intake, and it ends
//   - limit after intake has ended, with the cause [ErrDrainExpired]; a limit of
//     0 sets no limit of its own;
//   - when the [Run] that gave intake cuts work off, with the cause
//     [ErrDrainExpired], or when a second signal reaches [Signals], with the
//     cause [ErrAborted];
//   - when release is called. Call it when the work is done.
//
// If intake comes neither from Run nor from Signals and limit is 0, work ends
// with intake: there is nobody else to end it.
func Work(intake context.Context, limit time.Duration) (work context.Context, release context.CancelFunc) {
	work, cancel := context.WithCancelCause(context.WithoutCancel(intake))
	hard, managed := intake.Value(workKey{}).(context.Context)
	unlinkHard := func() bool { return true }
	if managed {
		unlinkHard = context.AfterFunc(hard, func() { cancel(context.Cause(hard)) })
	}
	if managed && limit <= 0 {
		return work, func() { unlinkHard(); cancel(nil) }
	}
	unlinkIntake := context.AfterFunc(intake, func() {
		if limit <= 0 {
			cancel(context.Cause(intake))
			return
		}
		timer := time.AfterFunc(limit, func() { cancel(ErrDrainExpired) })
		context.AfterFunc(work, func() { timer.Stop() })
	})
	return work, func() { unlinkIntake(); unlinkHard(); cancel(nil) }
}
