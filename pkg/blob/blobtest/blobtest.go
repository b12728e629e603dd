// Package blobtest holds the conformance suite of package blob, which every adapter passes, and
// Faulty, which plants faults in a Store so that its users can be tested.
package blobtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/memblob"
)

// Features says what an adapter's store can do beyond blob.Store.
type Features struct {
	// Presign: the store is a blob.Presigner whose requests can be made from here.
	Presign bool
	// KeepsCutUploads: the store keeps what came of a presigned upload whose client hung up, as an object
	// that is too short (versitygw v1.8.0 does).
	KeepsCutUploads bool
	// Uploads: the store is a blob.Sweeper with uploads to sweep.
	Uploads bool
	// LargeBytes is the size of a body that the adapter sends in several parts; 0 means 20 MiB.
	LargeBytes int64
}

// Subject is a store under test.
type Subject struct {
	// Store is a blob.Presigner and blob.Sweeper where the Features say so.
	Store blob.Store
	// PresignerAt returns a presigner of the same objects that takes it to be the given instant.
	// Needed for Features.Presign.
	PresignerAt func(now time.Time) blob.Presigner
	// BeginUpload begins an upload of key and leaves it unfinished. Needed for Features.Uploads.
	BeginUpload func(ctx context.Context, key string) error
}

// Run runs the suite. open returns a store for one test, which ends it by t.Cleanup where need be; the
// stores may share their objects, as every test works below a prefix of its own.
func Run(t *testing.T, f Features, open func(t *testing.T) Subject) {
	if f.LargeBytes == 0 {
		f.LargeBytes = 20 << 20
	}
	groups := []struct {
		name  string
		cases []testCase
		skip  bool
	}{
		{"put", putCases, false},
		{"get", getCases, false},
		{"keys", keyCases, false},
		{"list", listCases, false},
		{"delete", deleteCases, false},
		{"race", raceCases, false},
		{"presign", presignCases, !f.Presign},
		{"uploads", uploadCases, !f.Uploads},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			if g.skip {
				t.Skip("not a feature of this store")
			}
			for _, c := range g.cases {
				t.Run(c.name, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
					defer cancel()
					c.run(t, &rig{Subject: open(t), ctx: ctx, features: f, prefix: "blobtest/" + rand.Text() + "/"})
				})
			}
		})
	}
}

// NewMem returns a store in memory whose presigned requests are served for as long as the test runs.
func NewMem(t testing.TB) *memblob.Store {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	store := memblob.New(memblob.Config{PublicURL: "http://" + server.Listener.Addr().String()})
	server.Config.Handler = store.Handler()
	server.Start()
	t.Cleanup(server.Close)
	return store
}

type testCase struct {
	name string
	run  func(t *testing.T, r *rig)
}

// rig is what a test case works with.
type rig struct {
	Subject
	ctx      context.Context
	features Features
	// prefix is that of the test's own keys.
	prefix string
}

// put stores content and fails the test where that fails.
func (r *rig) put(t *testing.T, key string, content []byte, opts blob.PutOptions) blob.Object {
	t.Helper()
	if opts.ContentType == "" {
		opts.ContentType = "application/octet-stream"
	}
	o, err := r.Store.Put(r.ctx, key, bytes.NewReader(content), opts)
	if err != nil {
		t.Fatalf("Put(%s) = %v", key, err)
	}
	return o
}

// read gets content and fails the test where that fails.
func (r *rig) read(t *testing.T, key string, opts blob.GetOptions) ([]byte, blob.Object) {
	t.Helper()
	body, o, err := r.Store.Get(r.ctx, key, opts)
	if err != nil {
		t.Fatalf("Get(%s, %+v) = %v", key, opts, err)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	if err := body.Close(); err != nil {
		t.Fatalf("close %s: %v", key, err)
	}
	return content, o
}

func (r *rig) wantAbsent(t *testing.T, key string) {
	t.Helper()
	if o, err := r.Store.Head(r.ctx, key); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Head(%s) = %+v, %v, want ErrNotFound", key, o, err)
	}
}

// wantContent compares without printing megabytes.
func wantContent(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("content is %d bytes of SHA-256 %.12s, want %d of %.12s", len(got), digest(got), len(want), digest(want))
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// noise returns n bytes that look random and are the same in every run.
func noise(n int64) []byte {
	b := make([]byte, n)
	rnd := mathrand.NewChaCha8([32]byte{byte(n)})
	_, _ = rnd.Read(b) // never fails
	return b
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
