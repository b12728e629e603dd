//go:build !linux

package ffmpeg

import (
	"syscall"
	"time"
)

// Nothing of this runs: the sandbox refuses to start a child on these systems.

func childAttr() *syscall.SysProcAttr     { return nil }
func awaitExit(int)                       {}
func maxRSSBytes(u *syscall.Rusage) int64 { return int64(u.Maxrss) }
func processCPU(int) time.Duration        { return 0 }
func groupCPU(int) time.Duration          { return 0 }
func awaitGroupEnd(int)                   {}
