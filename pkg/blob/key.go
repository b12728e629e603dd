package blob

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxKeyBytes and maxSegmentBytes are the limits of S3 and of the file names under a store that keeps
// objects as files.
const (
	maxKeyBytes     = 1024
	maxSegmentBytes = 255
)

// CheckKey returns an error that wraps ErrKey unless key is one that every store can hold: 1 to 1024
// bytes of UTF-8 without characters that XML cannot carry, in segments of 1 to 255 bytes between
// slashes, none of them "." or "..". So a key never leads out of the folder of a store that keeps
// objects as files.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: empty", ErrKey)
	case len(key) > maxKeyBytes:
		return fmt.Errorf("%w: %d bytes, at most %d", ErrKey, len(key), maxKeyBytes)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: %q is not UTF-8", ErrKey, key)
	case strings.ContainsFunc(key, notInXML):
		return fmt.Errorf("%w: %q has a control character", ErrKey, key)
	}
	for segment := range strings.SplitSeq(key, "/") {
		switch {
		case segment == "" || segment == "." || segment == "..":
			return fmt.Errorf("%w: %q has the segment %q", ErrKey, key, segment)
		case len(segment) > maxSegmentBytes:
			return fmt.Errorf("%w: %q has a segment of %d bytes, at most %d", ErrKey, key, len(segment), maxSegmentBytes)
		}
	}
	return nil
}

// notInXML reports whether r cannot stand in XML 1.0, in which S3 lists and deletes keys, or is a
// control character that would be normalised there.
func notInXML(r rune) bool {
	return r < 0x20 || r == 0x7f || r == 0xfffe || r == 0xffff
}
