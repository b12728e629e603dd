// Package suite starts the servers that tests run against, all in one temporary folder, and stops them.
package suite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/reelmill/reelmill/test/servers/internal/child"
	"github.com/reelmill/reelmill/test/servers/internal/mongo"
	"github.com/reelmill/reelmill/test/servers/internal/ports"
	"github.com/reelmill/reelmill/test/servers/internal/rabbitmq"
	"github.com/reelmill/reelmill/test/servers/internal/s3gw"
	"github.com/reelmill/reelmill/test/servers/internal/toxi"
)

// Names of the servers, in the order in which they are listed.
const (
	RabbitMQ  = "rabbitmq"
	Mongo     = "mongo"
	S3        = "s3"
	Toxiproxy = "toxiproxy"
)

// All returns the names of all servers.
func All() []string { return []string{RabbitMQ, Mongo, S3, Toxiproxy} }

// startTimeout is ten times what the slowest server needs on a quiet machine.
const startTimeout = 3 * time.Minute

// Config says what to run.
type Config struct {
	Servers    []string // names; a real MongoDB that exists elsewhere is left out by the caller
	LogDir     string   // where logs are kept; empty: with the rest, gone at the end
	Executable string   // this program, which serves FerretDB, versitygw and Toxiproxy by hidden subcommands
	Env        []string // further environment of these subcommands
}

// Server is what the suite knows of each server. PID and Crashed may be called at any time, the other methods by one
// goroutine at a time.
type Server interface {
	Name() string
	Start(ctx context.Context) error // unless it runs; returns when it is usable
	Stop()                           // returns when it is gone
	Kill()                           // by SIGKILL; returns when it is gone
	PID() int                        // 0 while it is down
	Crashed() bool                   // ended by itself
}

// Suite is a set of running servers. RabbitMQ, Mongo, S3 and Toxiproxy are nil for servers that are not part of it. The
// caller must not use the same server from several goroutines at once.
type Suite struct {
	RabbitMQ  *rabbitmq.Node
	Mongo     *mongo.Server
	S3        *s3gw.Server
	Toxiproxy *toxi.Server

	folder  *folder
	logs    map[string]*os.File
	logDir  string
	claims  ports.Claims
	spawner *child.Spawner
	servers []Server
}

// Start starts the servers side by side and returns when all are usable. When one does not start, or ctx ends, it
// stops all of them, leaves nothing behind and returns an error that ends in the server's last log lines.
func Start(ctx context.Context, cfg Config) (*Suite, error) {
	s := &Suite{logs: map[string]*os.File{}, spawner: child.NewSpawner()}
	if err := s.prepare(cfg); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	limited, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	group, starting := errgroup.WithContext(limited)
	for _, server := range s.servers {
		group.Go(func() error {
			if err := server.Start(starting); err != nil {
				return fmt.Errorf("start %s: %w\n%s", server.Name(), err, s.LogTail(server.Name()))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// prepare makes the folders and the servers without starting any.
func (s *Suite) prepare(cfg Config) error {
	for _, name := range cfg.Servers {
		if !slices.Contains(All(), name) {
			return fmt.Errorf("unknown server %q, want one of %s", name, strings.Join(All(), ", "))
		}
	}
	var err error
	if s.folder, err = newFolder(); err != nil {
		return err
	}
	s.logDir = cfg.LogDir
	if s.logDir == "" {
		s.logDir = filepath.Join(s.folder.path, "logs")
	}
	if err := os.MkdirAll(s.logDir, 0o755); err != nil {
		return fmt.Errorf("make the folder of the logs: %w", err)
	}
	for _, name := range All() {
		if slices.Contains(cfg.Servers, name) {
			if err := s.add(name, cfg); err != nil {
				return err
			}
		}
	}
	return nil
}

// add makes one server.
func (s *Suite) add(name string, cfg Config) error {
	dir := filepath.Join(s.folder.path, name)
	// Others may pass through: PostgreSQL runs as another user when this program is root.
	if err := os.Mkdir(dir, 0o711); err != nil {
		return fmt.Errorf("make the folder of %s: %w", name, err)
	}
	log, err := os.OpenFile(s.logFile(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("make the log of %s: %w", name, err)
	}
	s.logs[name] = log
	path := os.Getenv("PATH")
	var server Server
	switch name {
	case RabbitMQ:
		s.RabbitMQ, err = rabbitmq.New(rabbitmq.Config{Dir: dir, Log: log, Path: path}, s.spawner, &s.claims)
		server = s.RabbitMQ
	case Mongo:
		s.Mongo, err = mongo.New(mongo.Config{Dir: dir, Log: log, Path: path, Executable: cfg.Executable, Env: cfg.Env}, s.spawner, &s.claims)
		server = s.Mongo
	case S3:
		s.S3, err = s3gw.New(s3gw.Config{Dir: dir, Log: log, Path: path, Executable: cfg.Executable, Env: cfg.Env}, s.spawner, &s.claims)
		server = s.S3
	case Toxiproxy:
		s.Toxiproxy, err = toxi.New(toxi.Config{Dir: dir, Log: log, Path: path, Executable: cfg.Executable, Env: cfg.Env}, s.spawner, &s.claims)
		server = s.Toxiproxy
	}
	if err != nil {
		return err
	}
	s.servers = append(s.servers, server)
	return nil
}

// Servers returns the servers in the order of All.
func (s *Suite) Servers() []Server { return slices.Clone(s.servers) }

// Spawner returns what started the servers; processes started by it end with this program too.
func (s *Suite) Spawner() *child.Spawner { return s.spawner }

// Environment returns the variables by which tests find the servers (package testenv reads them), as NAME=VALUE.
func (s *Suite) Environment() []string {
	var env []string
	if s.RabbitMQ != nil {
		env = append(env, "REELMILL_TEST_AMQP_URI="+s.RabbitMQ.URI())
	}
	if s.Mongo != nil {
		env = append(env, "REELMILL_TEST_MONGO_URI="+s.Mongo.URI())
	}
	if s.S3 != nil {
		env = append(env, "REELMILL_TEST_S3_ENDPOINT="+s.S3.Endpoint(), "REELMILL_TEST_S3_ACCESS_KEY="+s3gw.AccessKey,
			"REELMILL_TEST_S3_SECRET_KEY="+s3gw.SecretKey, "REELMILL_TEST_S3_REGION="+s3gw.Region)
	}
	if s.Toxiproxy != nil {
		env = append(env, "REELMILL_TEST_TOXIPROXY="+s.Toxiproxy.URL())
	}
	return env
}

// Stop stops every server side by side, deletes the folder and gives the ports back. s must not be used afterwards.
func (s *Suite) Stop() error {
	var group errgroup.Group
	for _, server := range s.servers {
		group.Go(func() error {
			server.Stop()
			return nil
		})
	}
	err := group.Wait()
	s.spawner.Close()
	for _, log := range s.logs {
		err = errors.Join(err, log.Close())
	}
	s.claims.Release()
	if s.folder != nil {
		err = errors.Join(err, s.folder.remove())
	}
	return err
}
