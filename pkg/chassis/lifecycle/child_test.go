package lifecycle

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"
)

// runChild starts this test binary as a program with the given mode, sends it
// SIGTERM after each of the given lines of its output, and returns its status
// and standard error.
func runChild(t *testing.T, mode string, after []string) (status int, stderr string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), "LIFECYCLE_TEST_CHILD="+mode)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if slices.Contains(after, lines.Text()) {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Errorf("signal child: %v", err)
			}
		}
	}
	// The status is what is asked for; Wait's error only repeats it.
	_ = cmd.Wait()
	if ctx.Err() != nil {
		t.Fatalf("child did not end: %v", context.Cause(ctx))
	}
	return cmd.ProcessState.ExitCode(), errs.String()
}
