package memblob_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/blobtest"
	"github.com/reelmill/reelmill/pkg/blob/memblob"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	blobtest.Run(t, blobtest.Features{Presign: true, Uploads: true}, func(t *testing.T) blobtest.Subject {
		s := blobtest.NewMem(t)
		return blobtest.Subject{Store: s, PresignerAt: s.PresignerAt, BeginUpload: s.BeginUpload}
	})
}

func TestPresigningNeedsAnAddress(t *testing.T) {
	if _, err := memblob.New(memblob.Config{}).PresignGet(t.Context(), blob.Download{Key: "k"}, 1e9); err == nil {
		t.Error("PresignGet of a store without a public URL succeeded")
	}
}
