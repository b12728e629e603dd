package s3blob_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/blobtest"
	"github.com/reelmill/reelmill/pkg/blob/s3blob"
	"github.com/reelmill/reelmill/pkg/core/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// configFor returns the configuration of a bucket of the test server that does not exist yet.
func configFor(t *testing.T) s3blob.Config {
	t.Helper()
	server := testenv.S3(t)
	return s3blob.Config{
		Endpoint: server.Endpoint, Region: server.Region, Bucket: testenv.UniqueName(t, "s3blob"), PathStyle: true,
		AccessKeyID: server.AccessKey, SecretAccessKey: s3blob.Secret(server.SecretKey),
		MaxBackoff: 10 * time.Millisecond,
	}
}

// open returns a store of cfg, closed when t ends.
func open(t *testing.T, cfg s3blob.Config) *s3blob.Store {
	t.Helper()
	s, err := s3blob.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return s
}

// makeBucket makes the bucket of cfg and deletes it, with all in it, when t ends.
func makeBucket(t *testing.T, cfg s3blob.Config) *s3blob.Store {
	t.Helper()
	s := open(t, cfg)
	if err := s.EnsureBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // that of t has ended
		defer cancel()
		_, err := blob.DeletePrefix(ctx, s, "")
		_, sweepErr := s.AbortUploads(ctx, "", time.Now().Add(time.Hour))
		if err := errors.Join(err, sweepErr, s.DeleteBucket(ctx)); err != nil {
			t.Errorf("delete bucket %s: %v", cfg.Bucket, err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	for _, mode := range []s3blob.ChecksumMode{s3blob.ChecksumsWhenSupported, s3blob.ChecksumsWhenRequired} {
		t.Run(string(mode), func(t *testing.T) {
			cfg := configFor(t)
			cfg.Checksums = mode
			makeBucket(t, cfg)
			blobtest.Run(t, blobtest.Features{Presign: true, KeepsCutUploads: true, Uploads: true}, func(t *testing.T) blobtest.Subject {
				s := open(t, cfg)
				return blobtest.Subject{
					Store: s, BeginUpload: s.BeginUpload,
					PresignerAt: func(now time.Time) blob.Presigner {
						cfg := cfg
						cfg.Now = func() time.Time { return now }
						return open(t, cfg)
					},
				}
			})
		})
	}
}
