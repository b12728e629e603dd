package probe

import (
	"slices"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// reorderWindow is how many packets are kept to bring times of presentation into order: twice as many frames
// as codecs keep back.
const reorderWindow = 32

// spacing finds out how far the frames of a stream are from standing at the multiples of a rate. It takes
// in times of presentation in the order of decoding, and keeps few of them.
type spacing struct {
	rate media.FrameRate

	waiting []time.Duration // ascending
	first   time.Duration
	seen    int64
	worst   time.Duration
}

// add takes in the time of a frame.
func (s *spacing) add(pts time.Duration) {
	i, _ := slices.BinarySearch(s.waiting, pts)
	s.waiting = slices.Insert(s.waiting, i, pts)
	if len(s.waiting) > reorderWindow {
		s.place(s.waiting[0])
		s.waiting = slices.Delete(s.waiting, 0, 1)
	}
}

// place compares the time of the next frame that is shown with its multiple.
func (s *spacing) place(pts time.Duration) {
	if s.seen == 0 {
		s.first = pts
	}
	s.worst = max(s.worst, (pts - s.first - s.rate.Instant(s.seen)).Abs())
	s.seen++
}

// drift returns by how much the frame that is furthest from its multiple is off, 0 for an unknown rate. No
// frame may be added after that.
func (s *spacing) drift() time.Duration {
	for _, pts := range s.waiting {
		s.place(pts)
	}
	s.waiting = nil
	if !s.rate.Known() {
		return 0
	}
	return s.worst
}
