package integration_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/infrastructure/media"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/workspacetest"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	goleak.VerifyTestMain(m)
}

var findTools = sync.OnceValues(func() (ffmpeg.Tools, error) { return ffmpeg.Find(context.Background()) })

func newTranscoder(t testing.TB) *transcode.Transcoder {
	t.Helper()
	tools, err := findTools()
	if fault.CodeOf(err) == fault.CodeFFmpegMissing && os.Getenv("REELMILL_TEST_REQUIRE") != "1" {
		t.Skipf("ffmpeg is missing: %v", err)
	}
	run, err2 := ffmpeg.NewRunner(tools, ffmpeg.Config{})
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	cfg := media.Config{Threads: 1}
	tr, err := transcode.New(media.NewInspector(run, cfg), media.NewEncoder(run, cfg), media.NewChecker(run, cfg), map[string]string{"ffmpeg": tools.Version})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// newGroup returns a transcode step for the file.
func newGroup(t testing.TB, file string, params contract.TranscodeParams) *workspacetest.Group {
	t.Helper()
	if wrong := params.WithDefaults().Validate(); len(wrong) > 0 {
		t.Fatalf("the parameters are wrong: %v", wrong)
	}
	return workspacetest.New(newTranscoder(t), file, t.TempDir(), params)
}

// export writes all outputs to a folder of their own and returns it.
func export(t testing.TB, g *workspacetest.Group) string {
	t.Helper()
	dir := t.TempDir()
	if err := g.Export(dir); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, workspacetest.Folder)
}

// run runs a program as a user would, and fails the test where it fails or complains.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	var out, complaints strings.Builder
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil || complaints.Len() > 0 {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, complaints.String())
	}
	return out.String()
}

// written returns a file with that text.
func written(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
