package suite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const (
	folderPrefix = "reelmill-testservers-"
	lockName     = "lock"
)

// folder is the temporary folder of one suite. It holds a locked file, so that the folder of a program that was killed
// can be told from one in use: newFolder deletes the former.
type folder struct {
	path string
	lock *os.File
}

func newFolder() (*folder, error) {
	removeAbandoned()
	path, err := os.MkdirTemp("", folderPrefix)
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	f := &folder{path: path}
	// Locked before it gets the name by which others find it.
	f.lock, err = os.Create(filepath.Join(path, lockName+".new"))
	if err == nil {
		err = errors.Join(
			syscall.Flock(int(f.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB),
			os.Rename(f.lock.Name(), filepath.Join(path, lockName)),
			os.Chmod(path, 0o711), // others may pass through, see Suite.add
		)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the temporary folder %s: %w", path, err), f.remove())
	}
	return f, nil
}

func (f *folder) remove() error {
	var err error
	if f.lock != nil {
		err = f.lock.Close()
	}
	if err := errors.Join(err, os.RemoveAll(f.path)); err != nil {
		return fmt.Errorf("remove the temporary folder: %w", err)
	}
	return nil
}

// removeAbandoned deletes the folders whose program is gone. What cannot be opened or deleted belongs to another user.
func removeAbandoned() {
	locks, _ := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*", lockName))
	for _, name := range locks {
		lock, err := os.Open(name)
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(filepath.Dir(name))
		}
		_ = lock.Close()
	}
}
