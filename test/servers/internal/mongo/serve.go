package mongo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"

	"github.com/FerretDB/FerretDB/ferretdb"
	"golang.org/x/sync/errgroup"

	"github.com/reelmill/reelmill/test/servers/serialproxy"
)

// ServeCommand is the subcommand for which the executable must call Serve.
const ServeCommand = "serve-ferretdb"

// ServeArgs returns the arguments of an executable that are to make it serve FerretDB on a PostgreSQL database.
func ServeArgs(listen, postgresURL string) []string {
	return []string{ServeCommand, "-listen", listen, "-postgresql", postgresURL}
}

// Serve runs FerretDB behind its proxy until ctx ends. args are those made by ServeArgs after the subcommand; its log
// goes to log.
func Serve(ctx context.Context, args []string, log io.Writer) error {
	flags := flag.NewFlagSet(ServeCommand, flag.ContinueOnError)
	listen := flags.String("listen", "", "address of the proxy, which clients use")
	postgresURL := flags.String("postgresql", "", "database to keep the documents in")
	if err := flags.Parse(args); err != nil {
		return err
	}
	db, err := ferretdb.New(&ferretdb.Config{
		Listener:      ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:        slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Handler:       "postgresql",
		PostgreSQLURL: *postgresURL,
	})
	if err != nil {
		return fmt.Errorf("make a FerretDB on %s: %w", *postgresURL, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return db.Run(ctx) })
	group.Go(func() error {
		backend, err := url.Parse(db.MongoDBURI())
		if err != nil {
			return fmt.Errorf("address of FerretDB: %w", err)
		}
		ln, err := net.Listen("tcp", *listen)
		if err != nil {
			return fmt.Errorf("listen for MongoDB clients: %w", err)
		}
		return serialproxy.Serve(ctx, ln, serialproxy.Config{Backend: backend.Host})
	})
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
