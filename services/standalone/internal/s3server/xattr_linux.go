package s3server

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// supportsXattrs reports whether files below dir can carry user attributes, which tmpfs before Linux 6.6
// and some network file systems do not allow. Where metadata lies in the sidecar folder already it stays
// there: a folder that was moved to another file system must not lose it.
func supportsXattrs(dir, sidecar string) bool {
	if _, err := os.Stat(sidecar); !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	const name = "user.reelmill.probe"
	if err := unix.Setxattr(dir, name, []byte("1"), 0); err != nil {
		return false
	}
	return unix.Removexattr(dir, name) == nil
}
