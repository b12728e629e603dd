package child_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/test/servers/internal/child"
)

// roleVariable makes this test program play a part in its own tests.
const roleVariable = "CHILD_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	goleak.VerifyTestMain(m)
}

// play starts a process through the package, prints its id, and ends as the role says.
func play(role string) int {
	spawner := child.NewSpawner()
	if role == "adopt" {
		if err := child.AdoptOrphans(); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	script := "echo $$; exec sleep 1000"
	if role == "adopt" {
		script = "setsid sh -c 'echo $$; exec sleep 1000' & wait" // leaves the group
	}
	r, w, err := os.Pipe()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	p, err := spawner.Start(child.Command{Path: "/bin/sh", Args: []string{"-c", script}, Env: os.Environ(), Stdout: w})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Print(line)
	switch role {
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "adopt":
		p.Kill()
		spawner.Close()
		if err := child.KillOrphans(patience); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	return 0
}

const patience = 10 * time.Second

// gone waits until no process has this id.
func gone(t *testing.T, pid int) {
	t.Helper()
	testenv.Eventually(t, patience, func() error {
		if alive(pid) {
			return fmt.Errorf("process %d is still there", pid)
		}
		return nil
	})
}

// alive reports whether a process runs; a zombie does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func TestProcessesDoNotOutliveTheirProgram(t *testing.T) {
	for role, what := range map[string]string{
		"die":   "a program that is killed",
		"adopt": "a daemon that left its group",
	} {
		t.Run(what, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), roleVariable+"="+role)
			out, err := cmd.Output()
			pid, parse := strconv.Atoi(strings.TrimSpace(string(out)))
			if parse != nil {
				t.Fatalf("the program printed %q (%v)", out, err)
			}
			if role == "adopt" && err != nil {
				t.Errorf("the program ended with %v", err)
			}
			gone(t, pid)
		})
	}
}

// startShell runs a script that prints a line when it is ready; it returns the process and that line.
func startShell(t *testing.T, script string) (*child.Process, string) {
	t.Helper()
	spawner := child.NewSpawner()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := spawner.Start(child.Command{Path: "/bin/sh", Args: []string{"-c", script}, Env: os.Environ(), Stdout: w})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		spawner.Close()
		_, _ = r.Close(), w.Close()
	})
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return p, strings.TrimSpace(line)
}

func TestTheGroupEndsWithItsLeader(t *testing.T) {
	p, line := startShell(t, "sleep 1000 & echo $!; exec 1>&-; kill -9 $$")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Err(); err == nil {
		t.Error("Err = nil of a process that was killed")
	}
	gone(t, pid)
	if p.Stopped() {
		t.Error("Stopped = true although nobody asked it to end")
	}
}

func TestStop(t *testing.T) {
	t.Run("asks first", func(t *testing.T) {
		p, _ := startShell(t, "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done")
		p.Stop(syscall.SIGTERM, patience)
		if exit, ok := errors.AsType[*exec.ExitError](p.Err()); !ok || exit.ExitCode() != 3 {
			t.Errorf("Err = %v, want the exit code of its own handler", p.Err())
		}
		if !p.Stopped() || p.Running() {
			t.Errorf("Stopped = %t, Running = %t", p.Stopped(), p.Running())
		}
	})
	t.Run("kills what does not listen", func(t *testing.T) {
		p, _ := startShell(t, "trap '' TERM; echo ready; while :; do sleep 0.01; done")
		p.Stop(syscall.SIGTERM, 50*time.Millisecond)
		exit, ok := errors.AsType[*exec.ExitError](p.Err())
		if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("Err = %v, want killed", p.Err())
		}
	})
}

func TestStartErrors(t *testing.T) {
	spawner := child.NewSpawner()
	if _, err := spawner.Start(child.Command{Path: "/nowhere/at/all"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Start = %v, want it to say that there is no such program", err)
	}
	spawner.Close()
	if _, err := spawner.Start(child.Command{Path: "/bin/true"}); !errors.Is(err, child.ErrClosed) {
		t.Errorf("Start after Close = %v, want ErrClosed", err)
	}
}

func TestSlotKnowsACrashFromAStop(t *testing.T) {
	var slot child.Slot
	slot.Kill() // nothing yet
	if slot.PID() != 0 || slot.Crashed() {
		t.Errorf("empty: PID %d, Crashed %t", slot.PID(), slot.Crashed())
	}
	p, _ := startShell(t, "echo ready; exec sleep 1000")
	slot.Put(p)
	if slot.PID() != p.PID() || slot.Crashed() {
		t.Errorf("running: PID %d, Crashed %t, want %d, false", slot.PID(), slot.Crashed(), p.PID())
	}
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	if slot.PID() != 0 || !slot.Crashed() {
		t.Errorf("killed from outside: PID %d, Crashed %t, want 0, true", slot.PID(), slot.Crashed())
	}
	p, _ = startShell(t, "echo ready; exec sleep 1000")
	slot.Put(p)
	slot.Kill()
	if slot.PID() != 0 || slot.Crashed() {
		t.Errorf("killed by us: PID %d, Crashed %t, want 0, false", slot.PID(), slot.Crashed())
	}
}
