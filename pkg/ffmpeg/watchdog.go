package ffmpeg

import "time"

// life is what a run has done so far; only growth counts.
type life struct {
	outTime time.Duration
	frame   int64
	cpu     time.Duration
}

// watchdog decides when a run has stalled. It holds no clock: the caller says when it looked.
type watchdog struct {
	limit  time.Duration
	useCPU bool

	best  life
	since time.Time
}

func newWatchdog(limit time.Duration, useCPU bool, now time.Time) *watchdog {
	return &watchdog{limit: limit, useCPU: useCPU, since: now}
}

// stalled takes in what the run has done by now and reports whether nothing grew for the limit.
func (w *watchdog) stalled(now time.Time, l life) bool {
	grew := l.outTime > w.best.outTime || l.frame > w.best.frame || w.useCPU && l.cpu > w.best.cpu
	w.best.outTime = max(w.best.outTime, l.outTime)
	w.best.frame = max(w.best.frame, l.frame)
	w.best.cpu = max(w.best.cpu, l.cpu)
	if grew {
		w.since = now
		return false
	}
	return w.limit > 0 && now.Sub(w.since) >= w.limit
}

// interval is how often to look: often enough that a stall is noticed soon after the limit.
func (w *watchdog) interval() time.Duration {
	if w.limit <= 0 {
		return time.Hour // nothing to notice
	}
	return min(max(w.limit/8, 20*time.Millisecond), 5*time.Second)
}
