// Package browser plays what Reelmill makes in the players that people use, hls.js and dash.js, in Chromium:
// from a folder as `reelmill process` leaves it, and through files/ of job-service, from a page of the same
// origin and from one of another. It needs ffmpeg, Chromium, and npm for the players and the film.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const (
	// envPrograms names a folder with programs that are built already; where it is unset they are built first.
	envPrograms = "REELMILL_TEST_PROGRAMS"
	// envRequire says that nothing may be skipped.
	envRequire = "REELMILL_TEST_REQUIRE"
	// patience bounds everything that is waited for: the machine may be busy with other tests.
	patience = 3 * time.Minute
)

// program is the path of reelmill, which TestMain builds.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir := os.Getenv(envPrograms)
	if dir == "" {
		built, err := os.MkdirTemp("", "reelmill-programs-")
		if err == nil {
			defer os.RemoveAll(built)
			err = build(built)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		dir = built
	}
	program = filepath.Join(dir, "reelmill")
	return m.Run()
}

// build builds reelmill in its own module, as it ships.
func build(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "reelmill"), "./cmd/reelmill")
	c.Dir = filepath.Join("..", "..", "services", "standalone")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build reelmill: %w\n%s", err, out)
	}
	return nil
}

// missing skips t, or fails it where the environment promises that every tool is there.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv(envRequire) == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// chromium returns the browser's path.
func chromium(t *testing.T) string {
	t.Helper()
	var errs []error
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		path, err := exec.LookPath(name)
		if err == nil {
			return path
		}
		errs = append(errs, err)
	}
	missing(t, "Chromium is needed: %v", errors.Join(errs...))
	return ""
}
