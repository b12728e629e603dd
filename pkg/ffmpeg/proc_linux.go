package ffmpeg

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// childAttr makes the child lead its own process group and die with the thread that starts it. The
// sandbox sets the death signal again, since exec by another thread would lose it.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit returns when the child pid has exited, and leaves it to be reaped.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}

// maxRSSBytes converts the kernel's kibibytes.
func maxRSSBytes(u *syscall.Rusage) int64 { return u.Maxrss << 10 }

// clockTick is the unit of processor times in /proc: USER_HZ, which Linux fixes at 100 for programs.
const clockTick = 10 * time.Millisecond

// processCPU returns the processor time that pid has used over all of its threads, 0 where it is gone.
func processCPU(pid int) time.Duration {
	cpu, _ := readStat(strconv.Itoa(pid))
	return cpu
}

// groupCPU returns the processor time of all processes of the group that are alive.
func groupCPU(pgid int) time.Duration {
	_, cpu := group(pgid)
	return cpu
}

// awaitGroupEnd returns when the processes of a group that was killed are dead, or after a bound. Dead
// ones that nobody has reaped yet do not count: they do nothing and hold nothing.
func awaitGroupEnd(pgid int) {
	if syscall.Kill(-pgid, 0) != nil {
		return // the common case: the leader was alone
	}
	deadline := time.Now().Add(pipeGrace)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for time.Now().Before(deadline) {
		if n, _ := group(pgid); n == 0 {
			return
		}
		<-poll.C
	}
}

// group returns how many processes of a group are alive, and their processor time.
func group(pgid int) (alive int, cpu time.Duration) {
	dir, err := os.Open("/proc")
	if err != nil {
		return 0, 0
	}
	defer func() { _ = dir.Close() }()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		if t, g := readStat(name); g == pgid {
			alive++
			cpu += t
		}
	}
	return alive, cpu
}

// readStat returns processor time and process group from /proc/PID/stat; zeros where it is dead.
func readStat(pid string) (cpu time.Duration, pgid int) {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, 0
	}
	// The second field is the program's name in parentheses and may hold anything: count from the last.
	_, b, _ = bytes.Cut(b[max(bytes.LastIndexByte(b, ')'), 0):], []byte(" "))
	f := bytes.Fields(b)
	const group, utime, stime = 5 - 3, 14 - 3, 15 - 3 // proc(5) counts from 1, here field 3 is first
	if len(f) <= stime || f[0][0] == 'Z' || f[0][0] == 'X' {
		return 0, 0
	}
	pgid, _ = strconv.Atoi(string(f[group]))
	for _, i := range []int{utime, stime} {
		n, _ := strconv.ParseInt(string(f[i]), 10, 64)
		cpu += time.Duration(n) * clockTick
	}
	return cpu, pgid
}
