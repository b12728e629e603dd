package ffmpegtest

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// unusedAfter is how long the folder of another ffmpeg version, or of older recipes, is kept.
const unusedAfter = 7 * 24 * time.Hour

//go:embed *.go
var sources embed.FS

// cache is the folder of files made by one version of ffmpeg and of the recipes. It is safe for
// concurrent use, by processes too.
type cache struct {
	dir     string
	entries []entry
	recipes map[string]recipe
}

// open returns the cache for the ffmpeg on PATH, or skips t (fails it, when tools are required).
func open(t testing.TB) *cache {
	t.Helper()
	version, err := ffmpegVersion()
	if err != nil {
		missing(t, "ffmpeg and ffprobe are needed: %v", err)
	}
	root, err := cacheRoot()
	if err != nil {
		t.Fatalf("find the cache of test media: %v", err)
	}
	c, err := newCache(root, version)
	if err != nil {
		t.Fatalf("open the cache of test media: %v", err)
	}
	return c
}

func newCache(root, version string) (*cache, error) {
	id, err := fingerprint(version)
	if err != nil {
		return nil, err
	}
	c := &cache{dir: filepath.Join(root, "media-"+id), entries: entries(), recipes: parts()}
	for _, e := range c.entries {
		if e.shares == "" {
			c.recipes[e.fileName()] = e.make
		}
	}
	if err := os.MkdirAll(filepath.Join(c.dir, "locks"), 0o755); err != nil {
		return nil, err
	}
	now := time.Now()
	if err := os.Chtimes(c.dir, now, now); err != nil {
		return nil, err
	}
	return c, prune(root, now)
}

// ensure returns the path of the file of that name, making it by its recipe where it is missing. Only
// one process makes a file; the others wait for it.
func (c *cache) ensure(name string) (string, error) {
	by, ok := c.recipes[name]
	if !ok {
		return "", fmt.Errorf("no recipe for %s", name)
	}
	return c.ensureBy(name, by)
}

// ensureBy is ensure with a recipe that the caller knows.
func (c *cache) ensureBy(name string, by recipe) (string, error) {
	path := filepath.Join(c.dir, name)
	if _, err := os.Lstat(path); err == nil {
		return path, nil
	}
	unlock, err := lock(filepath.Join(c.dir, "locks", name))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Lstat(path); err == nil {
		return path, nil
	}
	// A name that is fixed and guarded by the lock, so that the next maker removes what a killed one left.
	scratch := filepath.Join(c.dir, ".making-"+name)
	if err := errors.Join(os.RemoveAll(scratch), os.Mkdir(scratch, 0o755)); err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	b := &build{cache: c, dir: scratch, out: filepath.Join(scratch, name)}
	if err := by(b); err != nil {
		return "", fmt.Errorf("make %s: %w", name, err)
	}
	if err := os.Chmod(b.out, 0o444); err != nil {
		return "", err
	}
	return path, os.Rename(b.out, path)
}

// lock takes the file lock at path, waiting for its holder. The kernel frees it when its holder dies.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// prune removes the folders that no test opened for a while.
func prune(root string, now time.Time) error {
	old, err := filepath.Glob(filepath.Join(root, "media-*"))
	if err != nil {
		return err
	}
	for _, dir := range old {
		info, err := os.Stat(dir)
		if err != nil || now.Sub(info.ModTime()) < unusedAfter {
			continue // gone already, or in use
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// fingerprint names what the files depend on: the version of ffmpeg and the sources of this package.
func fingerprint(version string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", version)
	err := fs.WalkDir(sources, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := sources.ReadFile(name)
		fmt.Fprintf(h, "%s %d\n%s\n", name, len(text), text)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:16], err
}

func cacheRoot() (string, error) {
	if dir := os.Getenv("REELMILL_TEST_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "reelmill-test"), err
}

// ffmpegVersion returns the banner of the ffmpeg on PATH: version, compiler and configuration.
var ffmpegVersion = sync.OnceValues(func() (string, error) {
	if _, err := exec.LookPath("ffprobe"); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	banner, err := exec.CommandContext(ctx, "ffmpeg", "-version").Output()
	return string(banner), err
})

// missing skips t, or fails it where the environment promises that every tool is there.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("REELMILL_TEST_REQUIRE") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
