package blob_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/blob"
)

func TestCheckKey(t *testing.T) {
	good := []string{
		"a", "t/x/j/y/source", "with space", "ü/日本/🎬.mp4", "a+b&c=d?e#f%2F", "...", "a/.hidden", "a..b", "-", `back\slash`,
		strings.Repeat("a", 255), strings.Repeat(strings.Repeat("a", 255)+"/", 4)[:1023],
	}
	for _, key := range good {
		if err := blob.CheckKey(key); err != nil {
			t.Errorf("CheckKey(%.40q) = %v, want nil", key, err)
		}
	}
	bad := []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/.", "a\x00b", "a\nb", "a\x7f", "\xff", "a\uffff",
		strings.Repeat("a", 256), strings.Repeat("ab/", 400),
	}
	for _, key := range bad {
		if err := blob.CheckKey(key); !errors.Is(err, blob.ErrKey) {
			t.Errorf("CheckKey(%.40q) = %v, want ErrKey", key, err)
		}
	}
}
