package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	supported = true
	// self stays this very program when its file is replaced by an update.
	self = "/proc/self/exe"

	// failed is the exit status when the program could not be entered; the reason is on the status pipe.
	failed = 125

	// hardCPUGrace is how long a program may go on after SIGXCPU.
	hardCPUGrace = 3
)

// enter applies the limits and becomes the program. It returns only when that failed.
func enter(spec, path string, args []string) int {
	var s Spec
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox: this program was started with an argument that is not its own:", err)
		return failed
	}
	s.Path, s.Args = path, args
	status := os.NewFile(uintptr(s.StatusFD), "status")
	syscall.CloseOnExec(s.StatusFD)
	fmt.Fprintln(status, become(s))
	return failed
}

// become returns only with an error.
func become(s Spec) error {
	// A death signal, no_new_privs and the nice value belong to a thread: exec keeps those of the
	// thread that calls it.
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("set the death signal: %w", err)
	}
	if ppid := os.Getppid(); ppid != s.Parent {
		return errors.New("the parent is gone")
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	if s.Nice != 0 {
		// Refused where the container forbids it; the program is then merely not polite.
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, s.Nice)
	}
	if s.OOMScoreAdj != 0 {
		_ = os.WriteFile("/proc/self/oom_score_adj", []byte(strconv.Itoa(s.OOMScoreAdj)), 0)
	}
	argv, env := append([]string{filepath.Base(s.Path)}, s.Args...), os.Environ()
	for _, l := range s.limits() {
		// syscall.Setrlimit, not prlimit: it also stops the runtime from restoring the descriptor limit
		// on exec. The address space comes last, as this program is itself larger than it may be.
		if err := syscall.Setrlimit(l.resource, &l.value); err != nil {
			return fmt.Errorf("set the limit of %s: %w", l.name, err)
		}
	}
	return fmt.Errorf("exec: %w", syscall.Exec(s.Path, argv, env))
}

type rlimit struct {
	name     string
	resource int
	value    syscall.Rlimit
}

// limits returns the limits in the order in which they are set.
func (s Spec) limits() []rlimit {
	ls := []rlimit{{"core dumps", syscall.RLIMIT_CORE, syscall.Rlimit{}}}
	add := func(name string, resource int, cur, max int64) {
		if cur > 0 {
			ls = append(ls, rlimit{name, resource, syscall.Rlimit{Cur: uint64(cur), Max: uint64(max)}})
		}
	}
	cpu := int64((s.CPU + time.Second - 1) / time.Second)
	add("processor time", syscall.RLIMIT_CPU, cpu, cpu+hardCPUGrace)
	add("file size", syscall.RLIMIT_FSIZE, s.FileBytes, s.FileBytes)
	add("open files", syscall.RLIMIT_NOFILE, int64(s.OpenFiles), int64(s.OpenFiles))
	add("address space", syscall.RLIMIT_AS, s.AddressSpaceBytes, s.AddressSpaceBytes)
	return ls
}
