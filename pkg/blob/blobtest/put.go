package blobtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
)

var putCases = []testCase{
	{"an object is there with all that it was put with", testPutThenAll},
	{"an object without content is one", testPutEmpty},
	{"a body is stored from where it stands", testPutFromPosition},
	{"a put replaces content and properties", testPutReplaces},
	{"a large object is stored whole", testPutLarge},
	{"a content type is required", testPutNeedsContentType},
	{"a wrong checksum is refused and nothing stored", testPutWrongChecksum},
	{"what is no checksum is refused and nothing stored", testPutMalformedChecksum},
	{"a put that must not replace does not", testPutIfAbsent},
	{"a put whose context ends leaves nothing", testPutCancelled},
	{"a put whose context has ended does nothing", testPutAlreadyCancelled},
	{"a body that fails leaves nothing", testPutBodyFails},
	{"a body that ends early leaves nothing", testPutBodyEndsEarly},
}

func testPutThenAll(t *testing.T, r *rig) {
	key, content := r.prefix+"a/b.ts", noise(100_000)
	opts := blob.PutOptions{ContentType: "video/mp2t", CacheControl: "public, max-age=31536000, immutable", SHA256: digest(content)}
	before := time.Now().Add(-time.Hour) // the store's clock may differ
	put := r.put(t, key, content, opts)
	if put.Key != key || put.SizeBytes != int64(len(content)) || put.ETag == "" {
		t.Errorf("Put = %+v, want key, size and ETag", put)
	}
	head, err := r.Store.Head(r.ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	got, o := r.read(t, key, blob.GetOptions{})
	wantContent(t, got, content)
	for what, o := range map[string]blob.Object{"Head": head, "Get": o} {
		if o.Key != key || o.SizeBytes != int64(len(content)) || o.ETag != put.ETag {
			t.Errorf("%s = %+v, want key, size and ETag of %+v", what, o, put)
		}
		if o.ContentType != opts.ContentType || o.CacheControl != opts.CacheControl || o.SHA256 != opts.SHA256 {
			t.Errorf("%s = %+v, want what was put with %+v", what, o, opts)
		}
		if o.ModifiedAt.Before(before) || o.ModifiedAt.After(time.Now().Add(time.Hour)) {
			t.Errorf("%s says modified at %v", what, o.ModifiedAt)
		}
	}
	listed, err := r.Store.List(r.ctx, blob.ListOptions{Prefix: r.prefix})
	if err != nil || len(listed) != 1 || listed[0].Key != key || listed[0].SizeBytes != put.SizeBytes || listed[0].ETag != put.ETag {
		t.Errorf("List = %+v, %v, want the object", listed, err)
	}
}

func testPutEmpty(t *testing.T, r *rig) {
	key := r.prefix + "empty"
	put := r.put(t, key, nil, blob.PutOptions{ContentType: "text/plain", SHA256: digest(nil)})
	got, o := r.read(t, key, blob.GetOptions{})
	if len(got) != 0 || o.SizeBytes != 0 || put.SizeBytes != 0 || o.ContentType != "text/plain" {
		t.Errorf("got %d bytes of %+v", len(got), o)
	}
	got, _ = r.read(t, key, blob.GetOptions{LengthBytes: 10})
	if len(got) != 0 {
		t.Errorf("a range of nothing has %d bytes", len(got))
	}
}

func testPutFromPosition(t *testing.T, r *rig) {
	for _, size := range []int64{1000, r.features.LargeBytes} {
		content := noise(size)
		body := bytes.NewReader(content)
		if _, err := body.Seek(100, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		key := r.prefix + "tail"
		o, err := r.Store.Put(r.ctx, key, body, blob.PutOptions{ContentType: "a/b", SHA256: digest(content[100:])})
		if err != nil || o.SizeBytes != size-100 {
			t.Fatalf("Put = %+v, %v", o, err)
		}
		got, _ := r.read(t, key, blob.GetOptions{})
		wantContent(t, got, content[100:])
	}
}

func testPutReplaces(t *testing.T, r *rig) {
	key := r.prefix + "k"
	first := r.put(t, key, []byte("first, and longer"), blob.PutOptions{ContentType: "text/plain", CacheControl: "no-store", SHA256: digest([]byte("first, and longer"))})
	second := r.put(t, key, []byte("second"), blob.PutOptions{ContentType: "text/html"})
	if first.ETag == second.ETag {
		t.Errorf("both contents have the ETag %s", first.ETag)
	}
	got, o := r.read(t, key, blob.GetOptions{})
	if string(got) != "second" || o.ETag != second.ETag || o.ContentType != "text/html" {
		t.Errorf("got %q, %+v", got, o)
	}
	if o.CacheControl != "" || o.SHA256 == digest([]byte("first, and longer")) {
		t.Errorf("%+v keeps properties of what was replaced", o)
	}
}

func testPutLarge(t *testing.T, r *rig) {
	key, content := r.prefix+"large.mp4", noise(r.features.LargeBytes+12345)
	opts := blob.PutOptions{ContentType: "video/mp4", CacheControl: "no-cache", SHA256: digest(content)}
	put := r.put(t, key, content, opts)
	got, o := r.read(t, key, blob.GetOptions{})
	wantContent(t, got, content)
	if o.SizeBytes != int64(len(content)) || o.ETag != put.ETag || o.SHA256 != opts.SHA256 || o.ContentType != opts.ContentType || o.CacheControl != opts.CacheControl {
		t.Errorf("Get = %+v, want %+v", o, opts)
	}
	if head, err := r.Store.Head(r.ctx, key); err != nil || head != o {
		t.Errorf("Head = %+v, %v, want as Get says: %+v", head, err, o)
	}
	const from, length = 8<<20 - 5, 4242
	got, _ = r.read(t, key, blob.GetOptions{OffsetBytes: from, LengthBytes: length})
	wantContent(t, got, content[from:from+length])
	if _, err := r.Store.Put(r.ctx, key, bytes.NewReader(content), blob.PutOptions{ContentType: "a/b", IfAbsent: true}); !errors.Is(err, blob.ErrPrecondition) {
		t.Errorf("a large put that must not replace = %v", err)
	}
	r.wantNoUploads(t)
}

func testPutNeedsContentType(t *testing.T, r *rig) {
	if _, err := r.Store.Put(r.ctx, r.prefix+"k", bytes.NewReader(nil), blob.PutOptions{}); err == nil {
		t.Error("Put without a content type succeeded")
	}
	r.wantAbsent(t, r.prefix+"k")
}

func testPutWrongChecksum(t *testing.T, r *rig) {
	for _, size := range []int64{0, 1000, r.features.LargeBytes} {
		content, wrong := noise(size), digest([]byte("something else"))
		key := r.prefix + "k"
		_, err := r.Store.Put(r.ctx, key, bytes.NewReader(content), blob.PutOptions{ContentType: "a/b", SHA256: wrong})
		wantErr(t, "Put with a wrong checksum", err, blob.ErrChecksum)
		r.wantAbsent(t, key)
		r.wantNoUploads(t)

		r.put(t, key, []byte("before"), blob.PutOptions{})
		_, err = r.Store.Put(r.ctx, key, bytes.NewReader(content), blob.PutOptions{ContentType: "a/b", SHA256: wrong})
		wantErr(t, "replacing with a wrong checksum", err, blob.ErrChecksum)
		if got, _ := r.read(t, key, blob.GetOptions{}); string(got) != "before" {
			t.Errorf("after a refused put the object has %d bytes", len(got))
		}
		if err := r.Store.Delete(r.ctx, key); err != nil {
			t.Fatal(err)
		}
	}
}

func testPutMalformedChecksum(t *testing.T, r *rig) {
	for _, sum := range []string{"x", "00", digest(nil)[:62], digest(nil) + "00"} {
		_, err := r.Store.Put(r.ctx, r.prefix+"k", bytes.NewReader(nil), blob.PutOptions{ContentType: "a/b", SHA256: sum})
		wantErr(t, "Put with the checksum "+sum, err, blob.ErrChecksum)
	}
	r.wantAbsent(t, r.prefix+"k")
}

func testPutIfAbsent(t *testing.T, r *rig) {
	key := r.prefix + "once"
	r.put(t, key, []byte("one"), blob.PutOptions{IfAbsent: true})
	_, err := r.Store.Put(r.ctx, key, bytes.NewReader([]byte("two")), blob.PutOptions{ContentType: "a/b", IfAbsent: true})
	wantErr(t, "a second put", err, blob.ErrPrecondition)
	if got, _ := r.read(t, key, blob.GetOptions{}); string(got) != "one" {
		t.Errorf("content = %q, want that of the first", got)
	}
	if err := r.Store.Delete(r.ctx, key); err != nil {
		t.Fatal(err)
	}
	r.put(t, key, []byte("three"), blob.PutOptions{IfAbsent: true})
}

func testPutCancelled(t *testing.T, r *rig) {
	for _, size := range []int64{1 << 20, r.features.LargeBytes} {
		ctx, cancel := context.WithCancel(r.ctx)
		body := &hookedBody{ReadSeeker: bytes.NewReader(noise(size)), after: size / 10 * 9, hook: func() error { cancel(); return nil }}
		_, err := r.Store.Put(ctx, r.prefix+"k", body, blob.PutOptions{ContentType: "a/b"})
		wantErr(t, "Put with an ended context", err, context.Canceled)
		r.wantAbsent(t, r.prefix+"k")
		r.wantNoUploads(t)
	}
}

func testPutAlreadyCancelled(t *testing.T, r *rig) {
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	_, err := r.Store.Put(ctx, r.prefix+"k", bytes.NewReader([]byte("x")), blob.PutOptions{ContentType: "a/b"})
	wantErr(t, "Put", err, context.Canceled)
	_, _, err = r.Store.Get(ctx, r.prefix+"k", blob.GetOptions{})
	wantErr(t, "Get", err, context.Canceled)
	_, err = r.Store.Head(ctx, r.prefix+"k")
	wantErr(t, "Head", err, context.Canceled)
	_, err = r.Store.List(ctx, blob.ListOptions{Prefix: r.prefix})
	wantErr(t, "List", err, context.Canceled)
	wantErr(t, "Delete", r.Store.Delete(ctx, r.prefix+"k"), context.Canceled)
	wantErr(t, "Delete of two", r.Store.Delete(ctx, r.prefix+"k", r.prefix+"l"), context.Canceled)
	r.wantAbsent(t, r.prefix+"k")
}

func testPutBodyFails(t *testing.T, r *rig) {
	broken := errors.New("the disk is on fire")
	for _, size := range []int64{1 << 20, r.features.LargeBytes} {
		content := noise(size)
		for _, sum := range []string{"", digest(content)} {
			body := &hookedBody{ReadSeeker: bytes.NewReader(content), after: size / 10 * 9, hook: func() error { return broken }}
			_, err := r.Store.Put(r.ctx, r.prefix+"k", body, blob.PutOptions{ContentType: "a/b", SHA256: sum})
			wantErr(t, "Put of a body that fails", err, broken)
			r.wantAbsent(t, r.prefix+"k")
			r.wantNoUploads(t)
		}
	}
}

func testPutBodyEndsEarly(t *testing.T, r *rig) {
	for _, size := range []int64{1 << 20, r.features.LargeBytes} {
		content := noise(size)
		for _, sum := range []string{"", digest(content)} {
			body := &hookedBody{ReadSeeker: bytes.NewReader(content), after: size / 10 * 9, hook: func() error { return io.EOF }}
			_, err := r.Store.Put(r.ctx, r.prefix+"k", body, blob.PutOptions{ContentType: "a/b", SHA256: sum})
			if err == nil {
				t.Errorf("Put of a body that ended before its %d bytes succeeded", size)
			}
			r.wantAbsent(t, r.prefix+"k")
			r.wantNoUploads(t)
		}
	}
}

// hookedBody is a body that calls hook before each read past the first after bytes, and fails as hook
// says.
type hookedBody struct {
	io.ReadSeeker
	at, after int64
	hook      func() error
}

func (b *hookedBody) Read(p []byte) (int, error) {
	if b.at >= b.after {
		if err := b.hook(); err != nil {
			return 0, err
		}
	} else if left := b.after - b.at; int64(len(p)) > left {
		p = p[:left]
	}
	n, err := b.ReadSeeker.Read(p)
	b.at += int64(n)
	return n, err
}

func (b *hookedBody) Seek(offset int64, whence int) (int64, error) {
	at, err := b.ReadSeeker.Seek(offset, whence)
	b.at = at
	return at, err
}
