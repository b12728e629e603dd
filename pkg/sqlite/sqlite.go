package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/database"
)

var _ database.Database = (*DB)(nil)

const (
	// busyTimeout is how long a statement waits for the lock of another process. It is longer than any
	// checkpoint takes and shorter than a person's patience.
	busyTimeout = 10 * time.Second
	// minReaders keeps reads from waiting for each other on small machines.
	minReaders = 4
)

// DB is a database in one file. Its methods may be called concurrently.
type DB struct {
	path    string
	writer  *sql.DB // one connection
	readers *sql.DB
}

// Open opens the database in the file, which it makes, readable by its owner only, where it is not
// there; its folder must exist. Beside the file SQLite keeps path-wal and path-shm. An error is Transient
// where the file is locked, and where it cannot be opened or is no database. The caller closes the DB.
func Open(ctx context.Context, path string) (*DB, error) {
	if path == "" {
		return nil, errors.New("open the SQLite database: its path is missing")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open the SQLite database: %w", err)
	}
	if err := create(path); err != nil {
		return nil, unavailable("open the SQLite database", err)
	}
	db := &DB{path: path}
	if db.writer, err = pool(path, 1, "_txlock", "immediate"); err != nil {
		return nil, fmt.Errorf("open the SQLite database %s: %w", path, err)
	}
	if db.readers, err = pool(path, max(minReaders, 2*runtime.NumCPU()), "_query_only", "1"); err != nil {
		return nil, errors.Join(fmt.Errorf("open the SQLite database %s: %w", path, err), db.writer.Close())
	}
	// The writer comes first: it turns the file to WAL mode, which a reader may not.
	if err := db.Ping(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// create makes the file where it is missing. An existing file is not touched: closing a descriptor of it
// would take away the locks that this process holds on it.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func pool(path string, size int, key, value string) (*sql.DB, error) {
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"_busy_timeout": {fmt.Sprint(busyTimeout.Milliseconds())},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_dqs":          {"0"},
		"_defensive":    {"1"},
		key:             {value},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// Close closes the file, after the calls under way. What was written is then in the file alone, unless
// another process has it open. Calls after it fail.
func (db *DB) Close() error {
	// The writer goes last: the last connection to close moves the log into the file, and a reader may not.
	if err := errors.Join(db.readers.Close(), db.writer.Close()); err != nil {
		return fmt.Errorf("close the SQLite database %s: %w", db.path, err)
	}
	return nil
}

// Ping implements database.Database: it reads from the file by both kinds of connection.
func (db *DB) Ping(ctx context.Context) error {
	var n int
	for _, p := range []*sql.DB{db.writer, db.readers} {
		if err := p.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n); err != nil {
			return classify(ctx, err, "read the SQLite database %s", db.path)
		}
	}
	return nil
}

// Open implements database.Database. Columns and indexes that the schema does not declare are kept. A
// field that was declared with another type before is refused with database.ErrInvalid.
func (db *DB) Open(ctx context.Context, s database.Schema) (database.Collection, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if err := db.migrate(ctx, s); err != nil {
		if errors.Is(err, database.ErrInvalid) {
			return nil, err
		}
		return nil, classify(ctx, err, "set up the table of %s", s.Name)
	}
	return newCollection(db, s), nil
}

// classify says what was attempted. The end of the caller's context is kept for errors.Is and stays
// unclassified; everything else is Transient: the statements are fixed, so that an error lies in the
// file, the disk or another process.
func classify(ctx context.Context, err error, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if ended := ctx.Err(); ended != nil {
		if errors.Is(err, ended) {
			return fmt.Errorf("%s: %w", what, err)
		}
		return fmt.Errorf("%s: %w: %w", what, ended, err)
	}
	return unavailable(what, err)
}

func unavailable(what string, err error) error {
	return fault.Wrap(fault.CodeStoreUnavailable, fmt.Errorf("%s: %w", what, err), "")
}
