package ffmpegtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// timelineRows are rows 44, 45 and 47: files whose clock does not start at nought, or whose picture
// changes on the way.
func timelineRows() []entry {
	cut := Facts{Display: px(320, 240), HasAudio: true}.lasting(2500 * time.Millisecond)
	return append([]entry{
		// The copy starts at the keyframe before the cut, and an edit list hides the half second.
		accept(44, "edit_list", ".mp4", cut, compose([]string{basePart}, func(in []string) []string {
			return []string{"-ss", "1.5", "-i", in[0], "-c", "copy"}
		})),
		accept(44, "audio_starts_5s_late", ".mp4", baseFacts(), compose([]string{basePart}, func(in []string) []string {
			return []string{"-i", in[0], "-itsoffset", "5", "-i", in[0], "-map", "0:v", "-map", "1:a", "-c", "copy"}
		})),
		accept(45, "ts_starting_at_26h", ".ts", baseFacts(), derive(basePart, "-c", "copy", "-output_ts_offset", "93600")),
	}, resolutionChange()...)
}

// resolutionChange is row 47: two broadcasts of two seconds, one after the other in one file. Joined by
// a muxer the file is sound. Joined by cat its packet counters jump, which is what a loss looks like:
// the policy "fail" refuses it, as a decoder that is told to stop at errors does.
func resolutionChange() []entry {
	sizes := []string{"320x240", "640x480"}
	part := func(size, format string) recipe {
		return encode("-f", "lavfi", "-i", "testsrc2=size="+size+":rate=25:duration=2", "-c:v", "libx264", "-preset", "veryfast",
			"-g", "25", "-pix_fmt", "yuv420p", "-f", format)
	}
	joined := func(b *build) error {
		var script strings.Builder
		for _, size := range sizes {
			data, err := b.bytes(part(size, "mp4"))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(b.dir, size), data, 0o644); err != nil {
				return err
			}
			fmt.Fprintf(&script, "file %s\n", size)
		}
		const list = "list.ffconcat"
		if err := os.WriteFile(filepath.Join(b.dir, list), []byte(script.String()), 0o644); err != nil {
			return err
		}
		return b.ffmpeg(nil, join([]string{"-f", "concat", "-i", list, "-c", "copy"}, exact, []string{b.out})...)
	}
	catenated := func(b *build) error {
		var whole []byte
		for _, size := range sizes {
			data, err := b.bytes(part(size, "mpegts"))
			if err != nil {
				return err
			}
			whole = append(whole, data...)
		}
		return b.write(whole)
	}
	return []entry{
		accept(47, "resolution_change", ".ts", Facts{Display: px(320, 240)}.lasting(baseLength), joined),
		refuse(47, "resolution_change_cat", ".ts", fault.CodeSourceCorrupt, catenated).salvaged(),
	}
}
