package ffmpegtest_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os/exec"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

// stills decodes a file by a plain ffmpeg through the filters and returns its pictures.
func stills(t *testing.T, file, filters string) []image.Image {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-i", file, "-map", "0:v:0", "-vf", filters,
		"-fps_mode", "passthrough", "-c:v", "png", "-f", "image2pipe", "-").Output()
	if err != nil {
		t.Fatalf("decode %s: %v", file, err)
	}
	var all []image.Image
	for r := bytes.NewReader(out); r.Len() > 0; {
		img, err := png.Decode(r)
		if err != nil {
			t.Fatalf("picture %d of %s: %v", len(all), file, err)
		}
		all = append(all, img)
	}
	return all
}

func TestNumbersAreReadBackFromSmallStills(t *testing.T) {
	file := ffmpegtest.Testsrc(t, ffmpegtest.Options{Content: ffmpegtest.ContentNumbers, Duration: 12 * time.Second, Size: px(320, 180)})
	all := stills(t, file, "scale=40:24")
	if len(all) != 300 {
		t.Fatalf("%d pictures, want 300", len(all))
	}
	for n, img := range all {
		if got, err := ffmpegtest.ReadNumber(img); err != nil || got != n {
			t.Fatalf("frame %d reads %d, %v", n, got, err)
		}
	}
}

func TestWhatIsNoNumberIsRefused(t *testing.T) {
	for _, level := range []uint8{0, 128, 255} {
		img := image.NewGray(image.Rect(0, 0, 160, 90))
		for i := range img.Pix {
			img.Pix[i] = level
		}
		if n, err := ffmpegtest.ReadNumber(img); err == nil {
			t.Errorf("a picture of level %d reads %d", level, n)
		}
	}
	// Two frames blended into one, as a careless change of the frame rate does.
	file := ffmpegtest.Testsrc(t, ffmpegtest.Options{Content: ffmpegtest.ContentNumbers, Duration: 12 * time.Second, Size: px(320, 180)})
	for i, img := range stills(t, file, "tmix=frames=2,trim=start_frame=1:end_frame=50") {
		if n, err := ffmpegtest.ReadNumber(img); err == nil {
			t.Errorf("the blend of frames %d and %d reads %d", i, i+1, n)
		}
	}
}

func TestKeyframesAreWhereTheyWereAskedFor(t *testing.T) {
	file := ffmpegtest.SparseKeyframes(t)
	all := stills(t, file, `select=eq(pict_type\,I),scale=80:45`)
	if len(all) != 3 {
		t.Fatalf("%d keyframes, want 3", len(all))
	}
	for i, img := range all {
		if n, err := ffmpegtest.ReadNumber(img); err != nil || n != i*60*5 {
			t.Errorf("keyframe %d shows frame %d, %v; want %d", i, n, err, i*60*5)
		}
	}
}

func TestACompassIsUprightOnceRotationAndAspectAreRespected(t *testing.T) {
	for _, rotation := range []int{0, 90, 180, 270} {
		for _, aspect := range []media.Ratio{{}, {Num: 16, Den: 11}, {Num: 3, Den: 4}} {
			t.Run(fmt.Sprintf("%d degrees, samples %v", rotation, aspect), func(t *testing.T) {
				o := ffmpegtest.Options{Content: ffmpegtest.ContentCompass, Frames: 2, Size: px(352, 288), Rotation: rotation, SampleAspect: aspect}
				file := ffmpegtest.Testsrc(t, o)
				display := media.Video{Coded: o.Size, SampleAspect: aspect, Rotation: rotation}.Display()
				// ffmpeg turns the picture before the filters; the scale makes its samples square.
				for _, img := range stills(t, file, "scale='trunc(iw*sar/2)*2':'trunc(ih/2)*2',setsar=1") {
					square := img
					if rotation%180 != 0 && aspect != (media.Ratio{}) {
						square = stills(t, file, fmt.Sprintf("scale=%d:%d,setsar=1", display.Width, display.Height))[0]
					}
					if err := ffmpegtest.CheckUpright(square, display); err != nil {
						t.Error(err)
					}
				}
				if rotation != 0 {
					turned := stillsAsCoded(t, file)
					if err := ffmpegtest.CheckUpright(turned[0], display); err == nil {
						t.Error("the picture as coded passes for upright")
					}
				}
				if aspect != (media.Ratio{}) {
					squeezed := stills(t, file, "null")[0]
					if err := ffmpegtest.CheckUpright(squeezed, display); err == nil {
						t.Error("the picture without its aspect passes for square")
					}
				}
			})
		}
	}
}

// stillsAsCoded ignores the file's rotation.
func stillsAsCoded(t *testing.T, file string) []image.Image {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-noautorotate", "-i", file,
		"-frames:v", "1", "-c:v", "png", "-f", "image2pipe", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	return []image.Image{img}
}

func TestClipsAreWhatTheOptionsSay(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options ffmpegtest.Options
		codec   string
		want    ffmpegtest.Facts
	}{
		{"defaults", ffmpegtest.Options{}, "h264", ffmpegtest.Facts{Display: px(320, 240), Duration: 4 * time.Second, Frames: 100}},
		{"sound", ffmpegtest.Options{Audio: true, Duration: 2 * time.Second}, "h264",
			ffmpegtest.Facts{Display: px(320, 240), Duration: 2 * time.Second, Frames: 50, HasAudio: true}},
		{"NTSC rate", ffmpegtest.Options{Rate: media.FrameRate{Num: 30000, Den: 1001}, Duration: time.Second}, "h264",
			ffmpegtest.Facts{Display: px(320, 240), Duration: time.Second, Frames: 29}},
		{"one frame", ffmpegtest.Options{Frames: 1}, "h264", ffmpegtest.Facts{Display: px(320, 240), Duration: 40 * time.Millisecond, Frames: 1}},
		{"VP9 in WebM", ffmpegtest.Options{Codec: "libvpx-vp9", Container: "webm", Duration: time.Second}, "vp9",
			ffmpegtest.Facts{Display: px(320, 240), Duration: time.Second, Frames: 25}},
		{"HEVC", ffmpegtest.Options{Codec: "libx265", Duration: time.Second}, "hevc",
			ffmpegtest.Facts{Display: px(320, 240), Duration: time.Second, Frames: 25}},
		{"MPEG-2 in a transport stream", ffmpegtest.Options{Codec: "mpeg2video", Container: "ts", Duration: time.Second}, "mpeg2video",
			ffmpegtest.Facts{Display: px(320, 240), Duration: time.Second, Frames: 25}},
		{"turned and anamorphic", ffmpegtest.Options{Size: px(352, 288), SampleAspect: media.Ratio{Num: 16, Den: 11}, Rotation: 270, Duration: time.Second},
			"h264", ffmpegtest.Facts{Display: px(288, 512), Duration: time.Second, Rotation: 270, Frames: 25}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := ffprobe(t, ffmpegtest.Testsrc(t, tt.options))
			if got := p.Streams[0].Codec; got != tt.codec {
				t.Errorf("codec %s, want %s", got, tt.codec)
			}
			got := p.facts()
			if d := got.Duration - tt.want.Duration; d.Abs() > 45*time.Millisecond {
				t.Errorf("duration %v, want %v", got.Duration, tt.want.Duration)
			}
			if got.Duration = tt.want.Duration; got != tt.want {
				t.Errorf("facts %+v, want %+v", got, tt.want)
			}
		})
	}
}
