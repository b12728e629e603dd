// Package workspacetest is a workspace without a worker around it: local files stand for the source and
// for what is stored. Tests and benchmarks of whole tasks use it.
package workspacetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

// Workspace keeps what is stored in a folder. It implements generate.Workspace and is safe for
// concurrent use.
type Workspace struct {
	scratch, stored, source string

	mu       sync.Mutex
	order    []string
	progress []int
}

// New returns a workspace whose source is the file at that path, whatever the reference to it says.
// scratch and stored are existing folders.
func New(source, scratch, stored string) *Workspace {
	return &Workspace{source: source, scratch: scratch, stored: stored}
}

// Scratch returns the folder for the attempt's files.
func (w *Workspace) Scratch() string { return w.scratch }

// Source returns a path of the source whose name says nothing, as a worker's does: ffmpeg guesses by
// extensions where there are any.
func (w *Workspace) Source(context.Context, contract.SourceRef) (string, error) {
	target, err := filepath.Abs(w.source)
	if err != nil {
		return "", fmt.Errorf("find the source: %w", err)
	}
	path := filepath.Join(w.scratch, "source")
	if err := os.Symlink(target, path); err != nil {
		return "", fmt.Errorf("link the source: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fault.Wrap(fault.CodeSourceNotFound, err, "there is no source")
	}
	return path, nil
}

// Store keeps a copy of the file under o.Path.
func (w *Workspace) Store(ctx context.Context, localPath string, o contract.Output) (contract.Output, error) {
	if ctx.Err() != nil {
		return o, context.Cause(ctx)
	}
	data, err := os.ReadFile(localPath)
	if err != nil {
		return o, fmt.Errorf("read %s: %w", localPath, err)
	}
	to := w.Path(o.Path)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return o, err
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		return o, err
	}
	sum := sha256.Sum256(data)
	o.Key, o.SizeBytes, o.SHA256 = "key/"+o.Path, int64(len(data)), hex.EncodeToString(sum[:])
	w.mu.Lock()
	defer w.mu.Unlock()
	w.order = append(w.order, o.Path)
	return o, nil
}

// Progress records how far the work is.
func (w *Workspace) Progress(thousandths int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress = append(w.progress, thousandths)
}

// Path returns where the output of that path is kept.
func (w *Workspace) Path(output string) string {
	return filepath.Join(w.stored, filepath.FromSlash(output))
}

// Order returns the paths of all outputs in the order in which they were stored.
func (w *Workspace) Order() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.order...)
}

// Reports returns all reports of progress, in order.
func (w *Workspace) Reports() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]int(nil), w.progress...)
}
