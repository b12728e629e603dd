// Package docs generates the reference documents that follow from the code, and its tests compare what the
// other documents name with the code.
package docs

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/reelmill/reelmill/pkg/chassis/env"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/platform"
	jobservice "github.com/reelmill/reelmill/services/job-service"
	thumbnailworker "github.com/reelmill/reelmill/services/thumbnail-worker"
	transcodingworker "github.com/reelmill/reelmill/services/transcoding-worker"
)

var (
	//go:embed templates/configuration.md.tmpl
	configurationText string
	//go:embed templates/errors.md.tmpl
	errorsText string
)

// Generate returns the generated documents by their paths below root, the repository's folder. It builds
// and runs the standalone program for the help of its flags.
func Generate(ctx context.Context, root string) (map[string][]byte, error) {
	configuration, err := configuration(ctx, root)
	if err != nil {
		return nil, fmt.Errorf("generate the configuration: %w", err)
	}
	errors, err := render(errorsText, sections())
	if err != nil {
		return nil, fmt.Errorf("generate the errors: %w", err)
	}
	return map[string][]byte{"docs/configuration.md": configuration, "docs/errors.md": errors}, nil
}

func configuration(ctx context.Context, root string) ([]byte, error) {
	var data struct{ Shared, JobService, ThumbnailWorker, TranscodingWorker, Serve, Process string }
	for _, table := range []struct {
		into   *string
		config any
	}{
		{&data.Shared, platform.Config{}}, {&data.JobService, jobservice.Config{}}, {&data.ThumbnailWorker, thumbnailworker.Config{}},
		{&data.TranscodingWorker, transcodingworker.Config{}},
	} {
		var b bytes.Buffer
		if err := env.Markdown(&b, env.Section{Config: table.config}); err != nil {
			return nil, err
		}
		*table.into = strings.TrimSpace(b.String())
	}
	bin, err := os.MkdirTemp("", "reelmill-docs-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(bin)
	reelmill := filepath.Join(bin, "reelmill")
	build := exec.CommandContext(ctx, "go", "build", "-o", reelmill, "./services/standalone/cmd/reelmill")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build reelmill: %w: %s", err, out)
	}
	if data.Serve, err = help(ctx, reelmill, "serve"); err != nil {
		return nil, err
	}
	if data.Process, err = help(ctx, reelmill, "process"); err != nil {
		return nil, err
	}
	return render(configurationText, data)
}

// help returns the help of a command, as it is on a machine with two processors.
func help(ctx context.Context, program, command string) (string, error) {
	cmd := exec.CommandContext(ctx, program, command, "--help")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=2", "XDG_DATA_HOME=/home/you/.local/share")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("reelmill %s --help: %w", command, err)
	}
	lines := strings.Split(string(out), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.TrimSpace(strings.Join(lines, "\n")), nil
}

// section is a part of the error catalogue.
type section struct {
	Title, Intro string
	Entries      []fault.Entry
}

// sections cuts the catalogue, which is in the order of the documentation, at the first code of each part.
func sections() []section {
	parts := map[fault.Code]section{
		fault.CodeSourceEmpty:      {Title: "The source", Intro: "Why a job cannot use its source. They stand in the job's `error`; `source_too_large`, `source_truncated` and `source_gone` may also answer a request."},
		fault.CodeFFmpegFailed:     {Title: "The work", Intro: "Why an attempt or a job failed."},
		fault.CodeMessageMalformed: {Title: "Messages", Intro: "Why a message was parked, in its header `x-park-code`; see [messaging.md](messaging.md)."},
		fault.CodeRequestInvalid:   {Title: "Requests", Intro: "Why a request is refused."},
	}
	var all []section
	for _, e := range fault.Catalogue() {
		if part, ok := parts[e.Code]; ok {
			all = append(all, part)
		}
		last := &all[len(all)-1]
		last.Entries = append(last.Entries, e)
	}
	return all
}

func render(text string, data any) ([]byte, error) {
	t, err := template.New("").Parse(text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
