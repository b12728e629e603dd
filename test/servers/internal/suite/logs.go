package suite

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// tailBytes is enough for what a server says about why it does not start.
const tailBytes = 4096

func (s *Suite) logFile(name string) string { return filepath.Join(s.logDir, name+".log") }

// LogTail returns the last lines of a server's log, or why they cannot be read.
func (s *Suite) LogTail(name string) string {
	tail, err := readTail(s.logFile(name))
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	return tail
}

func readTail(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // nothing was written
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	start := max(0, size-tailBytes)
	b := make([]byte, size-start)
	n, err := f.ReadAt(b, start)
	if err != nil && err != io.EOF {
		return "", err
	}
	b = b[:n]
	if start > 0 {
		if _, whole, found := bytes.Cut(b, []byte("\n")); found {
			b = whole
		}
	}
	return string(bytes.TrimRight(b, "\n")), nil
}
