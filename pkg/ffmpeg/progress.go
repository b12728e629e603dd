package ffmpeg

import (
	"bufio"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// readProgress reads ffmpeg's "-progress" reports until r ends and calls report after each block. Keys
// it does not know and values it cannot read are ignored. A line longer than any that ffmpeg writes
// ends the reading; the rest of r is then discarded so that the writer never waits.
func readProgress(r io.Reader, report func(Progress)) {
	var p Progress
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), 64<<10)
	for lines.Scan() {
		if p.set(lines.Text()) {
			report(p)
		}
	}
	_, _ = io.Copy(io.Discard, r)
}

// set takes in one "key=value" line and reports whether it ended a block.
func (p *Progress) set(line string) (done bool) {
	key, value, _ := strings.Cut(line, "=")
	value = strings.TrimSpace(value)
	switch key {
	case "frame":
		setCount(&p.Frame, value)
	case "dup_frames":
		setCount(&p.DuplicatedFrames, value)
	case "drop_frames":
		setCount(&p.DroppedFrames, value)
	case "out_time_us":
		// "out_time_ms" is microseconds too, for historical reasons.
		if us, err := strconv.ParseInt(value, 10, 64); err == nil && us >= 0 && us <= math.MaxInt64/1000 {
			p.OutTime = time.Duration(us) * time.Microsecond
		}
	case "speed":
		if f, err := strconv.ParseFloat(strings.TrimSuffix(value, "x"), 64); err == nil && f >= 0 && !math.IsInf(f, 0) {
			p.Speed = f
		}
	case "progress":
		p.Ended = value == "end"
		return true
	}
	return false
}

func setCount(n *int64, value string) {
	if v, err := strconv.ParseInt(value, 10, 64); err == nil && v >= 0 {
		*n = v
	}
}
