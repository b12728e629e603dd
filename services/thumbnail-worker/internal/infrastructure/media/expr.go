package media

import (
	"fmt"
	"time"
)

// selectFirst returns an expression for ffmpeg's filter select, in a time base of microseconds, that
// passes the first frame at or after each of the ascending instants. A frame that is the first after
// several passes once. The instants stand in a balanced tree: a thousand of them cost ten comparisons a
// frame, and nest ten deep.
func selectFirst(instants []time.Duration) string {
	if len(instants) == 0 {
		return "0"
	}
	us := make([]int64, len(instants))
	for i, t := range instants {
		us[i] = t.Microseconds()
	}
	return fmt.Sprintf("if(lt(pts,%d),0,%s)", us[0], passed(us))
}

// passed is the part of the expression for frames that are not before the first instant: whether the
// last instant before the frame has been served.
func passed(us []int64) string {
	if len(us) == 1 {
		return fmt.Sprintf("isnan(prev_selected_pts)+lt(prev_selected_pts,%d)", us[0])
	}
	mid := len(us) / 2
	return fmt.Sprintf("if(lt(pts,%d),%s,%s)", us[mid], passed(us[:mid]), passed(us[mid:]))
}
