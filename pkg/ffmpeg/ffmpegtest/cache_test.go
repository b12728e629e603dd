package ffmpegtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// testCache is a cache in a folder of its own; tests of the cache run no ffmpeg.
func testCache(t *testing.T, root string) *cache {
	t.Helper()
	c, err := newCache(root, "no version")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOneMakerForManyWaiters(t *testing.T) {
	root := t.TempDir()
	var runs atomic.Int32
	var waiters sync.WaitGroup
	for range 8 {
		c := testCache(t, root) // its own locks, as another process has
		waiters.Go(func() {
			path, err := c.ensureBy("x.bin", func(b *build) error {
				runs.Add(1)
				return b.write([]byte("whole"))
			})
			if err != nil {
				t.Error(err)
				return
			}
			if data, err := os.ReadFile(path); err != nil || string(data) != "whole" {
				t.Errorf("read %q, %v", data, err)
			}
		})
	}
	waiters.Wait()
	if got := runs.Load(); got != 1 {
		t.Errorf("the recipe ran %d times", got)
	}
}

func TestAFailedRecipeLeavesNothingAndIsTriedAgain(t *testing.T) {
	c := testCache(t, t.TempDir())
	broken := errors.New("no encoder")
	_, err := c.ensureBy("x.bin", func(b *build) error { return errors.Join(b.write([]byte("half")), broken) })
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "x.bin") {
		t.Errorf("error = %v, want the recipe's with the name of the file", err)
	}
	left, err := filepath.Glob(filepath.Join(c.dir, "*x.bin*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	if _, err := c.ensureBy("x.bin", literal("whole")); err != nil {
		t.Errorf("second try: %v", err)
	}
}

func TestWhatAKilledMakerLeftIsRemoved(t *testing.T) {
	c := testCache(t, t.TempDir())
	left := filepath.Join(c.dir, ".making-x.bin")
	if err := os.MkdirAll(left, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "x.bin"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	path, err := c.ensureBy("x.bin", literal("whole"))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "whole" {
		t.Errorf("read %q, %v", data, err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("stat %s: %v", left, err)
	}
}

func TestOnlyFoldersOutOfUseArePruned(t *testing.T) {
	root := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{"media-old": unusedAfter + time.Hour, "media-recent": time.Hour, "bunny": 10 * unusedAfter} {
		dir := filepath.Join(root, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	c := testCache(t, root)
	for name, want := range map[string]bool{"media-old": false, "media-recent": true, "bunny": true, filepath.Base(c.dir): true} {
		if _, err := os.Stat(filepath.Join(root, name)); (err == nil) != want {
			t.Errorf("%s is there: %t, want %t", name, err == nil, want)
		}
	}
}

// The test runs itself where nothing is on PATH.
func TestWithoutFFmpegTestsAreSkippedUnlessToolsAreRequired(t *testing.T) {
	for _, tt := range []struct{ required, want string }{{"0", "--- SKIP: TestTheSameRecipe"}, {"1", "--- FAIL: TestTheSameRecipe"}} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTheSameRecipeMakesTheSameBytes$", "-test.v")
		cmd.Env = []string{"PATH=" + t.TempDir(), "HOME=" + t.TempDir(), "REELMILL_TEST_REQUIRE=" + tt.required}
		out, err := cmd.CombinedOutput()
		if !strings.Contains(string(out), tt.want) || (err != nil) != (tt.required == "1") {
			t.Errorf("REELMILL_TEST_REQUIRE=%s: %v\n%s\nwant %s", tt.required, err, out, tt.want)
		}
	}
}

func TestAnotherFFmpegHasAnotherFolder(t *testing.T) {
	one, err := fingerprint("5.1")
	if err != nil {
		t.Fatal(err)
	}
	two, err := fingerprint("7.1")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := fingerprint("5.1"); one == two || one != again {
		t.Errorf("fingerprints %s, %s, %s", one, two, again)
	}
}
