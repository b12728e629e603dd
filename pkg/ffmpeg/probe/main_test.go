package probe_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/probe"
	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	goleak.VerifyTestMain(m)
}

// newProber returns a prober on real programs. Without them the test is skipped, or fails where they
// are required.
func newProber(t testing.TB) *probe.Prober {
	t.Helper()
	tools, err := ffmpeg.Find(context.Background())
	if fault.CodeOf(err) == fault.CodeFFmpegMissing && os.Getenv("REELMILL_TEST_REQUIRE") != "1" {
		t.Skipf("ffmpeg is missing: %v", err)
	}
	r, err2 := ffmpeg.NewRunner(tools, ffmpeg.Config{})
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return probe.New(r)
}
