// Package cli is the command line of testservers.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/reelmill/reelmill/test/servers/internal/mongo"
	"github.com/reelmill/reelmill/test/servers/internal/s3gw"
	"github.com/reelmill/reelmill/test/servers/internal/suite"
	"github.com/reelmill/reelmill/test/servers/internal/toxi"
)

const usage = `testservers runs real servers, privately and on loopback, for tests.

  testservers run [flags] -- COMMAND [ARGUMENTS]   start servers, run COMMAND with their addresses in its environment,
                                                   stop them; the exit code is the command's
  testservers up [flags]                           start servers, print their addresses as shell commands, and stop
                                                   them at the first SIGINT or SIGTERM

  -with LIST       servers to start, separated by commas (default %s)
  -keep-logs DIR   write the servers' logs there and keep them

RabbitMQ and PostgreSQL must be installed (test/packages.sh rabbitmq-server postgresql). When REELMILL_TEST_MONGO_URI
is set, that MongoDB is used and none is started.
`

// Exit codes besides those of the command.
const (
	exitFailure = 1
	exitUsage   = 2
	// exitSignal is added to the number of the signal that ended the command, as shells do.
	exitSignal = 128
)

// Host is what Main is given by the program that it is part of.
type Host struct {
	Stdout, Stderr io.Writer
	// Reexec is the environment in which the executable of this program, run again, calls Main with its arguments;
	// a program that does nothing else needs none.
	Reexec []string
}

// Main runs testservers with the arguments after the program's name and returns the exit code. It blocks until
// everything that it started is gone.
func Main(args []string, host Host) int {
	if len(args) == 0 {
		printUsage(host.Stderr)
		return exitUsage
	}
	command, rest := args[0], args[1:]
	switch command {
	case mongo.ServeCommand, s3gw.ServeCommand, toxi.ServeCommand:
		return serve(command, rest, host)
	case "run", "up":
	default:
		printUsage(host.Stderr)
		return exitUsage
	}
	opts, err := parse(command, rest)
	if errors.Is(err, flag.ErrHelp) {
		printUsage(host.Stdout)
		return 0
	}
	if err != nil {
		return fail(host, exitUsage, err.Error()+"\n")
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	code, err := run(opts, host, signals)
	if err != nil {
		return fail(host, max(code, exitFailure), err.Error()+"\n")
	}
	return code
}

func printUsage(w io.Writer) { fmt.Fprintf(w, usage, strings.Join(suite.All(), ",")) }

func fail(host Host, code int, text string) int {
	fmt.Fprintf(host.Stderr, "testservers: %s", text)
	return code
}

// serve runs one of the servers that are part of this executable.
func serve(command string, args []string, host Host) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var err error
	switch command {
	case mongo.ServeCommand:
		err = mongo.Serve(ctx, args, host.Stderr)
	case s3gw.ServeCommand:
		err = s3gw.Serve(ctx, args)
	case toxi.ServeCommand:
		stop() // the library cannot be stopped otherwise: let the signal end the process
		err = toxi.Serve(args, host.Stderr)
	}
	if err != nil {
		return fail(host, exitFailure, fmt.Sprintf("%s: %v\n", command, err))
	}
	return 0
}

// options are the parsed command line and what the environment adds to it.
type options struct {
	servers []string
	logDir  string
	command []string // nil for up
}

func parse(command string, args []string) (options, error) {
	flags := flag.NewFlagSet("testservers "+command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	with := flags.String("with", strings.Join(suite.All(), ","), "")
	var opts options
	flags.StringVar(&opts.logDir, "keep-logs", "", "")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	for name := range strings.SplitSeq(*with, ",") {
		if !slices.Contains(suite.All(), name) {
			return options{}, fmt.Errorf("-with: unknown server %q, want some of %s", name, strings.Join(suite.All(), ","))
		}
		if !slices.Contains(opts.servers, name) {
			opts.servers = append(opts.servers, name)
		}
	}
	if command == "up" && flags.NArg() > 0 {
		return options{}, fmt.Errorf("up takes no command, got %q", flags.Args())
	}
	if command == "run" {
		if flags.NArg() == 0 {
			return options{}, errors.New("run: no command after --")
		}
		opts.command = flags.Args()
	}
	return opts, nil
}

// since is for people: tenths of a second.
func since(start time.Time) time.Duration { return time.Since(start).Round(100 * time.Millisecond) }
