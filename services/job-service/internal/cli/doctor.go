package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/reelmill/reelmill/pkg/chassis/env"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry"
	"github.com/reelmill/reelmill/pkg/messaging"
	"github.com/reelmill/reelmill/pkg/platform"
	jobservice "github.com/reelmill/reelmill/services/job-service"
)

type doctor struct {
	JSON    bool          `help:"Print a JSON array of findings."`
	Timeout time.Duration `default:"30s" help:"Limit of each check."`
}

// check is one thing that must be as the service needs it.
type check struct {
	name string
	// needs names a check without whose success this one says nothing.
	needs string
	// hint says what to do where it fails.
	hint string
	// run returns what was found, in a few words, or why the check failed.
	run func(ctx context.Context) (string, error)
}

// The results of checks.
const (
	resultOK      = "ok"
	resultFailed  = "FAILED"
	resultSkipped = "skipped"
)

// finding is what came of a check.
type finding struct {
	Check   string  `json:"check"`
	Result  string  `json:"result"`
	Detail  string  `json:"detail,omitempty"`
	Hint    string  `json:"hint,omitempty"`
	Seconds float64 `json:"seconds"`
}

// sickError says how many checks failed.
type sickError struct{ failed, of int }

// Error says how many checks failed.
func (e *sickError) Error() string { return fmt.Sprintf("%d of %d checks failed", e.failed, e.of) }

// Run makes all checks and prints a line for each as it ends.
func (d doctor) Run(s session) error {
	checks := []check{{name: "versions", run: versions}}
	settings, p, err := open(s)
	checks = append(checks, configuration(settings, err))
	if err == nil {
		stop := connect(s, p)
		defer stop()
		checks = append(checks, service(settings.Service, p))
		checks = append(checks, brokerChecks(p.Broker, messaging.System())...)
		checks = append(checks, databaseChecks(p.Database)...)
		checks = append(checks, storageChecks(p.Blobs, p.Blobs, p.Blobs.Ping)...)
	}
	return d.examine(s, checks)
}

// open reads the configuration and makes the adapters, which contacts nobody.
func open(ctx context.Context) (Settings, *platform.Platform, error) {
	settings, err := env.Load[Settings]()
	if err != nil {
		return settings, nil, err
	}
	cfg := settings.Platform
	cfg.S3.CreateBucket = false         // a doctor looks and does not heal: a bucket that is missing stays so
	cfg.Log.Level = slog.LevelError + 1 // the findings say it better
	p, err := platform.Open(ctx, telemetry.Service{Name: jobservice.Name + "-doctor"}, cfg)
	return settings, p, err
}

// connect keeps the broker connected until stop is called, which waits for its end and closes the adapters.
func connect(parent context.Context, p *platform.Platform) (stop func()) {
	ctx, cancel := context.WithCancel(parent)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Broker.Run(ctx) // it ends with ctx and returns nil
	}()
	return func() {
		cancel()
		<-done
		_ = p.Close(context.WithoutCancel(parent)) // the program ends anyway
	}
}

// examine makes the checks in order and reports them.
func (d doctor) examine(s session, checks []check) error {
	results := map[string]string{}
	findings := make([]finding, 0, len(checks))
	failed := 0
	for _, c := range checks {
		f := finding{Check: c.name, Result: resultSkipped, Detail: "because " + c.needs + " failed"}
		if c.needs == "" || results[c.needs] == resultOK {
			f = d.make(s, c)
		}
		if f.Result == resultFailed {
			failed++
		}
		results[c.name] = f.Result
		findings = append(findings, f)
		if !d.JSON {
			if err := s.printf("%s\n", f); err != nil {
				return err
			}
		}
	}
	if d.JSON {
		if err := s.json(findings); err != nil {
			return err
		}
	}
	if failed > 0 {
		return &sickError{failed: failed, of: len(checks)}
	}
	return nil
}

// make makes one check within the limit of time.
func (d doctor) make(ctx context.Context, c check) finding {
	started := time.Now()
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	detail, err := c.run(ctx)
	f := finding{Check: c.name, Result: resultOK, Detail: detail, Seconds: time.Since(started).Seconds()}
	if err != nil {
		f.Result, f.Detail, f.Hint = resultFailed, oneLine(err.Error()), c.hint
	}
	return f
}

// String returns the finding as a line.
func (f finding) String() string {
	line := fmt.Sprintf("%-8s%-22s%s", f.Result, f.Check, f.Detail)
	if f.Hint != "" {
		line += " (hint: " + f.Hint + ")"
	}
	return strings.TrimRight(line, " ")
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

func versions(context.Context) (string, error) {
	return fmt.Sprintf("%s %s, %s, %s/%s", jobservice.Name, telemetry.BuildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH), nil
}

// configuration reports what env.Load made of the environment.
func configuration(settings Settings, loaded error) check {
	return check{name: "configuration", hint: "see 'job-service config docs' for the variables", run: func(context.Context) (string, error) {
		if loaded != nil {
			return "", loaded
		}
		unknown, err := env.Unknown(platform.Prefix, settings)
		if err != nil {
			return "", err
		}
		if len(unknown) > 0 {
			return "valid; not used by this service: " + strings.Join(unknown, ", "), nil
		}
		return "valid", nil
	}}
}

// service reports whether the service can be made of its configuration, which includes its API keys.
func service(cfg jobservice.Config, p *platform.Platform) check {
	return check{name: "service", hint: "see REELMILL_API_KEYS_FILE and REELMILL_HTTP_ADDR", run: func(context.Context) (string, error) {
		if _, err := jobservice.New(cfg, depsOf(p)); err != nil {
			return "", err
		}
		if cfg.APIKeysFile == "" {
			return "would listen on " + cfg.HTTP.Addr + " without API keys", nil
		}
		if info, err := os.Stat(cfg.APIKeysFile); err == nil && info.Mode().Perm()&0o022 != 0 {
			return "", fmt.Errorf("%s: others than its owner may write to it", cfg.APIKeysFile)
		}
		return "would listen on " + cfg.HTTP.Addr + " with API keys", nil
	}}
}

// broker is what the doctor asks of the connection to RabbitMQ.
type broker interface {
	Ready(ctx context.Context) error
	ServerVersion() string
}

// pollInterval is how often the broker's connection is looked at.
const pollInterval = 50 * time.Millisecond

func brokerChecks(b broker, t messaging.Topology) []check {
	return []check{{name: "broker", hint: "see REELMILL_AMQP_URLS: is RabbitMQ running there, and may the user configure its exchanges and queues?",
		run: func(ctx context.Context) (string, error) {
			tick := time.NewTicker(pollInterval)
			defer tick.Stop()
			for {
				err := b.Ready(ctx)
				if err == nil {
					return fmt.Sprintf("RabbitMQ %s with %d exchanges and %d queues", b.ServerVersion(), len(t.Exchanges), len(t.Queues)), nil
				}
				select {
				case <-ctx.Done():
					return "", errors.Join(err, ctx.Err())
				case <-tick.C:
				}
			}
		}}}
}
