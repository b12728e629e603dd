package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/iotest"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
)

var presignCases = []testCase{
	{"a presigned upload stores what is sent", testPresignPut},
	{"an upload may be signed for any type and size", testPresignPutAny},
	{"an upload of another type or size is refused", testPresignPutMismatch},
	{"an upload that is cut short is not taken for whole", testPresignPutCut},
	{"a presigned download answers as asked", testPresignGet},
	{"a download answers ranges", testPresignGetRange},
	{"what expired is refused", testPresignExpired},
	{"what was changed is refused", testPresignTampered},
	{"a lifetime is a second to seven days", testPresignLifetime},
	{"presigning asks nothing of the store", testPresignDoesNoIO},
	{"odd keys can be signed", testPresignOddKeys},
}

// answer is what the store said to a plain HTTP client.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do makes a signed request as a client without credentials would. Header overrides that of the
// signed request; an empty value leaves it out.
func do(t *testing.T, ctx context.Context, s blob.Signed, body []byte, header map[string]string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, s.Method, s.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []map[string]string{s.Header, header} {
		for name, value := range h {
			req.Header.Set(name, value)
		}
	}
	for name, value := range req.Header {
		if value[0] == "" {
			delete(req.Header, name)
		}
	}
	req.Header.Del("Content-Length") // net/http sends that of the body, like a browser
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", s.Method, err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: read answer: %v", s.Method, err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: content}
}

func (r *rig) presignPut(t *testing.T, up blob.Upload) blob.Signed {
	t.Helper()
	s, err := r.Store.(blob.Presigner).PresignPut(r.ctx, up, 15*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *rig) presignGet(t *testing.T, down blob.Download) blob.Signed {
	t.Helper()
	s, err := r.Store.(blob.Presigner).PresignGet(r.ctx, down, 15*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testPresignPut(t *testing.T, r *rig) {
	// Browsers give recordings types with parameters, with quotes or without.
	for i, contentType := range []string{"video/mp4", "video/webm;codecs=vp8,opus", `video/webm; codecs="vp8, opus"`} {
		t.Run(contentType, func(t *testing.T) {
			key, content := fmt.Sprintf("%ssource-%d", r.prefix, i), noise(100_000)
			s := r.presignPut(t, blob.Upload{Key: key, ContentType: contentType, SizeBytes: int64(len(content))})
			if s.Method != http.MethodPut || s.Header["Content-Type"] != contentType || s.Header["Content-Length"] != "100000" {
				t.Errorf("signed %s with %v, want a PUT with type and length", s.Method, s.Header)
			}
			if left := time.Until(s.Expires); left < 14*time.Minute || left > 15*time.Minute {
				t.Errorf("expires in %v, want within a minute of 15m", left)
			}
			if a := do(t, r.ctx, s, content, nil); a.status != http.StatusOK {
				t.Fatalf("upload = %d %s", a.status, a.body)
			}
			got, o := r.read(t, key, blob.GetOptions{})
			wantContent(t, got, content)
			if o.ContentType != contentType {
				t.Errorf("content type = %q", o.ContentType)
			}
		})
	}
}

func testPresignPutAny(t *testing.T, r *rig) {
	s := r.presignPut(t, blob.Upload{Key: r.prefix + "any"})
	for _, contentType := range []string{"", "text/plain"} {
		for _, size := range []int64{0, 10, 5000} {
			if a := do(t, r.ctx, s, noise(size), map[string]string{"Content-Type": contentType}); a.status != http.StatusOK {
				t.Fatalf("upload of %d bytes of type %q = %d %s", size, contentType, a.status, a.body)
			}
			got, o := r.read(t, r.prefix+"any", blob.GetOptions{})
			wantContent(t, got, noise(size))
			if contentType != "" && o.ContentType != contentType {
				t.Errorf("content type = %q, want %q", o.ContentType, contentType)
			}
		}
	}
}

func testPresignPutMismatch(t *testing.T, r *rig) {
	key, content := r.prefix+"k", noise(1000)
	s := r.presignPut(t, blob.Upload{Key: key, ContentType: "video/mp4", SizeBytes: 1000})
	tests := []struct {
		name        string
		content     []byte
		contentType string
	}{
		{"another type", content, "text/html"},
		{"the type with a parameter", content, "video/mp4;codecs=avc1.64001f"},
		{"no type", content, ""},
		{"a longer body", noise(1001), "video/mp4"},
		{"a shorter body", noise(999), "video/mp4"},
		{"no body", nil, "video/mp4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := do(t, r.ctx, s, tt.content, map[string]string{"Content-Type": tt.contentType})
			if a.status != http.StatusForbidden {
				t.Errorf("upload = %d %s, want 403", a.status, a.body)
			}
			r.wantAbsent(t, key)
		})
	}
}

// testPresignPutCut sends half of what was announced and hangs up, as a browser does that is closed.
func testPresignPutCut(t *testing.T, r *rig) {
	key, content := r.prefix+"k", noise(100_000)
	s := r.presignPut(t, blob.Upload{Key: key, ContentType: "a/b", SizeBytes: int64(len(content))})
	body := io.MultiReader(bytes.NewReader(content[:len(content)/2]), iotest.ErrReader(io.ErrUnexpectedEOF))
	req, err := http.NewRequestWithContext(r.ctx, s.Method, s.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "a/b")
	req.ContentLength = int64(len(content))
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if resp, err := client.Do(req); err == nil {
		resp.Body.Close()
		if resp.StatusCode/100 == 2 {
			t.Errorf("half an upload = %d", resp.StatusCode)
		}
	}
	// The store may learn of it later than the client: a whole upload of another key is behind it in time.
	if a := do(t, r.ctx, r.presignPut(t, blob.Upload{Key: r.prefix + "after"}), content, nil); a.status != http.StatusOK {
		t.Fatalf("upload = %d", a.status)
	}
	o, err := r.Store.Head(r.ctx, key)
	tooShort := err == nil && o.SizeBytes < int64(len(content))
	if !errors.Is(err, blob.ErrNotFound) && !(tooShort && r.features.KeepsCutUploads) {
		t.Errorf("Head = %+v, %v, want ErrNotFound", o, err)
	}
}

func testPresignGet(t *testing.T, r *rig) {
	key, content := r.prefix+"film.mp4", noise(5000)
	r.put(t, key, content, blob.PutOptions{ContentType: "video/mp4"})
	plain := do(t, r.ctx, r.presignGet(t, blob.Download{Key: key}), nil, nil)
	if plain.status != http.StatusOK || plain.header.Get("Content-Type") != "video/mp4" || plain.header.Get("Content-Disposition") != "" {
		t.Errorf("download = %d %v", plain.status, plain.header)
	}
	wantContent(t, plain.body, content)

	const disposition = `attachment; filename="Ferien 2024.mp4"; filename*=UTF-8''Ferien%202024.mp4`
	s := r.presignGet(t, blob.Download{Key: key, ContentType: "application/octet-stream", ContentDisposition: disposition})
	if s.Method != http.MethodGet || len(s.Header) != 0 {
		t.Errorf("signed %s with %v, want a GET that needs no headers", s.Method, s.Header)
	}
	a := do(t, r.ctx, s, nil, nil)
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/octet-stream" || a.header.Get("Content-Disposition") != disposition {
		t.Errorf("download = %d %v, want type and disposition as signed", a.status, a.header)
	}
	wantContent(t, a.body, content)

	if a := do(t, r.ctx, r.presignGet(t, blob.Download{Key: r.prefix + "none"}), nil, nil); a.status != http.StatusNotFound {
		t.Errorf("download of what does not exist = %d", a.status)
	}
}

func testPresignGetRange(t *testing.T, r *rig) {
	key, content := r.prefix+"film.mp4", noise(5000)
	r.put(t, key, content, blob.PutOptions{ContentType: "video/mp4"})
	a := do(t, r.ctx, r.presignGet(t, blob.Download{Key: key}), nil, map[string]string{"Range": "bytes=100-199"})
	if a.status != http.StatusPartialContent || a.header.Get("Content-Range") != "bytes 100-199/5000" {
		t.Errorf("range = %d %v", a.status, a.header)
	}
	wantContent(t, a.body, content[100:200])
}

func testPresignExpired(t *testing.T, r *rig) {
	key := r.prefix + "k"
	r.put(t, key, []byte("content"), blob.PutOptions{})
	earlier := r.PresignerAt(time.Now().Add(-time.Hour))
	for ttl, want := range map[time.Duration]int{59 * time.Minute: http.StatusForbidden, 61 * time.Minute: http.StatusOK} {
		get, err := earlier.PresignGet(r.ctx, blob.Download{Key: key}, ttl)
		if err != nil {
			t.Fatal(err)
		}
		if a := do(t, r.ctx, get, nil, nil); a.status != want {
			t.Errorf("download signed an hour ago for %v = %d %s, want %d", ttl, a.status, a.body, want)
		}
		put, err := earlier.PresignPut(r.ctx, blob.Upload{Key: key}, ttl)
		if err != nil {
			t.Fatal(err)
		}
		if a := do(t, r.ctx, put, []byte("later"), nil); a.status != want {
			t.Errorf("upload signed an hour ago for %v = %d %s, want %d", ttl, a.status, a.body, want)
		}
	}
}

func testPresignLifetime(t *testing.T, r *rig) {
	p := r.Store.(blob.Presigner)
	for ttl, ok := range map[time.Duration]bool{
		-time.Hour: false, 0: false, time.Second - 1: false, time.Second: true,
		7 * 24 * time.Hour: true, 7*24*time.Hour + 1: false,
	} {
		_, err := p.PresignPut(r.ctx, blob.Upload{Key: r.prefix + "k"}, ttl)
		if (err == nil) != ok {
			t.Errorf("PresignPut for %v = %v", ttl, err)
		}
		_, err = p.PresignGet(r.ctx, blob.Download{Key: r.prefix + "k"}, ttl)
		if (err == nil) != ok {
			t.Errorf("PresignGet for %v = %v", ttl, err)
		}
	}
}

func testPresignDoesNoIO(t *testing.T, r *rig) {
	r.presignGet(t, blob.Download{Key: r.prefix + "none"})
	r.presignPut(t, blob.Upload{Key: r.prefix + "none"})
	r.wantAbsent(t, r.prefix+"none")
}

func testPresignOddKeys(t *testing.T, r *rig) {
	for _, odd := range oddKeys {
		key := r.prefix + odd
		if a := do(t, r.ctx, r.presignPut(t, blob.Upload{Key: key, ContentType: "a/b", SizeBytes: int64(len(odd))}), []byte(odd), nil); a.status != http.StatusOK {
			t.Errorf("upload of %q = %d %s", odd, a.status, a.body)
			continue
		}
		if got, _ := r.read(t, key, blob.GetOptions{}); string(got) != odd {
			t.Errorf("%q has %q", odd, got)
		}
		if a := do(t, r.ctx, r.presignGet(t, blob.Download{Key: key}), nil, nil); a.status != http.StatusOK || string(a.body) != odd {
			t.Errorf("download of %q = %d %s", odd, a.status, a.body)
		}
	}
}
