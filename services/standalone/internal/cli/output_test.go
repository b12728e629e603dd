package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/services/standalone/internal/client"
)

// occupied makes a file where the output folder needs a folder, which shows only when results are copied.
func occupied(t *testing.T, w *world) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(w.dir, "out"), 0o700); err != nil {
		t.Fatal(err)
	}
	written(t, filepath.Join(w.dir, "out"), "thumbnails", "in the way")
}

func TestProcessKeepsResultsThatItCannotCopy(t *testing.T) {
	w := newWorld(t)
	occupied(t, w)
	p := w.run("process", clip(t), "-o", "out", "--json")
	var r report
	if err := json.Unmarshal([]byte(p.stdout.String()), &r); err != nil {
		t.Fatal(err)
	}
	if p.status() != 1 || r.Job.State != "completed" || r.Error == nil || filepath.Dir(r.Data) != w.tmp {
		t.Fatalf("exit status %d, want 1 with the folder of the data: %+v", p.status(), r)
	}
	if !strings.Contains(r.Error.Detail, r.Data) || !strings.Contains(r.Error.Hint, "serve --data "+r.Data) || !strings.Contains(r.Error.Hint, r.Job.ID) {
		t.Errorf("the error does not say where the results are and how to get them: %+v", r.Error)
	}
	// What the hint says works.
	_, at := w.serve("--data", r.Data)
	api := client.New(at.API)
	defer api.Close()
	list, err := api.Outputs(t.Context(), r.Job.ID)
	if err != nil || len(list) == 0 {
		t.Errorf("the kept job has the outputs %v: %v", list, err)
	}
}

func TestProcessTellsAPersonWhereResultsAreKept(t *testing.T) {
	w := newWorld(t)
	occupied(t, w)
	p := w.run("process", clip(t), "-o", "out")
	kept := entries(t, w.tmp)
	if p.status() != 1 || len(kept) != 1 {
		t.Fatalf("exit status %d with %v in the folder for temporary files, want 1 and the data", p.status(), kept)
	}
	if text := p.stderr.String(); !strings.Contains(text, "they are kept in "+filepath.Join(w.tmp, kept[0])) || !strings.Contains(text, "hint: Run 'reelmill serve --data ") {
		t.Errorf("standard error does not say where the results are: %s", text)
	}
}
