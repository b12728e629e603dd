package ffmpegtest

import (
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
)

// stillRows are rows 40 to 43 and 53: pictures, moving pictures, transparency, polyglots. A still is a
// fine source of posters and no source of video.
func stillRows() []entry {
	still := func(row int, name, ext string, display media.Resolution, by recipe) entry {
		return accept(row, name, ext, Facts{Display: display}, by).notTranscoded(fault.CodeSourceUnsupported)
	}
	photo := px(640, 480)
	source := []string{"-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10:duration=2"}
	moving := Facts{Display: px(320, 240), Frames: 20}.lasting(2 * time.Second)
	return []entry{
		still(40, "still_jpeg", ".jpg", photo, patch(photoPart, func(data []byte) ([]byte, error) { return data, nil })),
		still(40, "still_png", ".png", photo, derive(photoPart, "-frames:v", "1", "-update", "1")),
		still(40, "still_webp", ".webp", photo, derive(photoPart, "-frames:v", "1", "-c:v", "libwebp", "-f", "webp")),
		accept(41, "animated_gif", ".gif", moving, encode(source...)),
		// ffmpeg 5.1 skips the animation and finds no picture. The verdict is the same whatever ffmpeg can do,
		// so that a job does not depend on the worker that it meets.
		refuse(42, "animated_webp", ".webp", fault.CodeSourceUnsupported, encode(join(source, []string{"-c:v", "libwebp_anim", "-loop", "0"})...)),
		accept(43, "vp9_alpha", ".webm", moving, encode(join(source, []string{"-vf", "format=yuva420p,colorchannelmixer=aa=0.5",
			"-c:v", "libvpx-vp9", "-auto-alt-ref", "0", "-deadline", "realtime", "-cpu-used", "8"})...)).noted(NoteAlphaDropped),
		still(53, "jpeg_html_polyglot", ".jpg", photo, patch(photoPart, withComment("<html><script>alert(document.domain)</script></html>"))),
		still(53, "jpeg_mp4_polyglot", ".jpg", photo, func(b *build) error {
			whole, err := b.contents(photoPart)
			if err != nil {
				return err
			}
			film, err := b.contents(basePart)
			if err != nil {
				return err
			}
			return b.write(append(whole, film...))
		}),
	}
}

// withComment puts a comment segment right behind the start of a JPEG file.
func withComment(text string) func([]byte) ([]byte, error) {
	return func(data []byte) ([]byte, error) {
		length := len(text) + 2
		segment := append([]byte{0xff, 0xfe, byte(length >> 8), byte(length)}, text...)
		return append(append(data[:2:2], segment...), data[2:]...), nil
	}
}
