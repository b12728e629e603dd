package transcodingworker

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/reelmill/reelmill/pkg/chassis/env"
	"github.com/reelmill/reelmill/pkg/ffmpeg"
	"github.com/reelmill/reelmill/services/transcoding-worker/internal/infrastructure/media"
)

// Config is the service's own configuration. Zero values mean the defaults in the tags.
type Config struct {
	Concurrency int       `env:"REELMILL_TRANSCODE_CONCURRENCY" envDefault:"1" doc:"Tasks that are carried out at a time (1 to 64). One that encodes 1080p uses about 600 MiB."`
	Threads     int       `env:"REELMILL_TRANSCODE_THREADS" envDefault:"0" doc:"Threads of each encoder (0 to 64); 0 shares the processors that the process may use, by its quota, among the tasks."`
	Scratch     string    `env:"REELMILL_SCRATCH_DIR" doc:"Folder for the files of tasks and the cache of sources; below the system's temporary folder where unset."`
	Cache       env.Bytes `env:"REELMILL_SOURCE_CACHE_SIZE" envDefault:"2GiB" doc:"Space for sources that are kept for the next task of their job."`
	// Drain is how long tasks under way may go on after the stop was asked for; 25 s where 0.
	Drain time.Duration
	Lease time.Duration `env:"REELMILL_LEASE" envDefault:"30s" doc:"How long a task is believed to be worked on without a sign of life."`

	MaxPixels   int64         `env:"REELMILL_MAX_PIXELS" envDefault:"40000000" doc:"Largest picture of a source, in pixels."`
	MaxDuration time.Duration `env:"REELMILL_MAX_DURATION" envDefault:"12h" doc:"Longest source."`
	RunTimeout  time.Duration `env:"REELMILL_TRANSCODE_RUN_TIMEOUT" envDefault:"6h" doc:"Limit of one run of ffmpeg."`
	RunMemory   env.Bytes     `env:"REELMILL_TRANSCODE_RUN_MEMORY" envDefault:"8GiB" doc:"Address space of one run of ffmpeg."`
}

// withDefaults returns c with zero values replaced by the defaults, for programs that do not load it from
// the environment.
func (c Config) withDefaults() Config {
	c.Concurrency = cmp.Or(c.Concurrency, 1)
	// GOMAXPROCS follows the quota of the control group: an encoder that counted the machine's processors
	// instead would start threads that are throttled.
	c.Threads = cmp.Or(c.Threads, min(64, max(1, runtime.GOMAXPROCS(0)/max(1, c.Concurrency))))
	c.Scratch = cmp.Or(c.Scratch, filepath.Join(os.TempDir(), "reelmill", Name))
	c.Cache = cmp.Or(c.Cache, 2*env.GiB)
	c.Drain, c.Lease = cmp.Or(c.Drain, 25*time.Second), cmp.Or(c.Lease, 30*time.Second)
	c.MaxPixels, c.MaxDuration = cmp.Or(c.MaxPixels, 40_000_000), cmp.Or(c.MaxDuration, 12*time.Hour)
	c.RunTimeout, c.RunMemory = cmp.Or(c.RunTimeout, 6*time.Hour), cmp.Or(c.RunMemory, 8*env.GiB)
	return c
}

// Validate reports every setting that cannot work.
func (c Config) Validate() error {
	c = c.withDefaults()
	return errors.Join(
		env.Between("REELMILL_TRANSCODE_CONCURRENCY", c.Concurrency, 1, 64),
		env.Between("REELMILL_TRANSCODE_THREADS", c.Threads, 1, 64),
		env.Between("REELMILL_SOURCE_CACHE_SIZE", c.Cache, env.MiB, 1024*env.GiB),
		env.Between("REELMILL_LEASE", c.Lease, 100*time.Millisecond, time.Hour),
		env.Between("REELMILL_MAX_PIXELS", c.MaxPixels, 1, 1<<30),
		env.Between("REELMILL_MAX_DURATION", c.MaxDuration, time.Second, 48*time.Hour),
		env.Between("REELMILL_TRANSCODE_RUN_TIMEOUT", c.RunTimeout, time.Second, 48*time.Hour),
		env.Between("REELMILL_TRANSCODE_RUN_MEMORY", c.RunMemory, 512*env.MiB, 1024*env.GiB),
	)
}

func (c Config) media() media.Config {
	return media.Config{Threads: c.Threads, MaxPixels: c.MaxPixels, MaxDuration: c.MaxDuration,
		Limits: ffmpeg.Limits{Wall: c.RunTimeout, AddressSpaceBytes: int64(c.RunMemory)}}
}
