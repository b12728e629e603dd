package jobstest

import (
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/blob"
)

// PutObject stores an object as some other client would.
func (b *Bench) PutObject(t testing.TB, key, content string) {
	t.Helper()
	_, err := b.Blobs.Put(t.Context(), key, strings.NewReader(content), blob.PutOptions{ContentType: "video/mp4"})
	b.must(err)
}
