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

// childRun says how a program is run.
type childRun struct {
	mode string
	// After each of these lines of its output the program gets the signals.
	after   []string
	signals []syscall.Signal
	// nohup says that the program begins with SIGHUP ignored.
	nohup bool
}

// runChild runs this test binary as a program and returns its status and
// standard error.
func runChild(t *testing.T, run childRun) (status int, stderr string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe)
	if run.nohup {
		cmd = exec.CommandContext(ctx, "/bin/sh", "-c", `trap "" HUP; exec "$0"`, exe)
	}
	cmd.Env = append(os.Environ(), "LIFECYCLE_TEST_CHILD="+run.mode)
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
		if !slices.Contains(run.after, lines.Text()) {
			continue
		}
		for _, s := range run.signals {
			if err := cmd.Process.Signal(s); err != nil {
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
