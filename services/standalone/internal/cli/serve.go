package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	jobservice "github.com/reelmill/reelmill/services/job-service"
	"github.com/reelmill/reelmill/services/standalone/internal/app"
	"github.com/reelmill/reelmill/services/standalone/internal/datadir"
)

type serveCommand struct {
	Addr        string        `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where the REST interface listens (${default}). Any other address than one of loopback needs --api-keys."`
	APIKeys     string        `name:"api-keys" type:"existingfile" placeholder:"FILE" help:"The API keys, as 'job-service keys create' prints them."`
	S3Addr      string        `name:"s3-addr" default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Where object storage listens, for uploads and downloads (${default})."`
	S3PublicURL string        `name:"s3-public-url" placeholder:"URL" help:"The URL under which clients reach object storage, where it is not that of --s3-addr."`
	CORSOrigins []string      `name:"cors-origin" placeholder:"ORIGIN" help:"An origin (https://example.org) whose pages may call the API, as players on other sites do; none by default. Can be given more than once."`
	OpsAddr     string        `name:"ops-addr" placeholder:"HOST:PORT" help:"Where /livez, /readyz and /metrics are served, without authentication; nowhere by default."`
	Data        string        `type:"path" default:"${data}" placeholder:"DIR" help:"The folder of all data (${default})."`
	Slots       int           `default:"${slots}" placeholder:"N" help:"How many tasks of each kind are processed at a time (${default})."`
	Drain       time.Duration `default:"25s" placeholder:"TIME" help:"How long running work may go on after a signal; what is left goes on after the next start (${default})."`
	JSON        bool          `name:"json" help:"Print the addresses as one line of JSON."`
}

// Validate is called by the parser.
func (c *serveCommand) Validate() error {
	err := errors.Join(checkSlots(c.Slots), checkAddr("--addr", c.Addr), checkAddr("--s3-addr", c.S3Addr), checkAddr("--ops-addr", c.OpsAddr))
	if c.Drain <= 0 {
		err = errors.Join(err, fmt.Errorf("--drain: want a time above 0, got %v", c.Drain))
	}
	for _, o := range c.CORSOrigins {
		if flaw := jobservice.CheckOrigin(o); flaw != nil {
			err = errors.Join(err, fmt.Errorf("--cors-origin: %w", flaw))
		}
	}
	if err == nil && c.APIKeys == "" && !isLoopback(c.Addr) {
		// job-service refuses it too, but does not know our flags.
		err = fmt.Errorf("--addr: %s is not an address of loopback alone: give --api-keys", c.Addr)
	}
	return err
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func checkSlots(n int) error {
	if n < 1 || n > 256 {
		return fmt.Errorf("--slots: want 1 to 256, got %d", n)
	}
	return nil
}

func checkAddr(flag, addr string) error {
	if addr == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return fmt.Errorf("%s: want HOST:PORT: %w", flag, err)
	}
	return nil
}

// defaultData is the user's folder for data, by the XDG Base Directory Specification.
func defaultData() string {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) { // "paths must be absolute, others ignored"
		return filepath.Join(dir, app.Name)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return app.Name // in the working directory
	}
	return filepath.Join(home, ".local", "share", app.Name)
}

// Run serves until ctx ends.
func (c *serveCommand) Run(ctx context.Context, env *environment) (err error) {
	data, err := datadir.Open(c.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	a, err := app.Open(ctx, app.Config{Data: data, Addr: c.Addr, APIKeysFile: c.APIKeys, S3Addr: c.S3Addr, S3PublicURL: c.S3PublicURL,
		CORSOrigins: c.CORSOrigins, OpsAddr: c.OpsAddr, Slots: c.Slots, Drain: c.Drain, Log: env.log})
	if err != nil {
		return err
	}
	if err := c.announce(env, a, data); err != nil {
		return errors.Join(err, a.Close())
	}
	err = a.Run(ctx)
	return errors.Join(err, a.Close())
}

// announce prints where everything is.
func (c *serveCommand) announce(env *environment, a *app.App, data *datadir.Dir) error {
	if c.JSON {
		_, err := fmt.Fprintf(env.stdout, `{"api":%q,"s3":%q,"ops":%q,"data":%q,"pid":%d}`+"\n", a.URL(), a.StorageURL(), a.OpsURL(), data.Path(), os.Getpid())
		return err
	}
	_, err := fmt.Fprintf(env.stdout, "reelmill serves until Ctrl-C\n  API      %s (reference at %s/docs)\n  storage  %s\n", a.URL(), a.URL(), a.StorageURL())
	if a.OpsURL() != "" {
		fmt.Fprintf(env.stdout, "  ops      %s/readyz, %s/metrics\n", a.OpsURL(), a.OpsURL())
	}
	fmt.Fprintf(env.stdout, "  data     %s\n  ffmpeg   %s\n", data.Path(), a.Tools().Version)
	return err
}
