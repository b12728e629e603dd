package ffmpeg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
)

const (
	// defaultGrace is how long a program told to end may take to close its files.
	defaultGrace = 5 * time.Second

	// defaultMaxStdout is the bound of standard output where a Command names none.
	defaultMaxStdout = 16 << 20

	// Media work yields to the services beside it, and is what the kernel kills first when memory runs
	// out: a killed ffmpeg is one failed attempt, a killed worker is all of its attempts.
	childNice        = 10
	childOOMScoreAdj = 800
)

// Config adjusts a Runner; the zero value is good.
type Config struct {
	// Limits are what zero fields of a Command's Limits mean; its own zero fields mean DefaultLimits.
	Limits Limits
	// DrainGrace is how long a program may take to end when its context ended with ErrDrain; 0 means 5 s.
	DrainGrace time.Duration
}

// Runner runs programs. It is safe for concurrent use; it holds no process between runs.
type Runner struct {
	tools  Tools
	limits Limits
	grace  time.Duration
}

// NewRunner returns a runner of the given tools. It does no I/O.
func NewRunner(tools Tools, cfg Config) (*Runner, error) {
	for _, p := range []Program{FFmpeg, FFprobe} {
		if _, err := tools.path(p); err != nil {
			return nil, err
		}
	}
	return &Runner{
		tools:  tools,
		limits: cfg.Limits.or(DefaultLimits()),
		grace:  cmp.Or(cfg.DrainGrace, defaultGrace),
	}, nil
}

// Tools returns what the runner runs.
func (r *Runner) Tools() Tools { return r.tools }

// Run runs c to its end and returns what it cost, also with an error. When Run returns, no process of
// the command's group is left and OnProgress and Stdout are not called again.
//
// A context that ends kills the process group at once, or gently where its cause is ErrDrain; the
// error then wraps the cause. Errors and their codes: ErrStalled (ffmpeg_stalled), ErrWallClock and a
// context's deadline (task_timeout), an *ExitError whose Limit is set and ErrStdoutLimit
// (limit_exceeded), any other *ExitError, ErrIncomplete and ErrStdoutCut (ffmpeg_failed), a program that
// cannot be started (ffmpeg_missing), ErrNoSandbox (internal). An error of Stdout keeps its own code.
func (r *Runner) Run(ctx context.Context, c Command) (Result, error) {
	return r.run(ctx, c, c.Program == FFmpeg)
}

func (r *Runner) run(ctx context.Context, c Command, progress bool) (Result, error) {
	if !sandbox.Ready() {
		return Result{}, fault.Wrap(fault.CodeInternal, ErrNoSandbox, "%s cannot be started", c.Program)
	}
	if ctx.Err() != nil {
		return Result{}, stopped(ctx, c.Program)
	}
	c.Limits = c.Limits.or(r.limits)
	p, err := r.newProcess(c, progress)
	if err != nil {
		return Result{}, err
	}
	defer p.close()

	// The death signal of the child follows the thread that started it, not the process: the thread
	// stays until the child has ended.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	started := time.Now()
	if err := p.start(); err != nil {
		return Result{}, fault.Wrap(fault.CodeFFmpegFailed, err, "%s cannot be started", c.Program)
	}
	p.wait(ctx)
	res := p.result()
	res.Wall = time.Since(started)
	return res, p.outcome(res)
}

// stopped returns the error of a run that its context ended.
func stopped(ctx context.Context, p Program) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.DeadlineExceeded) {
		return fault.Wrap(fault.CodeTaskTimeout, cause, "%s did not finish in time", p)
	}
	return fmt.Errorf("%s was stopped: %w", p, cause)
}

// or returns l with its zero fields taken from d, and CPU derived where neither says it.
func (l Limits) or(d Limits) Limits {
	return Limits{
		Wall:              cmp.Or(l.Wall, d.Wall),
		Stall:             cmp.Or(l.Stall, d.Stall),
		CPU:               cmp.Or(l.CPU, d.CPU),
		AddressSpaceBytes: cmp.Or(l.AddressSpaceBytes, d.AddressSpaceBytes),
		FileBytes:         cmp.Or(l.FileBytes, d.FileBytes),
		OpenFiles:         cmp.Or(l.OpenFiles, d.OpenFiles),
	}
}

// cpu returns the bound of processor time, 0 for none. Limits are complete here.
func (l Limits) cpu() time.Duration {
	n := time.Duration(runtime.NumCPU())
	if l.CPU == 0 && l.Wall > 0 && l.Wall < math.MaxInt64/n {
		return l.Wall * n
	}
	return max(l.CPU, 0)
}

// spec returns the sandbox of a run of path.
func (c Command) spec(path string, args []string, statusFD int) sandbox.Spec {
	return sandbox.Spec{
		Path: path, Args: args, StatusFD: statusFD,
		AddressSpaceBytes: c.Limits.AddressSpaceBytes,
		FileBytes:         c.Limits.FileBytes,
		OpenFiles:         c.Limits.OpenFiles,
		CPU:               c.Limits.cpu(),
		Nice:              childNice,
		OOMScoreAdj:       childOOMScoreAdj,
	}
}

// environ is the whole environment of a child: nothing of the worker's own, which holds secrets.
func environ(tempDir string) []string {
	path := os.Getenv("PATH")
	if path == "" {
		path = "/usr/local/bin:/usr/bin:/bin"
	}
	return []string{"PATH=" + path, "TMPDIR=" + cmp.Or(tempDir, os.TempDir()), "LC_ALL=C.UTF-8"}
}
