package workspacetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/application/transcode"
)

// workspace is that of one task.
type workspace struct {
	g       *Group
	scratch string
	prefix  string
}

var _ transcode.Workspace = (*workspace)(nil)

func (w *workspace) Scratch() string { return w.scratch }

// Source links the file under a name that says nothing, as a worker's source has.
func (w *workspace) Source(_ context.Context, ref contract.SourceRef) (string, error) {
	target := w.g.source
	var sidecar int
	if _, err := fmt.Sscanf(ref.Key, "sidecar-%d", &sidecar); err == nil {
		target = w.g.Sidecars[sidecar]
	} else if ref.Key != "source" {
		target = w.g.File(contract.Output{Key: ref.Key})
	}
	target, err := filepath.Abs(target)
	if err != nil {
		return "", err
	}
	path := filepath.Join(w.scratch, "src")
	_ = os.Remove(path) // another source of the same task
	if err := os.Symlink(target, path); err != nil {
		return "", err
	}
	return path, nil
}

func (w *workspace) Results(_ context.Context, step string) ([]contract.TaskResult, error) {
	for op, name := range Steps {
		if name == step {
			return w.g.Results(op), nil
		}
	}
	return nil, fault.New(fault.CodeInternal, "there is no step %q", step)
}

func (w *workspace) Fetch(_ context.Context, o contract.Output, path string) error {
	b, err := os.ReadFile(w.g.File(o))
	if err != nil {
		return fault.Wrap(fault.CodeOutputMissing, err, "output %s is not stored any more", o.Path)
	}
	if o.Kind == contract.OutputSegment {
		w.g.mu.Lock()
		w.g.fetched += o.SizeBytes
		w.g.mu.Unlock()
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != o.SHA256 || int64(len(b)) != o.SizeBytes {
		return fault.New(fault.CodeOutputMissing, "output %s is stored with another content than was recorded", o.Path)
	}
	return os.WriteFile(path, b, 0o600)
}

func (w *workspace) Store(ctx context.Context, localPath string, o contract.Output) (contract.Output, error) {
	if ctx.Err() != nil {
		return o, context.Cause(ctx)
	}
	b, err := os.ReadFile(localPath)
	if err != nil {
		return o, err
	}
	o.Key, o.ETag = w.prefix+o.Path, "etag"
	w.g.Rewrite(&o, b)
	return o, os.WriteFile(w.g.File(o), b, 0o600)
}

func (w *workspace) Progress(int) {}
