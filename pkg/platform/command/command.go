// Package command is the command line that all workers share: serve, config, healthcheck and version.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/alecthomas/kong"

	"github.com/reelmill/reelmill/pkg/chassis/env"
	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/chassis/ops"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry"
	"github.com/reelmill/reelmill/pkg/platform"
)

// Program is a worker with the configuration C.
type Program[C any] struct {
	// Name is the program's and the service's, Description one sentence for its help.
	Name        string
	Description string
	// Open makes the service on the platform and returns what runs it.
	Open func(ctx context.Context, cfg C, p *platform.Platform) (run func(ctx context.Context) error, err error)
}

// settings are everything that a program reads from its environment.
type settings[C any] struct {
	Service  C
	Platform platform.Config
}

// commands is the grammar of the command line.
type commands struct {
	Serve  struct{} `cmd:"" default:"1" help:"Take and carry out tasks until told to stop. The default."`
	Config struct {
		Print struct{} `cmd:"" help:"Print every variable with the value in force. Secrets are hidden."`
		Docs  struct{} `cmd:"" help:"Print the variables and what they mean as Markdown."`
	} `cmd:"" help:"Show or document the configuration, which is read from environment variables."`
	Healthcheck struct {
		Live bool `help:"Ask only whether the process answers, not whether it is ready."`
	} `cmd:"" help:"Ask the instance on this host whether it is ready."`
	Version struct{} `cmd:"" help:"Print the version."`
}

// Main runs the command that args name, until SIGINT or SIGTERM where it runs for long, and returns the
// status to exit with: 0, 1 for a failure, 2 for a command line or a configuration that cannot work.
func (p Program[C]) Main(args []string, stdout, stderr io.Writer) int {
	var c commands
	name, status := p.parse(&c, args, stdout, stderr)
	if name == "" {
		return status
	}
	return lifecycle.Main(func(ctx context.Context) error {
		switch name {
		case "serve":
			return p.serve(ctx)
		case "config print":
			loaded, err := load[settings[C]]()
			if err != nil {
				return err
			}
			return env.Print(stdout, loaded)
		case "config docs":
			var service C
			return env.Markdown(stdout, env.Section{Title: p.Name, Config: service}, env.Section{Title: "All services", Config: platform.Config{}})
		case "healthcheck":
			return healthcheck(ctx, c.Healthcheck.Live)
		default:
			_, err := fmt.Fprintln(stdout, p.Name, telemetry.BuildVersion())
			return err
		}
	})
}

func (p Program[C]) serve(ctx context.Context) error {
	loaded, err := load[settings[C]]()
	if err != nil {
		return err
	}
	base, err := platform.Open(ctx, telemetry.Service{Name: p.Name}, loaded.Platform)
	if err != nil {
		return err
	}
	run, err := p.Open(ctx, loaded.Service, base)
	if err != nil {
		return errors.Join(err, base.Close(context.WithoutCancel(ctx)))
	}
	// A misspelt variable is worth a word; those of other services in a shared environment are not wrong.
	if unknown, err := env.Unknown(platform.Prefix, loaded); err == nil && len(unknown) > 0 {
		base.Log.InfoContext(ctx, "variables of the environment that this service does not use", slog.Any("names", unknown))
	}
	return base.Run(ctx, lifecycle.Component{Name: p.Name, Run: run})
}

// healthcheck asks the instance on this host. Of the configuration it needs the address alone.
func healthcheck(ctx context.Context, live bool) error {
	loaded, err := load[struct {
		Ops ops.Config `envPrefix:"REELMILL_OPS_"`
	}]()
	if err != nil {
		return err
	}
	path := "/readyz"
	if live {
		path = "/livez"
	}
	url, err := ops.URL(loaded.Ops.Addr, path)
	if err != nil {
		return lifecycle.Misconfigured(fmt.Errorf("REELMILL_OPS_ADDR: %w", err))
	}
	return ops.Healthcheck(ctx, url)
}

func load[T any]() (T, error) {
	loaded, err := env.Load[T]()
	if err != nil {
		return loaded, fmt.Errorf("configuration:\n%w", err)
	}
	return loaded, nil
}

// exited is how a command line ends that asks for help.
type exited struct{ status int }

// parse fills c and returns the name of the command, or an empty one and the status to exit with at once.
func (p Program[C]) parse(c *commands, args []string, stdout, stderr io.Writer) (name string, status int) {
	defer func() {
		if e, ok := recover().(exited); ok {
			name, status = "", e.status
		}
	}()
	parser, err := kong.New(c, kong.Name(p.Name), kong.Writers(stdout, stderr), kong.UsageOnError(), kong.Description(p.Description),
		kong.Exit(func(status int) { panic(exited{status}) }))
	if err != nil {
		panic(err) // the grammar above is wrong
	}
	selected, err := parser.Parse(args)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", p.Name, err) // there is nowhere else to report
		return "", lifecycle.StatusMisconfigured
	}
	return selected.Command(), lifecycle.StatusOK
}
