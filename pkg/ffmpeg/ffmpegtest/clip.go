package ffmpegtest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
)

// Content is what a clip shows.
type Content string

// The contents.
const (
	// ContentPattern is ffmpeg's moving test picture, with the time written into it.
	ContentPattern Content = "pattern"
	// ContentNumbers shows nothing but the number of the frame, in a form that ReadNumber reads back from
	// any still that was made of it, however small.
	ContentNumbers Content = "numbers"
	// ContentCompass shows which way is up and whether circles are round; see CheckUpright.
	ContentCompass Content = "compass"
)

// Options describe a clip. The zero value is 4 s of the test picture: 320x240, 25 frames a second, a
// keyframe every second, H.264 in MP4, silent.
type Options struct {
	Content Content
	// Duration is the length, and with it the number of frames. Frames overrides it where it is not 0.
	Duration time.Duration
	Frames   int
	// Size is the coded size: before samples are made square and before rotation.
	Size media.Resolution
	Rate media.FrameRate
	// KeyframeInterval is the time between keyframes; there are none in between.
	KeyframeInterval time.Duration
	// Audio adds a tone.
	Audio bool
	// Rotation is the clockwise turn in degrees (90, 180, 270) that the file asks for. It needs Container
	// "mp4" or "mov". ContentNumbers and ContentCompass are upright after that turn.
	Rotation int
	// SampleAspect is the shape of a sample; ContentCompass is round once it is respected.
	SampleAspect media.Ratio
	// Codec is an encoder of ffmpeg: "libx264", "libx265", "libvpx-vp9", "mpeg4", "mpeg2video", ...
	Codec string
	// Container is an extension that tells ffmpeg what to write: "mp4", "mkv", "webm", "ts", "avi", ...
	Container string
	// Extra are further output options for ffmpeg.
	Extra []string
}

func (o Options) withDefaults() Options {
	o.Content = cmp.Or(o.Content, ContentPattern)
	o.Duration = cmp.Or(o.Duration, baseLength)
	o.Size = cmp.Or(o.Size, px(320, 240))
	o.Rate = cmp.Or(o.Rate, media.FrameRate{Num: 25, Den: 1})
	o.KeyframeInterval = cmp.Or(o.KeyframeInterval, time.Second)
	o.Codec = cmp.Or(o.Codec, "libx264")
	o.Container = cmp.Or(o.Container, "mp4")
	if o.Frames == 0 {
		o.Frames = int(o.Rate.FrameAt(o.Duration))
	}
	return o
}

// Testsrc returns the path of a clip, making it where the cache lacks it. Equal options give the same
// file. The file is shared and read-only. It skips or fails t as Corpus does.
func Testsrc(t testing.TB, o Options) string {
	t.Helper()
	if o = o.withDefaults(); o.Rotation != 0 && o.Container != "mp4" && o.Container != "mov" {
		t.Fatalf("a %s file carries no rotation", o.Container)
	}
	file, err := open(t).ensureBy(o.fileName(), o.recipe())
	if err != nil {
		t.Fatalf("make a clip: %v", err)
	}
	return file
}

// SparseKeyframes returns a clip of the shape of a screen recording: three minutes with a keyframe a
// minute, of numbered frames at 5 a second.
func SparseKeyframes(t testing.TB) string {
	t.Helper()
	return Testsrc(t, Options{Content: ContentNumbers, Duration: 3 * time.Minute, Rate: media.FrameRate{Num: 5, Den: 1},
		Size: px(320, 180), KeyframeInterval: time.Minute})
}

// fileName tells the options by a hash: names of files have a limit, options have not.
func (o Options) fileName() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v", o))
	return fmt.Sprintf("clip-%s-%s.%s", o.Content, hex.EncodeToString(sum[:8]), o.Container)
}

func (o Options) recipe() recipe {
	if o.Rotation == 0 {
		return o.encode
	}
	return thenPatch(o.encode, turn(o.Rotation))
}

func (o Options) encode(b *build) error {
	var args []string
	var stdin io.Reader
	length := strconv.FormatFloat(o.Rate.Instant(int64(o.Frames)).Seconds(), 'f', 6, 64)
	if o.Content == ContentPattern {
		args = []string{"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%s:rate=%s", o.Size, o.Rate)}
	} else {
		frames := newPainter(o)
		stdin = frames
		args = []string{"-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", o.Size.String(), "-framerate", o.Rate.String(), "-i", "pipe:0"}
	}
	if o.Audio {
		args = append(args, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration="+length)
	}
	gop := strconv.FormatInt(max(1, o.Rate.FrameAt(o.KeyframeInterval)), 10)
	args = append(args, "-frames:v", strconv.Itoa(o.Frames), "-c:v", o.Codec, "-g", gop, "-pix_fmt", "yuv420p")
	if o.SampleAspect != (media.Ratio{}) {
		args = append(args, "-vf", fmt.Sprintf("setsar=%d/%d", o.SampleAspect.Num, o.SampleAspect.Den))
	}
	args = append(args, codecOptions(o.Codec)...)
	return b.ffmpeg(stdin, join(args, o.Extra, exact, []string{b.out})...)
}

// codecOptions make an encoder quick, and its keyframes regular.
func codecOptions(codec string) []string {
	switch {
	case codec == "libx264":
		return []string{"-preset", "veryfast", "-sc_threshold", "0"}
	case codec == "libx265":
		return []string{"-preset", "ultrafast", "-x265-params", "log-level=error:scenecut=0:pools=none:frame-threads=1", "-tag:v", "hvc1"}
	case strings.HasPrefix(codec, "libvpx"):
		return []string{"-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M"}
	default:
		return []string{"-q:v", "4", "-sc_threshold", "1000000000"}
	}
}
