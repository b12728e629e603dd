package worker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// scratch is this process's folder for files that do not outlive it. It is locked while the process
// lives, so that the next to start can tell what was left behind.
type scratch struct {
	root string
	lock *os.File
}

const lockName = "lock"

// openScratch makes a locked folder below root, which may be shared, and deletes those of processes that
// have died.
func openScratch(root string) (*scratch, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("make scratch folder %s: %w", root, err)
	}
	dirs, err := filepath.Glob(filepath.Join(root, "w-*"))
	if err != nil {
		return nil, fmt.Errorf("look into scratch folder %s: %w", root, err)
	}
	for _, dir := range dirs {
		if err := removeStale(dir); err != nil {
			return nil, err
		}
	}
	if err := removeUnfinished(root); err != nil {
		return nil, err
	}
	// Made under another name and renamed once locked: nobody ever sees it unlocked.
	dir, err := os.MkdirTemp(root, "new-")
	if err != nil {
		return nil, fmt.Errorf("make scratch folder below %s: %w", root, err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	final := filepath.Join(root, "w-"+filepath.Base(dir)[len("new-"):])
	if err := os.Rename(dir, final); err != nil {
		return nil, fmt.Errorf("make scratch folder %s: %w", final, err)
	}
	return &scratch{root: final, lock: lock}, nil
}

// unfinishedAge is after how long a folder that was not yet renamed is taken for one whose process died in
// the moment of making it.
const unfinishedAge = time.Hour

func removeUnfinished(root string) error {
	dirs, err := filepath.Glob(filepath.Join(root, "new-*"))
	if err != nil {
		return fmt.Errorf("look into scratch folder %s: %w", root, err)
	}
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err != nil || time.Since(info.ModTime()) < unfinishedAge {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("delete unfinished scratch folder %s: %w", dir, err)
		}
	}
	return nil
}

// removeStale deletes a folder whose process has died.
func removeStale(dir string) error {
	lock, err := lockDir(dir)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, os.ErrNotExist) {
		return nil // in use, or deleted by another that starts
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("delete scratch folder %s of a dead process: %w", dir, err)
	}
	return nil
}

// lockDir takes the lock of a folder, which the kernel releases when the process ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock scratch folder %s: %w", dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock scratch folder %s: %w", dir, err)
	}
	return f, nil
}

// path returns the path of a name in the folder.
func (s *scratch) path(name string) string { return filepath.Join(s.root, name) }

// attempt makes an empty folder for one attempt.
func (s *scratch) attempt() (string, error) {
	dir, err := os.MkdirTemp(s.root, "a-")
	if err != nil {
		return "", fault.Wrap(fault.CodeScratchFull, err, "")
	}
	return dir, nil
}

func (s *scratch) close() {
	_ = os.RemoveAll(s.root) // what cannot be deleted now, the next start deletes
	s.lock.Close()
}
