package child

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// AdoptOrphans makes this program the parent of every descendant whose own parent ends, so that KillOrphans finds
// processes that made themselves daemons.
func AdoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the reaper of orphaned processes: %w", err)
	}
	return nil
}

// KillOrphans kills every child of this program, and the children that these leave, until there is none, and returns
// an error if some are left after timeout. It also reaps, so it must be called when no Process is waited for any more.
func KillOrphans(timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	for {
		for _, pid := range children() {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if errors.Is(err, unix.ECHILD) {
				return nil
			}
			if pid <= 0 && !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v are still there %s after SIGKILL", children(), timeout)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// children returns the ids of the direct children of this program.
func children() []int {
	var pids []int
	self := []byte(strconv.Itoa(os.Getpid()))
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		b, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended meanwhile
		}
		// pid (name, which may hold anything) state ppid ...: proc_pid_stat(5)
		fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
		if len(fields) > 1 && bytes.Equal(fields[1], self) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(stat))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
