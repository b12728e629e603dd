package command_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/platform"
	"github.com/reelmill/reelmill/pkg/platform/command"
)

type config struct {
	Slots int           `env:"REELMILL_SLOTS" envDefault:"3" doc:"Tasks at a time."`
	Lease time.Duration `env:"REELMILL_LEASE" envDefault:"30s" doc:"Length of a lease."`
}

var program = command.Program[config]{Name: "some-worker", Description: "A worker.",
	Open: func(context.Context, config, *platform.Platform) (func(context.Context) error, error) {
		panic("not served here")
	}}

func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = program.Main(args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestConfigPrintShowsWhatIsInForceAndNoSecret(t *testing.T) {
	for k, v := range map[string]string{"REELMILL_AMQP_URLS": "amqp://u:hidden-1@h/", "REELMILL_MONGO_URI": "mongodb://u:hidden-2@h/",
		"REELMILL_S3_ACCESS_KEY_ID": "id", "REELMILL_S3_SECRET_ACCESS_KEY": "hidden-3", "REELMILL_SLOTS": "7"} {
		t.Setenv(k, v)
	}
	status, out, _ := run(t, "config", "print")
	if status != 0 || !strings.Contains(out, "REELMILL_SLOTS") || !strings.Contains(out, "7") || strings.Contains(out, "hidden") {
		t.Errorf("status %d:\n%s", status, out)
	}
}

func TestAConfigurationThatCannotWorkExitsWithTwo(t *testing.T) {
	t.Setenv("REELMILL_SLOTS", "many")
	if status, _, _ := run(t, "serve"); status != 2 {
		t.Errorf("status %d", status)
	}
}

func TestUsage(t *testing.T) {
	if status, _, stderr := run(t, "dance"); status != 2 || !strings.Contains(stderr, "dance") {
		t.Errorf("unknown command: status %d, %q", status, stderr)
	}
	if status, out, _ := run(t, "--help"); status != 0 || !strings.Contains(out, "healthcheck") {
		t.Errorf("help: status %d, %q", status, out)
	}
	if status, out, _ := run(t, "version"); status != 0 || !strings.HasPrefix(out, "some-worker ") {
		t.Errorf("version: status %d, %q", status, out)
	}
	if status, out, _ := run(t, "config", "docs"); status != 0 || !strings.Contains(out, "REELMILL_SLOTS") || !strings.Contains(out, "REELMILL_AMQP_URLS") {
		t.Errorf("docs: status %d, %q", status, out)
	}
}

func TestHealthcheckOfNobodyFails(t *testing.T) {
	t.Setenv("REELMILL_OPS_ADDR", "127.0.0.1:1")
	if status, _, _ := run(t, "healthcheck", "--live"); status != 1 {
		t.Errorf("status %d", status)
	}
}
