// Package cli is the command line of the standalone program.
//
// Standard output has what was asked for: a table, or one JSON document with --json. Standard error has
// errors and warnings. The exit status is 0 for success, 1 for a failure, 2 for wrong arguments or a
// wrong configuration, and 128 plus the number of the signal for a process command that was interrupted, and
// where nobody reads standard output any more.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/alecthomas/kong"
	"github.com/mattn/go-isatty"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry"
	"github.com/reelmill/reelmill/services/standalone/internal/app"
)

// commands is the command line.
type commands struct {
	Verbose bool   `short:"v" help:"Log everything to standard error, as JSON."`
	Log     string `type:"path" placeholder:"FILE" help:"Log everything to the end of FILE, as JSON."`

	Process processCommand `cmd:"" help:"Process one media file and copy the results into a folder."`
	Serve   serveCommand   `cmd:"" help:"Run all services until a signal comes."`
	Doctor  doctorCommand  `cmd:"" help:"Check that everything that is needed is there."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// environment is what a command works with besides its arguments.
type environment struct {
	stdout, stderr io.Writer
	// terminal says that stdout is watched by a person.
	terminal bool
	log      *slog.Logger
}

// Main runs the command line args, without the program's name, and returns the exit status. It owns the
// process: it takes over signals, and os.Stdout, since libraries print there.
func Main(args []string) int {
	stdout := os.Stdout
	os.Stdout = os.Stderr
	defer func() { os.Stdout = stdout }()
	env := &environment{stdout: stdout, stderr: os.Stderr, terminal: isatty.IsTerminal(stdout.Fd())}

	var c commands
	ended := false
	parser, err := kong.New(&c, kong.Name(app.Name), kong.Description("Reelmill makes films for streaming, posters, stills and storyboards from media files. "+
		"It needs ffmpeg and ffprobe, 5.1 or later, on PATH."),
		kong.Writers(stdout, os.Stderr), kong.Exit(func(int) { ended = true }),
		kong.Vars{"slots": fmt.Sprint(app.DefaultSlots()), "data": defaultData()})
	if err != nil {
		return env.fail(err)
	}
	parsed, err := parser.Parse(args)
	if ended { // by --help, which the parser has answered
		return lifecycle.StatusOK
	}
	if err != nil {
		return env.fail(&usageError{fmt.Errorf("%w; see %s --help", err, app.Name)})
	}
	closeLog, err := env.openLog(c.Verbose, c.Log)
	if err != nil {
		return env.fail(&usageError{err})
	}
	defer closeLog()
	ctx, stop := lifecycle.Signals(context.Background())
	defer stop()
	ctx, release := env.survivePipe(ctx)
	defer release()
	parsed.BindTo(ctx, (*context.Context)(nil))
	return env.fail(parsed.Run(env))
}

// openLog makes the logger: to the file, else as JSON or only warnings to standard error.
func (e *environment) openLog(verbose bool, file string) (closeLog func(), err error) {
	service := telemetry.Service{Name: app.Name}
	switch {
	case file != "":
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open log: %w", err)
		}
		e.log = telemetry.NewLogger(f, service, telemetry.LogConfig{})
		return func() { _ = f.Close() }, nil // nothing is left to report it to
	case verbose:
		e.log = telemetry.NewLogger(e.stderr, service, telemetry.LogConfig{})
	default:
		e.log = slog.New(telemetry.NewHandler(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	}
	return func() {}, nil
}

// fail tells of err on standard error, unless it is nil or told already, and returns the exit status.
func (e *environment) fail(err error) int {
	if err == nil {
		return lifecycle.StatusOK
	}
	if _, told := errors.AsType[*toldError](err); !told {
		d := describe(err)
		fmt.Fprintf(e.stderr, "%s: %s\n", app.Name, d.text())
		if d.Hint != "" {
			fmt.Fprintf(e.stderr, "  hint: %s\n", d.Hint)
		}
	}
	if s, ok := errors.AsType[interface {
		error
		ExitStatus() int
	}](err); ok {
		return s.ExitStatus()
	}
	return lifecycle.StatusFailure
}
