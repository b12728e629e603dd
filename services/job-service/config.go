package jobservice

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/reelmill/reelmill/pkg/chassis/env"
	"github.com/reelmill/reelmill/pkg/chassis/httpserver"
	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/saga"
)

// Config is the service's own configuration. Zero values mean the defaults in the tags.
type Config struct {
	HTTP           httpserver.Config `envPrefix:"REELMILL_HTTP_"`
	APIKeysFile    string            `env:"REELMILL_API_KEYS_FILE" doc:"File with the API keys, a JSON array of records as 'job-service keys create' prints them. Without it everybody is the tenant 'default', which only a loopback address allows."`
	CORSOrigins    []string          `env:"REELMILL_HTTP_CORS_ORIGINS" envSeparator:"," doc:"Origins whose pages may call the API, as scheme://host[:port], or * for all; none where unset."`
	UploadTTL      time.Duration     `env:"REELMILL_UPLOAD_TTL" envDefault:"15m" doc:"How long a presigned upload is valid."`
	DownloadTTL    time.Duration     `env:"REELMILL_DOWNLOAD_TTL" envDefault:"15m" doc:"How long a presigned download is valid."`
	UploadWindow   time.Duration     `env:"REELMILL_UPLOAD_WINDOW" envDefault:"24h" doc:"How long a job waits for its source."`
	MaxSource      env.Bytes         `env:"REELMILL_MAX_SOURCE_SIZE" envDefault:"5GiB" doc:"Largest source; S3 takes at most 5 GiB in one upload."`
	CheckInterval  time.Duration     `env:"REELMILL_CHECK_INTERVAL" envDefault:"15s" doc:"How often a running job is looked at although nothing was heard of it; a lost reply costs this much."`
	SweepDelay     time.Duration     `env:"REELMILL_SWEEP_DELAY" envDefault:"90s" doc:"How long after its end a job's unpublished outputs are swept once more; more than a lease of the workers."`
	SweepInterval  time.Duration     `env:"REELMILL_SWEEP_INTERVAL" envDefault:"1s" doc:"How often due jobs and expired leases are looked for."`
	Workers        int               `env:"REELMILL_ORCHESTRATOR_WORKERS" envDefault:"8" doc:"Jobs that are advanced at a time (1 to 256)."`
	SampleInterval time.Duration     `env:"REELMILL_METRICS_INTERVAL" envDefault:"15s" doc:"How often jobs and tasks are counted for the metrics."`
}

// withDefaults returns c with zero values replaced by the defaults, for programs that do not load it from
// the environment.
func (c Config) withDefaults() Config {
	t := saga.DefaultTiming()
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&c.UploadTTL, t.UploadTTL}, {&c.DownloadTTL, 15 * time.Minute}, {&c.UploadWindow, t.UploadWindow},
		{&c.CheckInterval, t.CheckInterval}, {&c.SweepDelay, t.SweepDelay}, {&c.SweepInterval, time.Second}, {&c.SampleInterval, 15 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
	c.HTTP.Addr = cmp.Or(c.HTTP.Addr, "127.0.0.1:8080")
	if c.MaxSource == 0 {
		c.MaxSource = 5 * env.GiB
	}
	if c.Workers == 0 {
		c.Workers = 8
	}
	return c
}

func (c Config) timing() saga.Timing {
	return saga.Timing{UploadWindow: c.UploadWindow, CheckInterval: c.CheckInterval, SweepDelay: c.SweepDelay, UploadTTL: c.UploadTTL}
}

// Validate reports every setting that cannot work.
func (c Config) Validate() error {
	c = c.withDefaults()
	return errors.Join(
		checkOrigins("REELMILL_HTTP_CORS_ORIGINS", c.CORSOrigins),
		env.Between("REELMILL_UPLOAD_TTL", c.UploadTTL, time.Second, 7*24*time.Hour),
		env.Between("REELMILL_DOWNLOAD_TTL", c.DownloadTTL, time.Second, 7*24*time.Hour),
		env.Between("REELMILL_UPLOAD_WINDOW", c.UploadWindow, time.Minute, 30*24*time.Hour),
		env.Between("REELMILL_MAX_SOURCE_SIZE", c.MaxSource, env.KiB, 5*env.GiB),
		env.Between("REELMILL_CHECK_INTERVAL", c.CheckInterval, 100*time.Millisecond, time.Hour),
		env.Between("REELMILL_SWEEP_DELAY", c.SweepDelay, 100*time.Millisecond, 24*time.Hour),
		env.Between("REELMILL_SWEEP_INTERVAL", c.SweepInterval, 10*time.Millisecond, time.Minute),
		env.Between("REELMILL_METRICS_INTERVAL", c.SampleInterval, 100*time.Millisecond, time.Hour),
		env.Between("REELMILL_ORCHESTRATOR_WORKERS", c.Workers, 1, 256),
	)
}

// errOpen is why a server without keys refuses an address that others can reach.
var errOpen = errors.New("no API keys are configured, which only a loopback address allows: set REELMILL_API_KEYS_FILE")

// checkAnonymous returns nil if a server without keys may listen on the address.
func checkAnonymous(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return lifecycle.Misconfigured(fmt.Errorf("REELMILL_HTTP_ADDR: %w", err))
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return lifecycle.Misconfigured(fmt.Errorf("listen on %s: %w", addr, errOpen))
}
