package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/reelmill/reelmill/test/servers/internal/child"
	"github.com/reelmill/reelmill/test/servers/internal/control"
	"github.com/reelmill/reelmill/test/servers/internal/suite"
)

const (
	// mongoVariable names a MongoDB that exists already when it is set from outside.
	mongoVariable   = "REELMILL_TEST_MONGO_URI"
	controlVariable = "REELMILL_TEST_CONTROL"

	// commandGrace is how long the command may take to end after a signal.
	commandGrace  = 10 * time.Second
	orphanTimeout = 10 * time.Second
	// watchEvery is how often it is looked whether a server has ended by itself.
	watchEvery = time.Second
)

// errInterrupted ends a start that a signal cut short.
var errInterrupted = errors.New("interrupted")

// run does what opts say and returns the exit code of the command, 0 for up. Signals come from the channel; the first
// one is handed on to the command, the second one kills it.
func run(opts options, host Host, signals <-chan os.Signal) (code int, err error) {
	if err := child.AdoptOrphans(); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, child.KillOrphans(orphanTimeout)) }()
	s, err := start(opts, host, signals)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("listen for the control API: %w", err)
	}
	api := control.New(s)
	defer api.Close()
	server := &http.Server{Handler: api, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	defer func() {
		err = errors.Join(err, server.Close())
		if e := <-served; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, fmt.Errorf("control API: %w", e))
		}
	}()
	env := append(s.Environment(), controlVariable+"=http://"+ln.Addr().String())

	watching, stopWatching := context.WithCancel(context.Background())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watch(watching, s, host)
	}()
	defer func() {
		stopWatching()
		<-watched
	}()
	if opts.command == nil {
		for _, variable := range env {
			name, value, _ := strings.Cut(variable, "=")
			fmt.Fprintf(host.Stdout, "export %s=%s\n", name, quote(value))
		}
		<-signals
		return 0, nil
	}
	return runCommand(s.Spawner(), opts.command, env, host, signals)
}

// quote returns value as one word for a shell.
func quote(value string) string { return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'" }

// start starts the servers and reports how long it took. A signal cuts it short.
func start(opts options, host Host, signals <-chan os.Signal) (*suite.Suite, error) {
	servers := opts.servers
	if os.Getenv(mongoVariable) != "" {
		servers = slices.DeleteFunc(slices.Clone(servers), func(name string) bool { return name == suite.Mongo })
	}
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's own executable: %w", err)
	}
	logDir := opts.logDir
	if logDir != "" {
		if logDir, err = filepath.Abs(logDir); err != nil {
			return nil, fmt.Errorf("folder of the logs: %w", err)
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	begun := time.Now()
	type result struct {
		suite *suite.Suite
		err   error
	}
	done := make(chan result, 1)
	go func() {
		s, err := suite.Start(ctx, suite.Config{Servers: servers, LogDir: logDir, Executable: executable, Env: host.Reexec})
		done <- result{s, err}
	}()
	for {
		select {
		case r := <-done:
			if r.err == nil && ctx.Err() != nil { // it was usable when the signal came
				return nil, errors.Join(errInterrupted, r.suite.Stop())
			}
			if r.err == nil {
				fmt.Fprintf(host.Stderr, "testservers: %s ready after %s\n", strings.Join(servers, ", "), since(begun))
			}
			return r.suite, r.err
		case <-signals:
			cancel(errInterrupted)
		}
	}
}

// watch tells when a server has ended by itself, once for each, until ctx ends. The tests that follow fail for a reason
// that their own output does not show.
func watch(ctx context.Context, s *suite.Suite, host Host) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	told := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, server := range s.Servers() {
			if crashed := server.Crashed(); crashed && !told[server.Name()] {
				told[server.Name()] = true
				fmt.Fprintf(host.Stderr, "testservers: %s has ended by itself\n%s\n", server.Name(), s.LogTail(server.Name()))
			}
		}
	}
}

// runCommand runs the command in a process group of its own, so that it and whatever it leaves behind can be ended
// together, and returns its exit code.
func runCommand(spawner *child.Spawner, command, env []string, host Host, signals <-chan os.Signal) (int, error) {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return 0, fmt.Errorf("find the command: %w", err)
	}
	p, err := spawner.Start(child.Command{
		Path: path, Args: command[1:], Env: append(os.Environ(), env...),
		Stdout: host.Stdout, Stderr: host.Stderr,
	})
	if err != nil {
		return 0, err
	}
	select {
	case <-p.Ended():
	case sig := <-signals:
		endCommand(p, sig, signals)
	}
	err = p.Err()
	exit, exited := errors.AsType[*exec.ExitError](err)
	if !exited {
		return 0, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignal + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// endCommand hands sig on to the command's processes and kills them at the next signal, or when it takes too long.
func endCommand(p *child.Process, sig os.Signal, signals <-chan os.Signal) {
	number, ok := sig.(syscall.Signal)
	if !ok {
		number = syscall.SIGTERM
	}
	p.Signal(number)
	timer := time.NewTimer(commandGrace)
	defer timer.Stop()
	select {
	case <-p.Ended():
		return
	case <-signals:
	case <-timer.C:
	}
	p.Kill()
}
