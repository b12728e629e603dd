package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/test/servers/internal/cli"
)

const (
	// mainVariable makes this test program behave as testservers.
	mainVariable = "TESTSERVERS_MAIN"
	// insideVariable runs the tests that need to be run by testservers.
	insideVariable = "TESTSERVERS_INSIDE"

	patience = 2 * time.Minute
)

func TestMain(m *testing.M) {
	if os.Getenv(mainVariable) == "1" {
		os.Exit(cli.Main(os.Args[1:], cli.Host{Stdout: os.Stdout, Stderr: os.Stderr, Reexec: []string{mainVariable + "=1"}}))
	}
	if os.Getenv(insideVariable) != "" {
		os.Exit(m.Run()) // clients of servers keep connections, and these goroutines
	}
	goleak.VerifyTestMain(m)
}

func TestRunStartsAllServersAndLeavesNothing(t *testing.T) {
	if _, err := os.Stat("/usr/lib/rabbitmq/bin/rabbitmq-server"); err != nil && os.Getenv("REELMILL_TEST_REQUIRE") != "1" {
		t.Skipf("RabbitMQ is not installed (test/packages.sh rabbitmq-server): %v", err)
	}
	logs := t.TempDir()
	// The inner tests are this program again, and no testservers.
	p := testservers(t, "run", "-keep-logs", logs, "--", "env", "-u", mainVariable, os.Args[0], "-test.run=^TestInside$", "-test.v")
	p.cmd.Env = append(p.cmd.Env, insideVariable+"=1", "REELMILL_TEST_REQUIRE=1")
	if code := p.run(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	t.Logf("output:\n%s", &p.output)
	if !strings.Contains(p.output.String(), "--- PASS: TestInside") {
		t.Error("the inner tests did not pass")
	}
	p.assertNothingLeft(t)
	for _, name := range []string{"rabbitmq", "mongo", "s3", "toxiproxy"} {
		if _, err := os.Stat(filepath.Join(logs, name+".log")); err != nil {
			t.Errorf("no log was kept: %v", err)
		}
	}
}

func TestRunReturnsTheExitCodeAndEndsWhatTheCommandLeaves(t *testing.T) {
	p := testservers(t, "run", "-with", "toxiproxy", "--", "sh", "-c", "sleep 1000 & setsid sleep 1000 & exit 7")
	if code := p.run(t); code != 7 {
		t.Errorf("exit code %d, want 7\n%s", code, &p.output)
	}
	p.assertNothingLeft(t)
}

func TestRunWithAServerFromElsewhere(t *testing.T) {
	p := testservers(t, "run", "-with", "mongo,toxiproxy", "--", "env")
	p.cmd.Env = append(p.cmd.Env, "REELMILL_TEST_MONGO_URI=mongodb://elsewhere/")
	if code := p.run(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, &p.output)
	}
	out := p.output.String()
	if !strings.Contains(out, "REELMILL_TEST_MONGO_URI=mongodb://elsewhere/\n") {
		t.Error("the command was not given the MongoDB that exists")
	}
	if !strings.Contains(out, "testservers: toxiproxy ready") {
		t.Error("more than Toxiproxy was started")
	}
	if strings.Contains(out, "REELMILL_TEST_AMQP_URI") {
		t.Error("the command was given a server that was not asked for")
	}
}

func TestSignals(t *testing.T) {
	ready := regexp.MustCompile(`^command runs`)
	run := []string{"run", "-with", "s3,toxiproxy", "--", "sh", "-c"}
	t.Run("the first one is handed on", func(t *testing.T) {
		p := testservers(t, append(run, `trap 'exit 5' TERM; echo command runs; while :; do sleep 0.05; done`)...)
		p.startAndWait(t, ready)
		if code := p.end(t, syscall.SIGTERM); code != 5 {
			t.Errorf("exit code %d, want that of the command's own handler, 5", code)
		}
		p.assertNothingLeft(t)
	})
	t.Run("a command that it ends gives the exit code of shells", func(t *testing.T) {
		p := testservers(t, append(run, `echo command runs; exec sleep 1000`)...)
		p.startAndWait(t, ready)
		if code, want := p.end(t, syscall.SIGINT), 128+int(syscall.SIGINT); code != want {
			t.Errorf("exit code %d, want %d", code, want)
		}
		p.assertNothingLeft(t)
	})
	t.Run("the second one kills", func(t *testing.T) {
		p := testservers(t, append(run, `trap 'echo command stays' TERM INT; echo command runs; while :; do sleep 0.05; done`)...)
		p.startAndWait(t, ready)
		// Signals of one kind that are pending are merged into one, so the second one is of another kind.
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code, want := p.end(t, syscall.SIGINT), 128+int(syscall.SIGKILL); code != want {
			t.Errorf("exit code %d, want %d", code, want)
		}
		p.assertNothingLeft(t)
	})
	t.Run("a start is cut short", func(t *testing.T) {
		p := testservers(t, "run", "-with", "s3,mongo", "--", "echo", "command runs")
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, patience, func() error {
			if len(p.processes(t)) < 2 {
				return errors.New("no server has been started yet")
			}
			return nil
		})
		if code := p.end(t, syscall.SIGTERM); code != 1 || strings.Contains(p.output.String(), "command runs") {
			t.Errorf("exit code %d, want 1 and no command\n%s", code, &p.output)
		}
		p.assertNothingLeft(t)
	})
}

func TestServersDieWithAKilledProgramAndTheNextOneCleansUp(t *testing.T) {
	p := testservers(t, "run", "-with", "mongo,s3,toxiproxy", "--", "sh", "-c", "echo command runs; exec sleep 1000")
	p.startAndWait(t, regexp.MustCompile(`^command runs`))
	if n := len(p.processes(t)); n < 5 {
		t.Errorf("%d processes run, want testservers, the command and a process of each server at least", n)
	}
	p.end(t, syscall.SIGKILL)
	testenv.Eventually(t, patience, func() error {
		if left := p.processes(t); len(left) > 0 {
			return fmt.Errorf("processes are left:\n%s", strings.Join(left, "\n"))
		}
		return nil
	})
	next := testservers(t, "run", "-with", "toxiproxy", "--", "true")
	next.cmd.Env = append(next.cmd.Env, "TMPDIR="+p.tmp)
	if code := next.run(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, &next.output)
	}
	p.assertNothingLeft(t)
}

func TestUpPrintsTheAddressesForAShellAndStopsAtASignal(t *testing.T) {
	p := testservers(t, "up", "-with", "s3,toxiproxy")
	p.startAndWait(t, regexp.MustCompile(`^export REELMILL_TEST_CONTROL=`))
	if code := p.end(t, syscall.SIGINT); code != 0 {
		t.Errorf("exit code %d\n%s", code, &p.output)
	}
	p.assertNothingLeft(t)
}

func TestAStartThatFailsSaysWhyAndLeavesNothing(t *testing.T) {
	p := testservers(t, "run", "-with", "s3,rabbitmq", "--", "echo", "command runs")
	p.cmd.Env = append(p.cmd.Env, "PATH=/nowhere") // Erlang's port mapper is not found there
	code, out := p.run(t), ""
	out = p.output.String()
	if code != 1 || strings.Contains(out, "command runs") {
		t.Errorf("exit code %d, want 1 and no command", code)
	}
	if !strings.Contains(out, "rabbitmq") || !strings.Contains(out, "package") {
		t.Errorf("the message names neither the server nor the package to install: %s", out)
	}
	p.assertNothingLeft(t)
}

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{
		{}, {"frobnicate"}, {"run"}, {"run", "-with", "oracle", "--", "true"}, {"run", "-nonsense"}, {"up", "true"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			var out, errs bytes.Buffer
			code := cli.Main(args, cli.Host{Stdout: &out, Stderr: &errs})
			if code != 2 || errs.Len() == 0 || out.Len() != 0 {
				t.Errorf("exit code %d, stdout %q, stderr %q, want 2 and a message on stderr", code, &out, &errs)
			}
		})
	}
}
