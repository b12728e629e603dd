package ffmpegtest

import (
	"fmt"
	"strconv"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// craftedRows are rows 21 and 22: pictures whose size is only claimed, or packed absurdly well.
func craftedRows() []entry {
	bomb := func(side uint32) recipe {
		return func(b *build) error {
			data, err := pngBomb(side)
			if err != nil {
				return err
			}
			return b.write(data)
		}
	}
	const tooLarge = fault.CodeSourceTooLarge
	return []entry{
		refuse(21, "png_15000", ".png", tooLarge, bomb(15000)),
		refuse(22, "png_30000", ".png", tooLarge, bomb(30000)),
		refuse(22, "png_60000", ".png", tooLarge, bomb(60000)),
		refuse(22, "jpeg_65500", ".jpg", tooLarge, patch(photoPart, jpegBomb(65500))),
	}
}

// limitRows are rows 20 and 23: more pixels or streams than anyone shall have to bear.
func limitRows() []entry {
	huge := func(size string) recipe {
		return encode("-f", "lavfi", "-i", "color=c=gray:size="+size+":rate=25:duration=0.08", "-c:v", "libx264",
			"-preset", "ultrafast", "-pix_fmt", "yuv420p")
	}
	tracks := func(n int) recipe {
		args := []string{"-map", "0:v"}
		for range n {
			args = append(args, "-map", "1:a")
		}
		for i := range n {
			args = append(args, "-metadata:s:a:"+strconv.Itoa(i), fmt.Sprintf("title=track %d", i))
		}
		return deriveFrom([]string{basePart, telephonePart}, join(args, []string{"-c", "copy", "-t", "0.4"})...)
	}
	// A copy that ends between keyframes keeps the frames that the last ones refer to.
	short := Facts{Display: px(320, 240), HasAudio: true}.lasting(500 * time.Millisecond)
	return []entry{
		refuse(20, "h264_8192x8192", ".mp4", fault.CodeSourceTooLarge, huge("8192x8192")),
		refuse(20, "h264_16384x8640", ".mp4", fault.CodeSourceTooLarge, huge("16384x8640")),
		refuse(23, "streams_990", ".mkv", fault.CodeSourceTooManyStreams, tracks(989)),
		accept(23, "audio_tracks_40", ".mkv", short, tracks(40)),
	}
}
