package blobtest_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/blobtest"
	"github.com/reelmill/reelmill/pkg/blob/memblob"
	"github.com/reelmill/reelmill/pkg/core/faultinject"
)

// operations are one call each.
var operations = map[string]func(ctx context.Context, s blob.Store) error{
	"put": func(ctx context.Context, s blob.Store) error {
		_, err := s.Put(ctx, "new", strings.NewReader("x"), blob.PutOptions{ContentType: "a/b"})
		return err
	},
	"get": func(ctx context.Context, s blob.Store) error {
		r, _, err := s.Get(ctx, "old", blob.GetOptions{})
		if err == nil {
			err = r.Close()
		}
		return err
	},
	"head":   func(ctx context.Context, s blob.Store) error { _, err := s.Head(ctx, "old"); return err },
	"delete": func(ctx context.Context, s blob.Store) error { return s.Delete(ctx, "old") },
	"list":   func(ctx context.Context, s blob.Store) error { _, err := s.List(ctx, blob.ListOptions{}); return err },
}

func TestFaulty(t *testing.T) {
	for op, call := range operations {
		for kind, want := range map[faultinject.Kind]error{
			faultinject.None: nil, faultinject.Error: faultinject.ErrInjected, faultinject.DidButError: faultinject.ErrInjected,
			faultinject.Hang: context.Canceled, faultinject.Panic: faultinject.ErrInjected,
		} {
			t.Run(op+" "+kind.String(), func(t *testing.T) {
				mem := memblob.New(memblob.Config{})
				if _, err := mem.Put(t.Context(), "old", bytes.NewReader(nil), blob.PutOptions{ContentType: "a/b"}); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var asked []string
				s := blobtest.Faulty(mem, func(op string) faultinject.Kind {
					asked = append(asked, op)
					if kind == faultinject.Hang {
						cancel()
					}
					return kind
				})
				got := func() (err error) {
					defer func() {
						if p := recover(); p != nil {
							err = p.(error)
						}
					}()
					return call(ctx, s)
				}()
				if !errors.Is(got, want) || len(asked) != 1 || asked[0] != op {
					t.Errorf("call = %v, asked for %q, want %v", got, asked, want)
				}
				done := kind == faultinject.None || kind == faultinject.DidButError
				if _, err := mem.Head(t.Context(), "new"); (err == nil) != (done && op == "put") {
					t.Errorf("the new object: %v", err)
				}
				if _, err := mem.Head(t.Context(), "old"); (err == nil) == (done && op == "delete") {
					t.Errorf("the old object: %v", err)
				}
			})
		}
	}
}
