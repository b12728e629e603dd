package main

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// bench stands in for a test's T, so that the clips of package ffmpegtest can be used outside of a test.
// It implements what they call; everything else of testing.TB panics.
type bench struct {
	testing.TB
	ctx  context.Context //nolint:containedctx // stands for T.Context
	root string
}

// failure is what Fatalf and Skipf panic with: it ends the program after clean-up.
type failure string

// newBench returns a bench whose temporary folders are deleted by the function returned.
func newBench() (*bench, func()) {
	root, err := os.MkdirTemp("", "reelmill-bench-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &bench{ctx: ctx, root: root}, func() {
		cancel()
		if err := os.RemoveAll(root); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
}

func (b *bench) Helper() {}

func (b *bench) Name() string { return "bench" }

func (b *bench) Context() context.Context { return b.ctx }

// Fatalf ends the program: no number is better than a wrong one.
func (b *bench) Fatalf(format string, args ...any) { panic(failure(fmt.Sprintf(format, args...))) }

// Skipf ends the program too: what is needed is missing.
func (b *bench) Skipf(format string, args ...any) { b.Fatalf(format, args...) }

// Logf writes to standard error.
func (b *bench) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// TempDir returns a new folder that lasts until the end of the program.
func (b *bench) TempDir() string {
	dir, err := os.MkdirTemp(b.root, "dir-*")
	if err != nil {
		b.Fatalf("make a folder: %v", err)
	}
	return dir
}
