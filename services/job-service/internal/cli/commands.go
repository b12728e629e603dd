package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/reelmill/reelmill/pkg/chassis/env"
	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/chassis/ops"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry"
	"github.com/reelmill/reelmill/pkg/platform"
	jobservice "github.com/reelmill/reelmill/services/job-service"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
)

type serve struct{}

// Run serves until the session ends.
func (serve) Run(s session) error {
	settings, err := env.Load[Settings]()
	if err != nil {
		return fmt.Errorf("configuration:\n%w", err)
	}
	p, err := platform.Open(s, telemetry.Service{Name: jobservice.Name}, settings.Platform)
	if err != nil {
		return err
	}
	service, err := jobservice.New(settings.Service, depsOf(p))
	if err != nil {
		return errors.Join(err, p.Close(context.WithoutCancel(s)))
	}
	// A misspelt variable is worth a word; those of other services in a shared environment are not wrong.
	if unknown, err := env.Unknown(platform.Prefix, settings); err == nil && len(unknown) > 0 {
		p.Log.InfoContext(s, "variables of the environment that this service does not use", slog.Any("names", unknown))
	}
	return p.Run(s, lifecycle.Component{Name: jobservice.Name, Run: service.Run})
}

func depsOf(p *platform.Platform) jobservice.Deps {
	return jobservice.Deps{Database: p.Database, Blobs: p.Blobs, Presigner: p.Blobs, Uploads: p.Blobs, Publisher: p.Broker, Consumer: p.Broker,
		Log: p.Log, TracerProvider: p.TracerProvider(), Registerer: p.Registry}
}

type config struct {
	Print printConfig `cmd:"" help:"Print every variable with the value in force. Secrets are hidden."`
	Docs  docsConfig  `cmd:"" help:"Print the variables and what they mean as Markdown."`
}

type printConfig struct{}

// Run prints the configuration.
func (printConfig) Run(s session) error {
	settings, err := env.Load[Settings]()
	if err != nil {
		return fmt.Errorf("configuration:\n%w", err)
	}
	return env.Print(s.out, settings)
}

type docsConfig struct {
	Part string `enum:"all,service,shared" default:"all" help:"Which variables: those of this service, those that all services share, or all."`
}

// Run prints the documentation of the configuration.
func (c docsConfig) Run(s session) error {
	service := env.Section{Title: jobservice.Name, Intro: "Variables of job-service alone.", Config: jobservice.Config{}}
	shared := env.Section{Title: "All services", Intro: "Variables that every service reads.", Config: platform.Config{}}
	switch c.Part {
	case "service":
		return env.Markdown(s.out, service)
	case "shared":
		return env.Markdown(s.out, shared)
	default:
		return env.Markdown(s.out, service, shared)
	}
}

type healthcheck struct {
	Live bool `help:"Ask only whether the process answers, not whether it is ready."`
}

// Run asks the instance on this host. Of the configuration it needs the address alone.
func (h healthcheck) Run(s session) error {
	settings, err := env.Load[struct {
		Ops ops.Config `envPrefix:"REELMILL_OPS_"`
	}]()
	if err != nil {
		return fmt.Errorf("configuration:\n%w", err)
	}
	path := "/readyz"
	if h.Live {
		path = "/livez"
	}
	url, err := ops.URL(settings.Ops.Addr, path)
	if err != nil {
		return lifecycle.Misconfigured(fmt.Errorf("REELMILL_OPS_ADDR: %w", err))
	}
	return ops.Healthcheck(s, url)
}

type keysCommand struct {
	Create createKey `cmd:"" help:"Make a key. The token is shown only now; the record goes into the file that REELMILL_API_KEYS_FILE names."`
}

type createKey struct {
	Tenant  string        `required:"" help:"Whose key it is: lower-case letters, digits, '-' and '_'."`
	Role    access.Role   `required:"" enum:"read,write,admin" help:"What it allows: read, write or admin."`
	Expires time.Duration `help:"How long it is valid, for example 720h; for ever where not given."`
	JSON    bool          `help:"Print one JSON object with token and record."`
}

// Run makes a key and prints it.
func (c createKey) Run(s session) error {
	var expires time.Time
	switch {
	case c.Expires < 0:
		return lifecycle.Misconfigured(fmt.Errorf("--expires: want more than 0, got %v", c.Expires))
	case c.Expires > 0:
		expires = time.Now().Add(c.Expires).UTC().Truncate(time.Second)
	}
	token, key, err := access.Generate(c.Tenant, c.Role, expires)
	if err != nil {
		return lifecycle.Misconfigured(err)
	}
	if c.JSON {
		return s.json(struct {
			Token  string     `json:"token"`
			Record access.Key `json:"record"`
		}{token, key})
	}
	if err := s.printf("Token, which is shown only now:\n%s\n\nRecord for the file of keys (a JSON array of such records):\n", token); err != nil {
		return err
	}
	return s.json(key)
}

type version struct {
	JSON bool `help:"Print JSON."`
}

// Run prints the version.
func (v version) Run(s session) error {
	built := telemetry.BuildVersion()
	if v.JSON {
		return s.json(map[string]string{"service": jobservice.Name, "version": built, "go": runtime.Version()})
	}
	return s.printf("%s %s (%s)\n", jobservice.Name, built, runtime.Version())
}
