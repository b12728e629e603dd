// Package outputs writes the files of a job into a folder: each is streamed, compared with its digest,
// and only then put in its place, so that the folder never holds half a file under its name. Nothing is
// ever written outside the folder, whatever paths a manifest names and whatever links lie in it.
package outputs

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"
)

// ManifestName is the file of the manifest in the folder. No output may have this name.
const ManifestName = "manifest.json"

// MaxPathBytes is the longest path of an output: PATH_MAX of Linux leaves room for the folder's own.
const MaxPathBytes = 1024

const dirPerm, filePerm = 0o755, 0o644

// Errors of outputs that are not written. Test with errors.Is.
var (
	// ErrPath means that the path of an output is not one of a file in the folder.
	ErrPath = errors.New("not the path of a file in the folder")
	// ErrMismatch means that what was received is not what was published.
	ErrMismatch = errors.New("the content differs from what was published")
)

// File is one file to be written.
type File struct {
	// Path is the file's place in the folder, with slashes.
	Path      string
	SizeBytes int64
	// SHA256 is the lower-case hex digest of the content.
	SHA256 string
	// Open returns the content, which Write closes.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Dir is a folder that outputs are written to. It is used by one goroutine at a time.
type Dir struct{ root *os.Root }

// Open makes the folder where it is missing. The caller closes the Dir.
func Open(dir string) (*Dir, error) {
	if err := os.MkdirAll(dir, dirPerm); err != nil {
		return nil, fmt.Errorf("make output folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open output folder: %w", err)
	}
	return &Dir{root: root}, nil
}

// Close lets go of the folder.
func (d *Dir) Close() error { return d.root.Close() }

// CheckPath returns ErrPath unless p is the path of a file below a folder: relative, with slashes, without
// "." and ".." elements, control characters or backslashes, and not that of the manifest.
func CheckPath(p string) error {
	bad := func(r rune) bool { return unicode.IsControl(r) || r == '\\' || r == unicode.ReplacementChar }
	if !fs.ValidPath(p) || p == "." || p == ManifestName || len(p) > MaxPathBytes || strings.ContainsFunc(p, bad) || !filepath.IsLocal(p) {
		return fmt.Errorf("output %.100q: %w", p, ErrPath)
	}
	return nil
}

// Write writes f, replacing a file of that name. After an error there is nothing new under the name.
// Errors: ErrPath, ErrMismatch, those of f.Open and of the file system. A link in the folder is followed
// if it leads to another place in the folder; one that leads out is an error.
func (d *Dir) Write(ctx context.Context, f File) error {
	if err := CheckPath(f.Path); err != nil {
		return err
	}
	body, err := f.Open(ctx)
	if err != nil {
		return fmt.Errorf("output %s: %w", f.Path, err)
	}
	defer body.Close()
	sum := sha256.New()
	// One byte more than expected is enough to know that there is too much.
	check := func(n int64) error {
		if got := hex.EncodeToString(sum.Sum(nil)); n != f.SizeBytes || got != f.SHA256 {
			return fmt.Errorf("%w: %d bytes with SHA-256 %s, want %d with %s", ErrMismatch, n, got, f.SizeBytes, f.SHA256)
		}
		return nil
	}
	if err := d.replace(f.Path, io.TeeReader(io.LimitReader(body, f.SizeBytes+1), sum), check); err != nil {
		return fmt.Errorf("output %s: %w", f.Path, err)
	}
	return nil
}

// WriteManifest writes the manifest, replacing one that is there. It comes last: where it is, everything
// that it names is too.
func (d *Dir) WriteManifest(text []byte) error {
	if err := d.replace(ManifestName, strings.NewReader(string(text)), func(int64) error { return nil }); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}

// replace writes content beside its place and renames it there once check has passed.
func (d *Dir) replace(name string, content io.Reader, check func(n int64) error) (err error) {
	if dir := path.Dir(name); dir != "." {
		if err := d.root.MkdirAll(filepath.FromSlash(dir), dirPerm); err != nil {
			return err
		}
	}
	place := filepath.FromSlash(name)
	w, part, err := d.part(path.Dir(name))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = w.Close() // closed already where it could be synced
			err = errors.Join(err, d.root.Remove(part))
		}
	}()
	n, err := io.Copy(w, content)
	if err != nil {
		return err
	}
	if err := check(n); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return d.root.Rename(part, place)
}

// part makes a new file in the folder of that path within d, and returns it with its own path.
func (d *Dir) part(dir string) (w *os.File, name string, err error) {
	name = filepath.FromSlash(path.Join(dir, ".part-"+rand.Text()))
	w, err = d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm)
	return w, name, err
}
