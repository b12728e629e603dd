package blobtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/reelmill/reelmill/pkg/blob"
)

var getCases = []testCase{
	{"what does not exist is not found", testGetMissing},
	{"ranges", testGetRanges},
	{"a negative range is refused", testGetNegativeRange},
	{"an object of another ETag is refused", testGetIfMatch},
	{"a reader may be closed before its end", testGetClosedEarly},
	{"a reader ends with its context", testGetCancelled},
}

func testGetMissing(t *testing.T, r *rig) {
	_, _, err := r.Store.Get(r.ctx, r.prefix+"none", blob.GetOptions{})
	wantErr(t, "Get", err, blob.ErrNotFound)
	_, _, err = r.Store.Get(r.ctx, r.prefix+"none", blob.GetOptions{OffsetBytes: 5, LengthBytes: 5})
	wantErr(t, "Get of a range", err, blob.ErrNotFound)
	_, err = r.Store.Head(r.ctx, r.prefix+"none")
	wantErr(t, "Head", err, blob.ErrNotFound)
	r.put(t, r.prefix+"folder/object", nil, blob.PutOptions{})
	r.wantAbsent(t, r.prefix+"folder")
	r.wantAbsent(t, r.prefix+"folder/obj")
	r.wantAbsent(t, r.prefix+"folder/object/below")
}

func testGetRanges(t *testing.T, r *rig) {
	key, content := r.prefix+"k", noise(1000)
	put := r.put(t, key, content, blob.PutOptions{ContentType: "video/mp4", SHA256: digest(content)})
	tests := []struct{ offset, length, from, to int64 }{
		{0, 0, 0, 1000},
		{0, 1, 0, 1},
		{0, 1000, 0, 1000},
		{0, 1001, 0, 1000},
		{999, 0, 999, 1000},
		{999, 5, 999, 1000},
		{500, 100, 500, 600},
		{500, 0, 500, 1000},
		{1, math.MaxInt64, 1, 1000},
		{1000, 0, 1000, 1000},
		{1000, 1, 1000, 1000},
		{5000, 0, 1000, 1000},
		{math.MaxInt64, math.MaxInt64, 1000, 1000},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d+%d", tt.offset, tt.length), func(t *testing.T) {
			got, o := r.read(t, key, blob.GetOptions{OffsetBytes: tt.offset, LengthBytes: tt.length, IfMatch: put.ETag})
			wantContent(t, got, content[tt.from:tt.to])
			if o.SizeBytes != 1000 || o.ETag != put.ETag || o.ContentType != "video/mp4" || o.Key != key {
				t.Errorf("the object is %+v, want the whole one's size and properties", o)
			}
		})
	}
}

func testGetNegativeRange(t *testing.T, r *rig) {
	r.put(t, r.prefix+"k", noise(10), blob.PutOptions{})
	for _, opts := range []blob.GetOptions{{OffsetBytes: -1}, {LengthBytes: -1}} {
		if body, _, err := r.Store.Get(r.ctx, r.prefix+"k", opts); err == nil {
			t.Errorf("Get(%+v) succeeded", opts)
			body.Close()
		}
	}
}

func testGetIfMatch(t *testing.T, r *rig) {
	key := r.prefix + "k"
	first := r.put(t, key, []byte("first"), blob.PutOptions{})
	if got, _ := r.read(t, key, blob.GetOptions{IfMatch: first.ETag}); string(got) != "first" {
		t.Errorf("content = %q", got)
	}
	r.put(t, key, []byte("later"), blob.PutOptions{})
	for _, opts := range []blob.GetOptions{{}, {OffsetBytes: 2, LengthBytes: 2}, {OffsetBytes: 5}, {OffsetBytes: 50}} {
		opts.IfMatch = first.ETag
		_, _, err := r.Store.Get(r.ctx, key, opts)
		wantErr(t, fmt.Sprintf("Get(%+v) of a replaced object", opts), err, blob.ErrPrecondition)
	}
}

func testGetClosedEarly(t *testing.T, r *rig) {
	key, content := r.prefix+"k", noise(r.features.LargeBytes)
	r.put(t, key, content, blob.PutOptions{})
	for range 3 {
		body, _, err := r.Store.Get(r.ctx, key, blob.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 1000)
		if _, err := io.ReadFull(body, head); err != nil {
			t.Fatal(err)
		}
		wantContent(t, head, content[:1000])
		if err := body.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		if n, err := body.Read(head); n != 0 || err == nil || errors.Is(err, io.EOF) {
			t.Errorf("reading a closed reader = %d, %v, want an error that is not io.EOF", n, err)
		}
	}
	if got, _ := r.read(t, key, blob.GetOptions{LengthBytes: 10}); len(got) != 10 {
		t.Errorf("after closing early a range has %d bytes", len(got))
	}
}

func testGetCancelled(t *testing.T, r *rig) {
	key := r.prefix + "k"
	r.put(t, key, noise(r.features.LargeBytes), blob.PutOptions{})
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	body, _, err := r.Store.Get(ctx, key, blob.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := io.ReadFull(body, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	n, err := io.Copy(io.Discard, body)
	wantErr(t, fmt.Sprintf("reading on (%d bytes)", n), err, context.Canceled)
}
