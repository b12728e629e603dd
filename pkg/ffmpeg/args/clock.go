package args

import (
	"fmt"
	"strconv"
	"time"
)

// Timebase makes a video stream count its time in ticks, perSecond of them a second. Times are rounded to
// the nearest tick.
func Timebase(perSecond int64) Filter {
	return New("settb", opt("expr", "1/"+strconv.FormatInt(perSecond, 10)))
}

// Shift adds ticks of the stream's timebase to the times of a video stream.
func Shift(ticks int64) Filter {
	return New("setpts", opt("expr", fmt.Sprintf("PTS+(%d)", ticks)))
}

// StartAt moves the times of a video stream so that its first frame has that one, in ticks of the stream's
// timebase.
func StartAt(ticks int64) Filter {
	return New("setpts", opt("expr", fmt.Sprintf("PTS-STARTPTS+(%d)", ticks)))
}

// AudioTimebase is Timebase for audio.
func AudioTimebase(perSecond int64) Filter {
	return New("asettb", opt("expr", "1/"+strconv.FormatInt(perSecond, 10)))
}

// AudioShift is Shift for audio.
func AudioShift(ticks int64) Filter {
	return New("asetpts", opt("expr", fmt.Sprintf("PTS+(%d)", ticks)))
}

// AudioTrim is Trim for audio; it cuts between samples.
func AudioTrim(start, end time.Duration) Filter {
	f := Trim(start, end)
	f.Name = "atrim"
	return f
}

// PadFrames repeats the last frame so often.
func PadFrames(n int) Filter {
	return New("tpad", intOpt("stop", n), opt("stop_mode", "clone"))
}
