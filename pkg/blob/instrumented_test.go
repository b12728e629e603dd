package blob_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/blobtest"
	"github.com/reelmill/reelmill/pkg/blob/memblob"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
)

func TestInstrumentedTellsOfEveryCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []blob.Observation
		mem := memblob.New(memblob.Config{})
		slow := blobtest.Faulty(mem, func(string) faultinject.Kind { time.Sleep(time.Second); return faultinject.None })
		s := blob.Instrumented(slow, func(o blob.Observation) { seen = append(seen, o) })
		ctx := t.Context()
		want := func(o blob.Observation) {
			t.Helper()
			if !slices.Equal(seen, []blob.Observation{o}) {
				t.Errorf("observed %+v, want %+v", seen, o)
			}
			seen = nil
		}

		if _, err := s.Put(ctx, "k", strings.NewReader("12345"), blob.PutOptions{ContentType: "a/b"}); err != nil {
			t.Fatal(err)
		}
		want(blob.Observation{Op: "put", Bytes: 5, Duration: time.Second, Outcome: "ok"})

		r, _, err := s.Get(ctx, "k", blob.GetOptions{})
		if err != nil || len(seen) != 0 {
			t.Fatalf("Get = %v, observed %v before it was read", err, seen)
		}
		if _, err := io.ReadFull(r, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for range 2 {
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
		}
		want(blob.Observation{Op: "get", Bytes: 3, Duration: time.Minute + time.Second, Outcome: "ok"})

		if _, _, err := s.Get(ctx, "none", blob.GetOptions{}); err == nil {
			t.Error("Get found what is not there")
		}
		want(blob.Observation{Op: "get", Duration: time.Second, Outcome: "not_found"})

		cancelled, cancel := context.WithCancel(ctx)
		r, _, err = s.Get(cancelled, "k", blob.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		_, _ = io.ReadAll(r)
		_ = r.Close()
		want(blob.Observation{Op: "get", Duration: time.Second, Outcome: "cancelled"})

		if _, err := s.Head(ctx, "k"); err != nil {
			t.Fatal(err)
		}
		want(blob.Observation{Op: "head", Duration: time.Second, Outcome: "ok"})
		if _, err := s.List(ctx, blob.ListOptions{}); err != nil {
			t.Fatal(err)
		}
		want(blob.Observation{Op: "list", Duration: time.Second, Outcome: "ok"})
		if err := s.Delete(ctx, "k"); err != nil {
			t.Fatal(err)
		}
		want(blob.Observation{Op: "delete", Duration: time.Second, Outcome: "ok"})
	})
}

func TestInstrumentedPassesTheSuite(t *testing.T) {
	blobtest.Run(t, blobtest.Features{}, func(*testing.T) blobtest.Subject {
		return blobtest.Subject{Store: blob.Instrumented(memblob.New(memblob.Config{}), func(blob.Observation) {})}
	})
}

func TestOutcome(t *testing.T) {
	for want, err := range map[string]error{
		"ok": nil, "not_found": blob.ErrNotFound, "precondition": blob.ErrPrecondition, "checksum": blob.ErrChecksum,
		"forbidden": blob.ErrForbidden, "cancelled": context.Canceled, "error": errors.New("x"),
		"unavailable": fault.New(fault.CodeStorageUnavailable, ""),
	} {
		if err != nil {
			err = fmt.Errorf("wrapped: %w", err)
		}
		if got := blob.Outcome(err); got != want {
			t.Errorf("Outcome(%v) = %q, want %q", err, got, want)
		}
	}
}
