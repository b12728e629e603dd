package mongodb

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.opentelemetry.io/otel/trace"
)

// Config says where the database is and how it is used. Zero values mean the defaults given. It shows no
// credentials when it is printed or logged.
type Config struct {
	// URI is a connection string, mongodb:// or mongodb+srv://. It is required. Concerns, the read
	// preference and time limits that it contains are overridden by this package and by the fields
	// below.
	URI string
	// Database is the name of the database; default "reelmill".
	Database string
	// AppName names the program in the server's logs; default "reelmill".
	AppName string
	// Timeout limits an operation, with everything that is tried again inside it, whose context has no
	// deadline; default 10 s. Asking for the outcome of a write whose reply was lost may add 2 s.
	Timeout time.Duration
	// ServerSelectionTimeout limits the wait for a usable server; default 5 s.
	ServerSelectionTimeout time.Duration
	// ConnectTimeout limits the making of one connection; default 5 s.
	ConnectTimeout time.Duration
	// MaxPoolSize is the most connections to one server; default 50. MinPoolSize are kept open.
	MaxPoolSize, MinPoolSize uint64
	// MaxConnIdleTime closes connections that were not used for so long; default 5 min, below the idle
	// limits of common load balancers and firewalls.
	MaxConnIdleTime time.Duration
	// TracerProvider makes a client span of every command. No spans where it is nil.
	TracerProvider trace.TracerProvider
}

// Validate returns all that is wrong with the configuration in one error, or nil.
func (c Config) Validate() error {
	var errs []error
	if err := c.checkURI(); err != nil {
		errs = append(errs, err)
	}
	if strings.ContainsAny(c.Database, "/\\. \"$*<>:|?\x00") || len(c.Database) > 63 {
		errs = append(errs, fmt.Errorf("database name %q is not valid", c.Database))
	}
	for _, limit := range []struct {
		name string
		d    time.Duration
	}{
		{"timeout", c.Timeout}, {"server selection timeout", c.ServerSelectionTimeout},
		{"connect timeout", c.ConnectTimeout}, {"connection idle time", c.MaxConnIdleTime},
	} {
		if limit.d < 0 {
			errs = append(errs, fmt.Errorf("%s: want a positive duration, got %v", limit.name, limit.d))
		}
	}
	if most := cmp.Or(c.MaxPoolSize, defaultMaxPoolSize); c.MinPoolSize > most {
		errs = append(errs, fmt.Errorf("minimum pool size: want at most %d, got %d", most, c.MinPoolSize))
	}
	return errors.Join(errs...)
}

// checkURI never repeats the URI or the driver's complaint about it where it has credentials.
func (c Config) checkURI() error {
	if c.URI == "" {
		return errors.New("MongoDB URI is missing")
	}
	err := options.Client().ApplyURI(c.URI).Validate()
	switch {
	case err == nil:
		return nil
	case strings.Contains(c.URI, "@"):
		return errors.New("MongoDB URI is not valid: want mongodb://user:password@host:port/?options, user and password percent-encoded")
	default:
		return fmt.Errorf("MongoDB URI is not valid: %w", err)
	}
}

// String returns the configuration without credentials.
func (c Config) String() string {
	return fmt.Sprintf("mongodb{%s database=%s timeout=%v pool=%d}",
		redacted(c.URI), cmp.Or(c.Database, defaultName), cmp.Or(c.Timeout, defaultTimeout), cmp.Or(c.MaxPoolSize, defaultMaxPoolSize))
}

// GoString is String.
func (c Config) GoString() string { return c.String() }

// LogValue is String.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// redacted returns scheme and hosts of the URI: options may hold secrets too (authMechanismProperties).
func redacted(uri string) string {
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return "***"
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	hosts, _, _ := strings.Cut(rest, "/")
	hosts, _, _ = strings.Cut(hosts, "?")
	return (&url.URL{Scheme: scheme, Host: hosts}).String()
}

const (
	defaultName        = "reelmill"
	defaultTimeout     = 10 * time.Second
	defaultSelection   = 5 * time.Second
	defaultConnect     = 5 * time.Second
	defaultIdle        = 5 * time.Minute
	defaultMaxPoolSize = uint64(50)
)

func (c Config) options() *options.ClientOptions {
	journal := true
	o := options.Client().ApplyURI(c.URI).
		SetAppName(cmp.Or(c.AppName, defaultName)).
		SetTimeout(cmp.Or(c.Timeout, defaultTimeout)).
		SetServerSelectionTimeout(cmp.Or(c.ServerSelectionTimeout, defaultSelection)).
		SetConnectTimeout(cmp.Or(c.ConnectTimeout, defaultConnect)).
		SetMaxPoolSize(cmp.Or(c.MaxPoolSize, defaultMaxPoolSize)).
		SetMinPoolSize(c.MinPoolSize).
		SetMaxConnIdleTime(cmp.Or(c.MaxConnIdleTime, defaultIdle)).
		SetWriteConcern(&writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journal}).
		SetReadConcern(readconcern.Majority()).
		SetReadPreference(readpref.Primary()).
		// The driver repeats writes only on deployments that recognise repeated writes.
		SetRetryWrites(true).
		SetRetryReads(true)
	if c.TracerProvider != nil {
		o.SetMonitor(newMonitor(c.TracerProvider))
	}
	return o
}
