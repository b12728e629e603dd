package outputs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Try makes the folder where it is missing and writes a file into it, which it removes again: what cannot
// be written to is found before there is anything to write. undo removes the folders that Try made, as far
// as they are empty. After an error there is nothing to undo.
func Try(dir string) (undo func(), err error) {
	missing, err := missingFolders(dir)
	if err != nil {
		return nil, err
	}
	undo = func() {
		for _, d := range missing {
			_ = os.Remove(d) // one that holds something stays
		}
	}
	if err := tryWrite(dir); err != nil {
		undo()
		return nil, err
	}
	return undo, nil
}

// missingFolders returns dir and the folders above it that do not exist, the innermost first.
func missingFolders(dir string) ([]string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find output folder: %w", err)
	}
	var missing []string
	for {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			return missing, nil
		}
		missing = append(missing, dir)
		dir = filepath.Dir(dir)
	}
}

func tryWrite(dir string) error {
	d, err := Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	f, part, err := d.part(".")
	if err != nil {
		return fmt.Errorf("write to output folder: %w", err)
	}
	_, err = f.WriteString("\n")
	if err = errors.Join(err, f.Close(), d.root.Remove(part)); err != nil {
		return fmt.Errorf("write to output folder: %w", err)
	}
	return nil
}
