package outputs_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/reelmill/reelmill/services/standalone/internal/outputs"
)

// content is a file of that path with what text says.
func content(path, text string) outputs.File {
	sum := sha256.Sum256([]byte(text))
	return outputs.File{Path: path, SizeBytes: int64(len(text)), SHA256: hex.EncodeToString(sum[:]), Open: serve(strings.NewReader(text))}
}

func serve(r io.Reader) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(r), nil }
}

func open(t *testing.T, dir string) *outputs.Dir {
	t.Helper()
	d, err := outputs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// files returns the paths of all files below dir, with slashes.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			list = append(list, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestPathsOutsideOfTheFolderAreRefused(t *testing.T) {
	for _, p := range []string{
		"", ".", "..", "../x", "a/../../x", "a/../b", "/etc/passwd", "a//b", "./a", "a/", "a\\b", "a\x00b", "a\nb", "\xff",
		"manifest.json", strings.Repeat("a", outputs.MaxPathBytes+1),
	} {
		dir := filepath.Join(t.TempDir(), "out")
		if err := open(t, dir).Write(t.Context(), content(p, "x")); !errors.Is(err, outputs.ErrPath) {
			t.Errorf("Write(%.40q) = %v, want ErrPath", p, err)
		}
		if got := files(t, filepath.Dir(dir)); len(got) > 0 {
			t.Errorf("Write(%.40q) left %v", p, got)
		}
	}
	for _, p := range []string{"a", "thumbnails/poster.jpg", "a/b/c.d", "..a/b..", "a/manifest.json", "ä/ö"} {
		if err := outputs.CheckPath(p); err != nil {
			t.Errorf("CheckPath(%q) = %v", p, err)
		}
	}
}

func TestWriteReplacesFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "out")
	d := open(t, dir)
	for _, text := range []string{"the first, longer one", "second", ""} {
		if err := d.Write(t.Context(), content("a/b/c.txt", text)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "a", "b", "c.txt")); err != nil || string(b) != text {
			t.Errorf("the file has %q, %v, want %q", b, err, text)
		}
	}
	if err := d.WriteManifest([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); !slices.Equal(got, []string{"a/b/c.txt", "manifest.json"}) {
		t.Errorf("the folder has %v", got)
	}
}

func TestWhatDiffersIsNotWritten(t *testing.T) {
	broken := errors.New("the connection broke")
	good := content("a/f", "as published")
	for name, body := range map[string]struct {
		r    io.Reader
		want error
	}{
		"another byte": {strings.NewReader("as publishet"), outputs.ErrMismatch},
		"too short":    {strings.NewReader("as publish"), outputs.ErrMismatch},
		"too long":     {io.MultiReader(strings.NewReader("as published"), neverEnding{}), outputs.ErrMismatch},
		"breaks off":   {io.MultiReader(strings.NewReader("as"), iotest.ErrReader(broken)), broken},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := open(t, dir)
			if err := d.Write(t.Context(), content("a/f", "before")); err != nil {
				t.Fatal(err)
			}
			f := good
			f.Open = serve(body.r)
			if err := d.Write(t.Context(), f); !errors.Is(err, body.want) || !strings.Contains(err.Error(), "a/f") {
				t.Errorf("Write = %v, want %v with the path", err, body.want)
			}
			if b, err := os.ReadFile(filepath.Join(dir, "a", "f")); err != nil || string(b) != "before" {
				t.Errorf("the file has %q, %v, want what was there before", b, err)
			}
			if got := files(t, dir); !slices.Equal(got, []string{"a/f"}) {
				t.Errorf("the folder has %v", got)
			}
		})
	}
}

// neverEnding is an endless source.
type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }

func TestLinksOutOfTheFolderAreNotFollowed(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "file")
	if err := os.WriteFile(secret, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"absolute": outside, "relative": "../" + filepath.Base(outside), "file": secret} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	d := open(t, dir)
	for _, p := range []string{"absolute/new", "relative/new"} {
		if err := d.Write(t.Context(), content(p, "x")); err == nil {
			t.Errorf("Write(%s) succeeded through a link", p)
		}
	}
	// The link itself is replaced, not what it leads to.
	if err := d.Write(t.Context(), content("file", "new")); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(secret); err != nil || string(b) != "untouched" {
		t.Errorf("the file outside has %q, %v", b, err)
	}
	if info, err := os.Lstat(filepath.Join(dir, "file")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("file is %v, %v, want a regular file", info, err)
	}
	if got := files(t, outside); !slices.Equal(got, []string{"file"}) {
		t.Errorf("outside there is %v", got)
	}
}

func TestErrorsOfTheSourceAreKept(t *testing.T) {
	f := content("a", "x")
	f.Open = func(context.Context) (io.ReadCloser, error) { return nil, io.ErrNoProgress }
	dir := t.TempDir()
	if err := open(t, dir).Write(t.Context(), f); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("Write = %v", err)
	}
	if got := files(t, dir); len(got) > 0 {
		t.Errorf("left %v", got)
	}
}

func TestTryLeavesTheFolderAsItWas(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kept"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]string{"there": dir, "new": filepath.Join(dir, "new"), "new below others": filepath.Join(dir, "a", "b", "c")} {
		undo, err := outputs.Try(at)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if st, err := os.Stat(at); err != nil || !st.IsDir() {
			t.Errorf("%s: no folder was made: %v", name, err)
		}
		undo()
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 || list[0].Name() != "kept" {
			t.Errorf("%s: the folder has %v, want what it had before: %v", name, list, err)
		}
	}
}

func TestUndoKeepsFoldersThatAreUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	undo, err := outputs.Try(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Write(t.Context(), content("x", "y")); err != nil {
		t.Fatal(err)
	}
	undo()
	if got := files(t, dir); !slices.Equal(got, []string{"x"}) {
		t.Errorf("the folder has %v", got)
	}
}

func TestTryRefusesWhatCannotBeWrittenTo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{file, filepath.Join(file, "below"), "/proc", "/proc/new"} {
		if _, err := outputs.Try(at); err == nil {
			t.Errorf("%s can be written to", at)
		}
	}
	if got := files(t, dir); !slices.Equal(got, []string{"file"}) {
		t.Errorf("left %v", got)
	}
}
