package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
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
	// rendition is what a segment belongs to: the folder of its step, and the rung or track.
	rendition string
}

// made notes what was copied to dir.
func (r *report) made(dir string, m contract.Manifest) {
	r.OutputDir, r.Manifest, r.Notes, r.Source.Media = dir, filepath.Join(dir, outputs.ManifestName), m.Notes, m.Source.Media
	for _, o := range m.Outputs {
		out := reportOutput{Path: o.Path, Kind: o.Kind, MediaType: o.MediaType, SizeBytes: o.SizeBytes,
			SHA256: o.SHA256, Width: o.Width, Height: o.Height, At: o.At}
		if o.Segment != nil {
			folder, _, _ := strings.Cut(o.Path, "/")
			out.rendition = folder + "/" + o.Segment.Rendition
		}
		r.Outputs = append(r.Outputs, out)
	}
}

// summed returns the outputs with the segments of a rendition, which may be thousands, as one entry.
func summed(outputs []reportOutput) []reportOutput {
	var all []reportOutput
	at := map[string]int{}
	count := map[string]int{}
	for _, o := range outputs {
		if o.Kind != contract.OutputSegment {
			all = append(all, o)
			continue
		}
		i, ok := at[o.rendition]
		if !ok {
			i = len(all)
			at[o.rendition] = i
			all = append(all, reportOutput{Kind: o.Kind})
		}
		count[o.rendition]++
		all[i].SizeBytes += o.SizeBytes
		all[i].Path = o.rendition + " (1 segment)"
		if n := count[o.rendition]; n > 1 {
			all[i].Path = fmt.Sprintf("%s (%d segments)", o.rendition, n)
		}
	}
	return all
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
	for _, o := range summed(r.Outputs) {
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
