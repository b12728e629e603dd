package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// unread makes the program's standard output a pipe that nobody reads.
func (p *program) unread(t *testing.T) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout = w
}

func TestProcessCleansUpWhenNobodyReadsIt(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		says string
		made bool
	}{
		"lines":        {nil, "the job is cancelled", false},
		"one document": {[]string{"--json"}, "broken pipe", true}, // which comes once everything is done
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.prepare(append([]string{"process", clip(t), "-o", "out"}, tt.args...)...)
			p.unread(t)
			w.launch(p)
			if status := p.wait(t); status != 141 || !strings.Contains(p.stderr.String(), tt.says) {
				t.Errorf("exit status %d, want 141 as of SIGPIPE, and %q", status, tt.says)
			}
			if left := entries(t, w.tmp); len(left) != 0 {
				t.Errorf("left in the folder for temporary files: %v", left)
			}
			if _, err := os.Stat(filepath.Join(w.dir, "out", "manifest.json")); (err == nil) != tt.made {
				t.Errorf("the manifest: %v, made should be %t", err, tt.made)
			}
			if _, err := os.Stat(filepath.Join(w.dir, "out")); err == nil && !tt.made {
				t.Error("a cancelled job left an output folder")
			}
		})
	}
}

func TestCommandsEndWhenNobodyReadsThem(t *testing.T) {
	w := newWorld(t)
	for name, args := range map[string][]string{
		"version": {"version"}, "doctor": {"doctor", "--json", "--data", "data"},
		"serve": {"serve", "--addr", "127.0.0.1:0", "--s3-addr", "127.0.0.1:0", "--data", "data"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{t: t, dir: w.dir, tmp: w.tmp, path: w.path}
			p := w.prepare(args...)
			p.unread(t)
			w.launch(p)
			if status := p.wait(t); status != 141 || !strings.Contains(p.stderr.String(), "broken pipe") {
				t.Errorf("exit status %d, want 141 as of SIGPIPE, and why", status)
			}
		})
	}
}
