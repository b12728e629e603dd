// Package system runs the programs of a deployment, job-service, thumbnail-workers and transcoding-workers, as
// processes of their own against RabbitMQ, a MongoDB and an S3 server, and looks at them from outside alone:
// through REST, the bucket, the broker, metrics, logs and exit codes. Programs and the broker are killed while
// jobs run.
//
// The names of queues are fixed, so only one system runs at a time: its tests are not parallel.
package system

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
)

// The programs under test.
const (
	jobService        = "job-service"
	thumbnailWorker   = "thumbnail-worker"
	transcodingWorker = "transcoding-worker"
)

// envPrograms names a folder with programs that are built already; where it is unset they are built first.
const envPrograms = "REELMILL_TEST_PROGRAMS"

// programs is the folder of the programs under test.
var programs = os.Getenv(envPrograms)

func TestMain(m *testing.M) {
	sandbox.Main() // the test of traces runs ffmpeg in this process
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if programs != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "reelmill-programs-")
	if err == nil {
		defer os.RemoveAll(dir)
		programs = dir
		err = build(dir, jobService, thumbnailWorker, transcodingWorker)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build builds services, each in its own module, as images do.
func build(dir string, services ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for _, name := range services {
		c := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, name), "./cmd/"+name)
		c.Dir = filepath.Join("..", "..", "..", "services", name)
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
}
