package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/services/standalone/internal/outputs"
)

// report is what the process command answers, as it stands with --json.
type report struct {
	Source reportSource `json:"source"`
	Job    reportJob    `json:"job,omitzero"`
	// OutputDir is the folder of Outputs and Manifest; all three are there where the job is completed.
	OutputDir string          `json:"output_dir,omitempty"`
	Manifest  string          `json:"manifest,omitempty"`
	Outputs   []reportOutput  `json:"outputs,omitempty"`
	Notes     []contract.Note `json:"notes,omitempty"`
	Warnings  []contract.Note `json:"warnings,omitempty"`
	// Data is the data folder where it was kept.
	Data  string       `json:"data,omitempty"`
	Error *description `json:"error,omitempty"`
}

type reportSource struct {
	File      string      `json:"file"`
	SizeBytes int64       `json:"size_bytes"`
	Media     *media.Info `json:"media,omitempty"`
}

type reportJob struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	Pipeline string `json:"pipeline"`
}

type reportOutput struct {
	Path      string            `json:"path"`
	Kind      string            `json:"kind"`
	MediaType string            `json:"media_type"`
	SizeBytes int64             `json:"size_bytes"`
	SHA256    string            `json:"sha256"`
	Width     int               `json:"width,omitempty"`
	Height    int               `json:"height,omitempty"`
	At        *contract.Seconds `json:"at_seconds,omitempty"`
}

// made notes what was copied to dir.
func (r *report) made(dir string, m contract.Manifest) {
	r.OutputDir, r.Manifest, r.Notes, r.Source.Media = dir, filepath.Join(dir, outputs.ManifestName), m.Notes, m.Source.Media
	for _, o := range m.Outputs {
		r.Outputs = append(r.Outputs, reportOutput{Path: o.Path, Kind: o.Kind, MediaType: o.MediaType, SizeBytes: o.SizeBytes,
			SHA256: o.SHA256, Width: o.Width, Height: o.Height, At: o.At})
	}
}

// print writes the report for a person. That stdout cannot be written has nowhere to be told.
func (r *report) print(w io.Writer) {
	if r.Source.Media != nil {
		fmt.Fprintf(w, "\n%s: %s, %s\n", filepath.Base(r.Source.File), humanBytes(r.Source.SizeBytes), facts(*r.Source.Media))
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "PATH\tKIND\tSIZE\tDIMENSIONS")
	var total int64
	for _, o := range r.Outputs {
		size := ""
		if o.Width > 0 {
			size = fmt.Sprintf("%dx%d", o.Width, o.Height)
		}
		total += o.SizeBytes
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", o.Path, o.Kind, humanBytes(o.SizeBytes), size)
	}
	_ = t.Flush()
	for _, n := range append(append([]contract.Note{}, r.Notes...), r.Warnings...) {
		fmt.Fprintf(w, "note: %s: %s\n", n.Code, n.Detail)
	}
	fmt.Fprintf(w, "\n%d files, %s, in %s\n", len(r.Outputs), humanBytes(total), r.OutputDir)
	if r.Data != "" {
		fmt.Fprintf(w, "job %s is kept in %s\n", r.Job.ID, r.Data)
	}
}
