package mongo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/reelmill/reelmill/test/servers/internal/child"
	"github.com/reelmill/reelmill/test/servers/internal/ports"
)

const (
	superuser = "postgres"
	database  = "ferretdb"

	postgresStopGrace = 10 * time.Second
)

// postgres is a private PostgreSQL cluster in which FerretDB keeps its documents.
type postgres struct {
	cfg        Config
	spawner    *child.Spawner
	binaries   string
	credential *syscall.Credential // nil: run as ourselves
	port       int
	child.Slot
}

func newPostgres(cfg Config, spawner *child.Spawner, claims *ports.Claims) (*postgres, error) {
	binaries, err := postgresBinaries()
	if err != nil {
		return nil, err
	}
	credential, err := postgresCredential()
	if err != nil {
		return nil, err
	}
	port, err := claims.Claim()
	if err != nil {
		return nil, err
	}
	return &postgres{cfg: cfg, spawner: spawner, binaries: binaries, credential: credential, port: port}, nil
}

// postgresBinaries returns the folder of initdb and postgres: Debian's newest, else the one of $PATH.
func postgresBinaries() (string, error) {
	newest, dir := -1, ""
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	for _, initdb := range found {
		bin := filepath.Dir(initdb)
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
		if err == nil && version > newest {
			newest, dir = version, bin
		}
	}
	if dir != "" {
		return dir, nil
	}
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		return "", fmt.Errorf("find PostgreSQL (Debian package postgresql): %w", err)
	}
	return filepath.Dir(initdb), nil
}

// postgresCredential returns the user to run as: PostgreSQL refuses root.
func postgresCredential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("find the user that PostgreSQL runs as instead of root: %w", err)
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(errUID, errGID); err != nil {
		return nil, fmt.Errorf("ids of user postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (p *postgres) data() string { return filepath.Join(p.cfg.Dir, "postgresql") }

// url returns the address of a database of the cluster.
func (p *postgres) url(database string) string {
	return "postgres://" + superuser + "@" + ports.Loopback(p.port) + "/" + database
}

// start makes the cluster and its database and waits until it is usable.
func (p *postgres) start(ctx context.Context) error {
	if err := os.Mkdir(p.data(), 0o700); err != nil {
		return fmt.Errorf("make PostgreSQL's folder: %w", err)
	}
	if p.credential != nil {
		if err := os.Chown(p.data(), int(p.credential.Uid), int(p.credential.Gid)); err != nil {
			return fmt.Errorf("give PostgreSQL its folder: %w", err)
		}
	}
	if err := p.initdb(ctx); err != nil {
		return err
	}
	process, err := p.spawner.Start(p.command("postgres", "-D", p.data(),
		"-c", "listen_addresses=127.0.0.1", "-c", "port="+strconv.Itoa(p.port), "-c", "unix_socket_directories=",
		// The data are thrown away in the end and PostgreSQL itself is never killed in a test, so nothing needs to
		// reach the disk.
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
		"-c", "max_connections=200"))
	if err != nil {
		return err
	}
	p.Put(process)
	create := func(ctx context.Context) error {
		return p.exec(ctx, "postgres", "create database "+database)
	}
	if err := process.Await(ctx, create); err != nil {
		return fmt.Errorf("wait for PostgreSQL at %s: %w", ports.Loopback(p.port), err)
	}
	return nil
}

func (p *postgres) initdb(ctx context.Context) error {
	process, err := p.spawner.Start(p.command("initdb", "-D", p.data(), "-A", "trust", "-U", superuser,
		"--encoding=UTF8", "--locale=C", "--no-sync"))
	if err != nil {
		return err
	}
	select {
	case <-process.Ended():
	case <-ctx.Done():
		process.Kill()
		return fmt.Errorf("initdb: %w", context.Cause(ctx))
	}
	if err := process.Err(); err != nil {
		return fmt.Errorf("initdb in %s: %w", p.data(), err)
	}
	return nil
}

func (p *postgres) command(program string, args ...string) child.Command {
	return child.Command{
		Path: filepath.Join(p.binaries, program), Args: args, Dir: p.data(), Credential: p.credential,
		Env:    []string{"PATH=" + p.cfg.Path, "LANG=C.UTF-8", "HOME=" + p.data()},
		Stdout: p.cfg.Log, Stderr: p.cfg.Log,
		// A fast shutdown: unlike SIGKILL it leaves no shared memory behind.
		DeathSignal: syscall.SIGINT,
	}
}

// exec runs one statement on a connection of its own.
func (p *postgres) exec(ctx context.Context, database, statement string) (err error) {
	conn, err := pgx.Connect(ctx, p.url(database))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

// disconnectAll ends every session of FerretDB and waits until they are gone. A killed FerretDB leaves statements
// running, and one that finished after the next FerretDB has started would be a write that nobody serialised.
func (p *postgres) disconnectAll(ctx context.Context) error {
	none := func(ctx context.Context) error {
		return p.exec(ctx, "postgres", fmt.Sprintf(`do $$ begin
			perform pg_terminate_backend(pid) from pg_stat_activity where datname = '%[1]s';
			if found then raise exception 'sessions of %[1]s are still ending'; end if;
		end $$`, database))
	}
	if err := p.Process().Await(ctx, none); err != nil {
		return fmt.Errorf("end FerretDB's sessions in PostgreSQL: %w", err)
	}
	return nil
}

func (p *postgres) stop() { p.Stop(syscall.SIGINT, postgresStopGrace) }
