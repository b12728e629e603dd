package ffmpegtest_test

import (
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

func TestTheRealClipIsTheOneThatIsKnown(t *testing.T) {
	got := ffprobe(t, ffmpegtest.BigBuckBunny(t)).facts()
	want := ffmpegtest.Facts{Display: px(1920, 1080), HasAudio: true, Frames: 720}
	if d := got.Duration - 30*time.Second; d.Abs() > 100*time.Millisecond {
		t.Errorf("duration %v, want 30 s", got.Duration)
	}
	if got.Duration = 0; got != want {
		t.Errorf("facts %+v, want %+v", got, want)
	}
}

func TestALoopIsAsOftenAsLong(t *testing.T) {
	src := ffmpegtest.Testsrc(t, ffmpegtest.Options{Audio: true, Container: "mkv"})
	got := ffprobe(t, ffmpegtest.Loop(t, src, 3)).facts()
	if got.Frames != 300 {
		t.Errorf("%d frames, want 300", got.Frames)
	}
	if d := got.Duration - 12*time.Second; d.Abs() > 200*time.Millisecond {
		t.Errorf("duration %v, want 12 s", got.Duration)
	}
	if again := ffmpegtest.Loop(t, src, 3); again != ffmpegtest.Loop(t, src, 3) {
		t.Errorf("a loop is made anew: %s", again)
	}
}
