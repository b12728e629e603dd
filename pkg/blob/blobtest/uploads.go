package blobtest

import (
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
)

var uploadCases = []testCase{
	{"unfinished uploads are ended by age and prefix", testAbortUploads},
}

// wantNoUploads fails the test where the store keeps an unfinished upload below the test's prefix.
func (r *rig) wantNoUploads(t *testing.T) {
	t.Helper()
	if !r.features.Uploads {
		return
	}
	n, err := r.Store.(blob.Sweeper).AbortUploads(r.ctx, r.prefix, time.Now().Add(time.Hour))
	if err != nil || n != 0 {
		t.Errorf("%d uploads were left open (%v)", n, err)
	}
}

func testAbortUploads(t *testing.T, r *rig) {
	sweeper := r.Store.(blob.Sweeper)
	for _, key := range []string{"a/1", "a/1", "a/2", "b/1"} {
		if err := r.BeginUpload(r.ctx, r.prefix+key); err != nil {
			t.Fatal(err)
		}
	}
	steps := []struct {
		prefix string
		before time.Time
		want   int
	}{
		{"", time.Now().Add(-time.Hour), 0},
		{"c/", time.Now().Add(time.Hour), 0},
		{"a/", time.Now().Add(time.Hour), 3},
		{"a/", time.Now().Add(time.Hour), 0},
		{"", time.Now().Add(time.Hour), 1},
		{"", time.Now().Add(time.Hour), 0},
	}
	for i, s := range steps {
		got, err := sweeper.AbortUploads(r.ctx, r.prefix+s.prefix, s.before)
		if err != nil || got != s.want {
			t.Errorf("step %d: AbortUploads(%q) = %d, %v, want %d", i, s.prefix, got, err, s.want)
		}
	}
	if listed, err := r.Store.List(r.ctx, blob.ListOptions{Prefix: r.prefix}); err != nil || len(listed) != 0 {
		t.Errorf("unfinished uploads are listed as objects: %q, %v", keysOf(listed), err)
	}
}
