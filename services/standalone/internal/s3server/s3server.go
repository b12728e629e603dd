// Package s3server runs versitygw, an S3 server that keeps objects as files, inside this process. It is
// the object storage of the standalone program: presigned URLs, conditional requests and checksums are
// those of a real S3, so the services use the same adapter as anywhere else.
//
// Two things of versitygw shape this package: one instance may run in a process at a time, and its paths
// are relative to the working directory, which it therefore takes over. The directory is given back when
// the server ends; until then other code must use absolute paths.
package s3server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
)

// Region is the region that the server reports.
const Region = "us-east-1"

const (
	defaultAddr = "127.0.0.1:0"

	// maxCopyBytes and maxParts are S3's own limits (User Guide, "Amazon S3 multipart upload limits").
	maxCopyBytes = 5 << 30
	maxParts     = 10_000

	// maxConnections and maxRequests are far above what one machine's services and browsers need;
	// concurrency bounds the threads that wait for the disk.
	maxConnections = 1000
	maxRequests    = 500
	concurrency    = 64

	// portTries is how often a free port is chosen: between choosing and binding another process may
	// take it.
	portTries = 20

	// Objects belong to the owner of the folder alone.
	dirPerm, filePerm = 0o700, 0o600
)

// Config places the server. Dir is required.
type Config struct {
	// Dir is a folder of its own, made where it is missing.
	Dir string
	// Addr is the address to listen on as host:port, a free port of loopback where empty. Port 0 means a
	// free port.
	Addr string
	// AccessKey and SecretKey are the credentials of the only account; random where both are empty.
	AccessKey, SecretKey string
}

// Server is a running server. Its methods may be called concurrently.
type Server struct {
	cfg    Config
	stop   context.CancelFunc
	ended  chan struct{} // closed when err is set and nothing runs any more
	err    error
	closed sync.Once
}

// Start starts a server and returns when it is ready for requests, or why it cannot be. The caller stops
// it with Close.
func Start(cfg Config) (*Server, error) {
	cfg.Addr = cmp.Or(cfg.Addr, defaultAddr)
	host, port, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("start the S3 server: %w", err)
	}
	if (cfg.AccessKey == "") != (cfg.SecretKey == "") {
		return nil, errors.New("start the S3 server: want both an access key and a secret, or neither")
	}
	if cfg.AccessKey == "" {
		cfg.AccessKey, cfg.SecretKey = NewCredentials()
	}
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, fmt.Errorf("start the S3 server: %w", err)
	}
	if port != "0" {
		return start(cfg)
	}
	for try := 1; ; try++ {
		if cfg.Addr, err = freeAddr(host); err != nil {
			return nil, err
		}
		s, err := start(cfg)
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) || try == portTries {
			return s, err
		}
	}
}

// NewCredentials returns a random access key and secret.
func NewCredentials() (accessKey, secretKey string) {
	return "RM" + rand.Text(), rand.Text() + rand.Text()
}

// freeAddr returns an address of the host with a port that was free a moment ago: versitygw binds the
// address itself and does not tell which port it got.
func freeAddr(host string) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", fmt.Errorf("choose a port for the S3 server: %w", err)
	}
	addr := net.JoinHostPort(host, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("choose a port for the S3 server: %w", err)
	}
	return addr, nil
}

// start runs the server on a fixed address.
func start(cfg Config) (*Server, error) {
	back, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("start the S3 server: %w", err)
	}
	backend, err := openBackend(cfg.Dir)
	if err != nil {
		return nil, errors.Join(err, os.Chdir(back))
	}
	ready := make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{cfg: cfg, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		err := embedgw.RunVersityGW(ctx, backend, &embedgw.Config{
			RootUserAccess: cfg.AccessKey, RootUserSecret: cfg.SecretKey, Region: Region, Ports: []string{cfg.Addr},
			MaxConnections: maxConnections, MaxRequests: maxRequests, AdminMaxConnections: 1, AdminMaxRequests: 1,
			MultipartMaxParts: maxParts, KeepAlive: true, Quiet: true, CORSAllowOrigin: "*",
			// What versitygw would choose itself, with a line on standard output.
			IAMService: auth.NewIAMServiceSingle(auth.Account{Access: cfg.AccessKey, Secret: cfg.SecretKey, Role: auth.RoleAdmin}),
			S3Options:  []s3api.Option{s3api.WithOnListen(func() { close(ready) })},
		})
		if err == nil && ctx.Err() == nil {
			err = errors.New("it ended by itself")
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			s.err = fmt.Errorf("run the S3 server on %s: %w", cfg.Addr, err)
		}
		if err := os.Chdir(back); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.err = errors.Join(s.err, fmt.Errorf("give the working directory back: %w", err))
		}
	}()
	select {
	case <-ready:
		return s, nil
	case <-s.ended:
		stop()
		return nil, s.err
	}
}

// openBackend opens the folders of objects and, where files cannot carry attributes, of metadata. It
// changes the working directory.
func openBackend(dir string) (*posix.Posix, error) {
	objects, sidecar := filepath.Join(dir, "objects"), filepath.Join(dir, "metadata")
	if err := os.MkdirAll(objects, dirPerm); err != nil {
		return nil, fmt.Errorf("make the folder of objects: %w", err)
	}
	options := posix.PosixOpts{Concurrency: concurrency, CopyObjectThreshold: maxCopyBytes}
	options.SetNewDirPerm(dirPerm)
	options.SetNewFilePerm(filePerm)
	var metadata meta.MetadataStorer = meta.XattrMeta{}
	if !supportsXattrs(objects, sidecar) {
		if err := os.MkdirAll(sidecar, dirPerm); err != nil {
			return nil, fmt.Errorf("make the folder of metadata: %w", err)
		}
		side, err := meta.NewSideCar(sidecar)
		if err != nil {
			return nil, fmt.Errorf("keep metadata in %s: %w", sidecar, err)
		}
		metadata = side
	}
	backend, err := posix.New(objects, metadata, options)
	if err != nil {
		return nil, fmt.Errorf("open the folder of objects %s: %w", objects, err)
	}
	return backend, nil
}

// Endpoint returns the URL under which this machine reaches the server.
func (s *Server) Endpoint() string {
	host, port, err := net.SplitHostPort(s.cfg.Addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return "http://" + net.JoinHostPort("127.0.0.1", port)
	}
	return "http://" + s.cfg.Addr
}

// Credentials returns the access key and the secret of the account.
func (s *Server) Credentials() (accessKey, secretKey string) { return s.cfg.AccessKey, s.cfg.SecretKey }

// Ended returns a channel that is closed when the server runs no more, whether asked to or not.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// Close stops the server and waits until it has ended: requests under way may finish, for ten seconds.
// A connection that a client opened ahead and never used counts as one; versitygw does not tell them
// apart, and then takes all of that time. Close returns why the server ended before it was
// asked to, if it did. Closing again is no error and returns the same.
func (s *Server) Close() error {
	s.closed.Do(s.stop)
	<-s.ended
	return s.err
}
