package ffmpeg

import (
	"io"
	"time"
)

// Program names one of the tools.
type Program string

// The programs that a Runner runs.
const (
	FFmpeg  Program = "ffmpeg"
	FFprobe Program = "ffprobe"
)

// Command is one run of a program. The caller owns it; a Runner does not change it.
type Command struct {
	Program Program
	// Args are the arguments after the program's name, as package args builds them. For FFmpeg the
	// runner adds "-progress", "-nostats" and "-stats_period" itself.
	Args []string
	// Dir is the working directory and the child's TMPDIR; empty means the temporary directory of the
	// system.
	Dir string
	// Limits bound the run; zero fields mean DefaultLimits.
	Limits Limits
	// Watch says what counts as being alive for the stall watchdog.
	Watch Watch
	// OnProgress is called for every report of ffmpeg, one at a time and never after Run returned. It
	// must not block: ffmpeg waits when nobody reads its reports. Nil is fine.
	OnProgress func(Progress)
	// EndUnseen accepts exit status 0 from ffmpeg without its report of the end. It is for runs with more
	// than MaxReportedOutputs video outputs, whose reports are cut before that line; the caller must then
	// know by the outputs themselves that each is whole.
	EndUnseen bool
	// Stdout receives standard output; nil discards it. An error that it returns ends the run and is
	// wrapped in the error of Run.
	Stdout io.Writer
	// MaxStdoutBytes bounds what Stdout receives; a program that writes more is killed and Run returns
	// ErrStdoutLimit. 0 means 16 MiB, a negative value no bound.
	MaxStdoutBytes int64
}

// MaxReportedOutputs is how many video outputs a run may have for ffmpeg to report its end: every report
// has a line of about 20 bytes for each of them before all others, and libavutil's AVBPrint cuts it after
// 1000 bytes (seen with 60 outputs on 5.1.9).
const MaxReportedOutputs = 32

// Watch says what counts as a sign of life.
type Watch uint8

const (
	// WatchAuto is WatchProgress for FFmpeg and WatchCPU for FFprobe.
	WatchAuto Watch = iota
	// WatchProgress wants ffmpeg's output time or frame count to grow.
	WatchProgress
	// WatchCPU also accepts processor time that the process group used. It is for jobs that read much
	// and write late: a sprite sheet reports its only frame at the very end.
	WatchCPU
)

// Limits bound one run. Zero fields mean the value of DefaultLimits; a negative value means no limit.
type Limits struct {
	// Wall is how long the run may take.
	Wall time.Duration
	// Stall is how long it may show no sign of life (see Watch).
	Stall time.Duration
	// CPU bounds processor time over all threads, rounded up to seconds. 0 means Wall times the number
	// of processors, which only a runaway reaches before Wall.
	CPU time.Duration
	// AddressSpaceBytes bounds virtual memory.
	AddressSpaceBytes int64
	// FileBytes bounds the size of each file written.
	FileBytes int64
	// OpenFiles bounds file descriptors.
	OpenFiles int
}

// DefaultLimits returns the limits that stand in for zero fields: an hour, a minute without a sign of
// life, 4 GiB of address space, files of 16 GiB, 256 descriptors.
func DefaultLimits() Limits {
	return Limits{
		Wall:              time.Hour,
		Stall:             time.Minute,
		AddressSpaceBytes: 4 << 30,
		FileBytes:         16 << 30,
		OpenFiles:         256,
	}
}

// Progress is one report of a running ffmpeg. Values that ffmpeg does not know ("N/A") keep what the
// report before said, or 0.
type Progress struct {
	// OutTime is the media time written so far, never negative.
	OutTime time.Duration
	// Frame is the number of video frames that the first video output received.
	Frame int64
	// Speed is media time by wall time; 0 where unknown.
	Speed float64
	// DuplicatedFrames and DroppedFrames were added or left out to keep a constant rate.
	DuplicatedFrames, DroppedFrames int64
	// Ended is true in the last report of a run that finished by itself. A run that was told to stop
	// reports it too, with an exit code other than 0.
	Ended bool
}

// Result tells what a run cost and how it ended. Run returns it with errors too, as far as it is known.
type Result struct {
	// ExitCode is the exit status, -1 where a signal ended the program.
	ExitCode int
	// Wall is the time from start to end.
	Wall time.Duration
	// UserCPU and SystemCPU are processor time over all threads.
	UserCPU, SystemCPU time.Duration
	// MaxRSSBytes is the peak of resident memory as the kernel accounts it: never less than what the
	// calling process had when it started the child, so read small values as upper bounds.
	MaxRSSBytes int64
	// Progress is the last report; zero for FFprobe.
	Progress Progress
	// Stderr is the redacted tail of standard error, at most 64 KiB. It is for logs, not for users.
	Stderr string
}
