// Package datadir is the one folder in which the standalone program keeps everything: the database, the
// objects, scratch files and the credentials of its S3 server. The folder belongs to one process at a
// time.
package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ErrInUse means that another process uses the folder.
var ErrInUse = errors.New("it is in use by another reelmill")

const (
	perm     = 0o700
	lockName = "lock"
	credName = "s3-credentials.json"
)

// Dir is an opened data folder. One goroutine at a time calls Keep and Close; the other methods may be
// called concurrently.
type Dir struct {
	path string
	temp bool
	lock *os.File
}

// Open makes the folder where it is missing and takes it for this process. ErrInUse, with the id of the
// process, where another has it. The caller closes the Dir.
func Open(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	if err := os.MkdirAll(path, perm); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	d := &Dir{path: path}
	if d.lock, err = takeLock(filepath.Join(path, lockName)); err != nil {
		return nil, fmt.Errorf("open data folder %s: %w", path, err)
	}
	// Nobody else has the folder: whatever lies here was left by a process that died.
	if err := os.RemoveAll(d.Scratch()); err != nil {
		return nil, errors.Join(fmt.Errorf("empty scratch folder: %w", err), d.lock.Close())
	}
	return d, nil
}

// Temp returns a new folder below parent, the system's folder for temporary files where that is empty,
// which Close deletes.
func Temp(parent string) (*Dir, error) {
	path, err := os.MkdirTemp(parent, "reelmill-")
	if err != nil {
		return nil, fmt.Errorf("make temporary data folder: %w", err)
	}
	d, err := Open(path)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	d.temp = true
	return d, nil
}

// takeLock locks the file, which the kernel unlocks when the process ends, and writes our id into it.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if b, err := io.ReadAll(io.LimitReader(f, 20)); err == nil && len(b) > 0 {
			return nil, fmt.Errorf("%w (process %s)", ErrInUse, strings.TrimSpace(string(b)))
		}
		return nil, ErrInUse
	}
	// The id is for people alone; the lock holds without it.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return f, nil
}

// Keep makes Close leave a temporary folder where it is.
func (d *Dir) Keep() { d.temp = false }

// Path returns the folder's absolute path.
func (d *Dir) Path() string { return d.path }

// Temporary reports whether Close deletes the folder.
func (d *Dir) Temporary() bool { return d.temp }

// Database returns the path of the database file.
func (d *Dir) Database() string { return filepath.Join(d.path, "reelmill.db") }

// Objects returns the folder of the S3 server.
func (d *Dir) Objects() string { return filepath.Join(d.path, "s3") }

// Scratch returns the folder for files that do not outlive a process; Open empties it.
func (d *Dir) Scratch() string { return filepath.Join(d.path, "scratch") }

// Credentials are those of the folder's S3 server. They stay the same, so that URLs that were signed
// before a restart are good after it.
type Credentials struct {
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
}

// Credentials returns the stored credentials, or those that make returns, after storing them.
func (d *Dir) Credentials(make func() (accessKey, secretKey string)) (Credentials, error) {
	var c Credentials
	path := filepath.Join(d.path, credName)
	b, err := os.ReadFile(path)
	if err == nil && json.Unmarshal(b, &c) == nil && c.AccessKey != "" && c.SecretKey != "" {
		return c, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("read S3 credentials: %w", err)
	}
	c.AccessKey, c.SecretKey = make()
	if b, err = json.Marshal(c); err != nil {
		return c, fmt.Errorf("encode S3 credentials: %w", err)
	}
	// Written whole or not at all: a half file would be replaced, and signed URLs with it.
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return c, fmt.Errorf("store S3 credentials: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return c, fmt.Errorf("store S3 credentials: %w", err)
	}
	return c, nil
}

// FreeBytes returns how much room there is for files below path, which must exist.
func FreeBytes(path string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", path, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// Close gives the folder back, and deletes it where it is temporary. Closing again is no error.
func (d *Dir) Close() error {
	if d.lock == nil {
		return nil
	}
	var err error
	if d.temp {
		if err = os.RemoveAll(d.path); err != nil {
			err = fmt.Errorf("delete temporary data folder: %w", err)
		}
	}
	err = errors.Join(err, d.lock.Close())
	d.lock = nil
	return err
}
