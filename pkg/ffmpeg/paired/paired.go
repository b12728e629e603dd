// Package paired compares two ways of doing the same media work by processor time, side by side in one run: it is
// what the benchmark programs of workers have in common. Wall time says as much about a machine's other work,
// and is measured to be reported only.
package paired

import (
	"context"
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
)

// Usage is what a piece of work cost.
type Usage struct {
	// CPU is user and system time of this process and of every child that ended meanwhile; Self is the part of
	// this process.
	CPU, Self, Wall time.Duration
}

// Measure returns the cost of work. Nothing else may run in the process meanwhile.
func Measure(work func()) Usage {
	warm()
	start, self, all := time.Now(), spent(syscall.RUSAGE_SELF), spent(syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN)
	work()
	return Usage{Wall: time.Since(start), Self: spent(syscall.RUSAGE_SELF) - self, CPU: spent(syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN) - all}
}

// spent returns user and system time.
func spent(who ...int) time.Duration {
	var sum time.Duration
	for _, w := range who {
		var r syscall.Rusage
		if err := syscall.Getrusage(w, &r); err != nil {
			panic(err) // there is no such failure with these arguments
		}
		sum += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return sum
}

// Median returns the middle of the values, 0 where there are none.
func Median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	switch n := len(v); {
	case n == 0:
		return 0
	case n%2 == 0:
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// Bench stands in for testing.TB in a program. It ends the program where a test would fail: no number is better
// than a wrong one.
type Bench struct {
	testing.TB                 // what is not implemented here panics
	ctx        context.Context //nolint:containedctx // as testing.TB has it
	root       string
}

// Failure is what Fatalf panics with.
type Failure string

// New returns a bench whose temporary folders are deleted by the function returned.
func New() (*Bench, func()) {
	root, err := os.MkdirTemp("", "reelmill-bench-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Bench{ctx: ctx, root: root}, func() {
		cancel()
		if err := os.RemoveAll(root); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
}

// Run calls work and returns its exit status, 1 where Fatalf was called.
func (b *Bench) Run(work func() int) (status int) {
	defer func() {
		switch f := recover().(type) {
		case nil:
		case Failure:
			fmt.Fprintln(os.Stderr, "bench:", f)
			status = 1
		default:
			panic(f)
		}
	}()
	return work()
}

// Helper does nothing.
func (b *Bench) Helper() {}

// Name returns "bench".
func (b *Bench) Name() string { return "bench" }

// Context returns a context that ends with the bench.
func (b *Bench) Context() context.Context { return b.ctx }

// Fatalf ends the work that Run was given.
func (b *Bench) Fatalf(format string, args ...any) { panic(Failure(fmt.Sprintf(format, args...))) }

// Skipf ends it too: what is needed is missing.
func (b *Bench) Skipf(format string, args ...any) { b.Fatalf(format, args...) }

// Logf writes to standard error.
func (b *Bench) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// TempDir returns a new folder that lasts until the end of the program.
func (b *Bench) TempDir() string {
	dir, err := os.MkdirTemp(b.root, "dir-*")
	if err != nil {
		b.Fatalf("make a folder: %v", err)
	}
	return dir
}

// Check ends the work if err is not nil.
func (b *Bench) Check(what string, err error) {
	if err != nil {
		b.Fatalf("%s: %v", what, err)
	}
}
