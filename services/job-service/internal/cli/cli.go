// Package cli is the command line of job-service: it serves, examines what it stands on, shows and
// documents its configuration, makes API keys, and asks a running instance whether it is ready.
package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/platform"
	jobservice "github.com/reelmill/reelmill/services/job-service"
)

// Settings are everything that the program reads from its environment.
type Settings struct {
	Service  jobservice.Config
	Platform platform.Config
}

// commands is the grammar of the command line.
type commands struct {
	Serve       serve       `cmd:"" default:"1" help:"Answer the API and move jobs until told to stop. The default."`
	Doctor      doctor      `cmd:"" help:"Check the configuration, the database, the broker and the bucket. Exits with 1 if anything fails."`
	Config      config      `cmd:"" help:"Show or document the configuration, which is read from environment variables."`
	Healthcheck healthcheck `cmd:"" help:"Ask the instance on this host whether it is ready."`
	Keys        keysCommand `cmd:"" help:"Make API keys."`
	Version     version     `cmd:"" help:"Print the version."`
}

// session is what commands work with.
type session struct {
	context.Context //nolint:containedctx // kong passes values to commands by their type
	out             io.Writer
}

// json writes v as indented JSON.
func (s session) json(v any) error {
	e := json.NewEncoder(s.out)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

func (s session) printf(format string, args ...any) error {
	if _, err := fmt.Fprintf(s.out, format, args...); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// Main runs the command that args name, until SIGINT or SIGTERM where it runs for long, and returns the
// status to exit with: 0, 1 for a failure, 2 for a command line or a configuration that cannot work.
func Main(args []string, stdout, stderr io.Writer) int {
	selected, status := parse(args, stdout, stderr)
	if selected == nil {
		return status
	}
	return lifecycle.Main(func(ctx context.Context) error {
		return selected.Run(session{Context: ctx, out: stdout})
	})
}

// exited is how a command line ends that asks for help.
type exited struct{ status int }

// parse returns the command that args name, or nil and the status to exit with at once.
func parse(args []string, stdout, stderr io.Writer) (selected *kong.Context, status int) {
	defer func() {
		if e, ok := recover().(exited); ok {
			selected, status = nil, e.status
		}
	}()
	parser, err := kong.New(&commands{}, kong.Name(jobservice.Name), kong.Writers(stdout, stderr), kong.UsageOnError(),
		kong.Description("Job-service of Reelmill: the REST interface and the orchestrator of jobs."),
		kong.Exit(func(status int) { panic(exited{status}) }))
	if err != nil {
		panic(err) // the grammar above is wrong
	}
	selected, err = parser.Parse(args)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", jobservice.Name, err) // there is nowhere else to report
		return nil, lifecycle.StatusMisconfigured
	}
	return selected, lifecycle.StatusOK
}
