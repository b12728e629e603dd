package s3blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/s3blob"
	"github.com/reelmill/reelmill/pkg/core/fault"
)

// noise returns n bytes that look random and are the same in every run.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // never fails
	return b
}

// disturbed returns a store that reaches the bucket through a proxy, and one that reaches it directly.
func disturbed(t *testing.T, tweak func(*s3blob.Config)) (p *proxy, through, direct *s3blob.Store) {
	t.Helper()
	cfg := configFor(t)
	direct = makeBucket(t, cfg)
	p, cfg = newProxy(t, cfg)
	cfg.MaxAttempts = 2
	if tweak != nil {
		tweak(&cfg)
	}
	return p, open(t, cfg), direct
}

func put(t *testing.T, s *s3blob.Store, key string, content []byte) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, bytes.NewReader(content), blob.PutOptions{ContentType: "video/mp4"}); err != nil {
		t.Fatalf("Put(%s) = %v", key, err)
	}
}

// wantUnavailable checks that err says that the storage, and nothing else, is to blame.
func wantUnavailable(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || fault.CodeOf(err) != fault.CodeStorageUnavailable || fault.ClassOf(err) != fault.Transient {
		t.Errorf("%s = %v, want %s", what, err, fault.CodeStorageUnavailable)
	}
	for _, sentinel := range []error{blob.ErrNotFound, blob.ErrPrecondition, blob.ErrChecksum, blob.ErrForbidden} {
		if errors.Is(err, sentinel) {
			t.Errorf("%s = %v, which is %v", what, err, sentinel)
		}
	}
}

func wantNothingOpen(t *testing.T, s *s3blob.Store) {
	t.Helper()
	if n, err := s.AbortUploads(t.Context(), "", time.Now().Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("%d uploads were left open (%v)", n, err)
	}
}

// everyCall makes each call of the port on an object that exists.
func everyCall(ctx context.Context, s *s3blob.Store, key string) map[string]error {
	results := map[string]error{}
	_, results["Put"] = s.Put(ctx, key, bytes.NewReader(noise(1000)), blob.PutOptions{ContentType: "a/b"})
	_, results["Put in parts"] = s.Put(ctx, key, bytes.NewReader(noise(17<<20)), blob.PutOptions{ContentType: "a/b"})
	body, _, err := s.Get(ctx, key, blob.GetOptions{})
	if err == nil {
		_, err = io.Copy(io.Discard, body)
		body.Close()
	}
	results["Get"] = err
	_, results["Head"] = s.Head(ctx, key)
	_, results["List"] = s.List(ctx, blob.ListOptions{})
	results["Delete"] = s.Delete(ctx, key)
	results["Delete of two"] = s.Delete(ctx, key, key+"2")
	_, results["AbortUploads"] = s.AbortUploads(ctx, "", time.Now())
	results["Ping"] = s.Ping(ctx)
	results["EnsureBucket"] = s.EnsureBucket(ctx)
	return results
}

func TestStorageThatFailsIsTransient(t *testing.T) {
	p, s, direct := disturbed(t, nil)
	put(t, direct, "k", noise(200_000))
	for name, intercept := range map[string]func(http.ResponseWriter, *http.Request) bool{"answers 503": unavailable, "cuts connections": reset} {
		t.Run(name, func(t *testing.T) {
			p.set(intercept, nil)
			for what, err := range everyCall(t.Context(), s, "k") {
				wantUnavailable(t, what, err)
			}
		})
	}
	wantNothingOpen(t, direct)
	if _, err := direct.Head(t.Context(), "k"); err != nil {
		t.Errorf("the object is gone: %v", err)
	}
}

func TestStorageThatIsDownIsTransient(t *testing.T) {
	s := open(t, s3blob.Config{
		Endpoint: "http://127.0.0.1:1", Bucket: "none", PathStyle: true, AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "verysecret",
		MaxAttempts: 2, MaxBackoff: time.Millisecond,
	})
	for what, err := range everyCall(t.Context(), s, "k") {
		wantUnavailable(t, what, err)
	}
}

func TestStorageThatFailsOnceIsTriedAgain(t *testing.T) {
	// Every second request fails, whoever makes it: one at a time, then.
	p, s, direct := disturbed(t, func(c *s3blob.Config) { c.UploadConcurrency = 1 })
	content := noise(20 << 20)
	for name, intercept := range map[string]func(http.ResponseWriter, *http.Request) bool{"503": unavailable, "cut": reset} {
		t.Run(name, func(t *testing.T) {
			var seen atomic.Int64
			p.set(func(w http.ResponseWriter, r *http.Request) bool {
				return seen.Add(1)%2 == 1 && intercept(w, r)
			}, nil)
			for _, size := range []int{1000, len(content)} {
				cfg := blob.PutOptions{ContentType: "a/b"}
				if _, err := s.Put(t.Context(), "k", bytes.NewReader(content[:size]), cfg); err != nil {
					t.Fatalf("Put of %d bytes = %v", size, err)
				}
				if got := readAll(t, direct, "k"); !bytes.Equal(got, content[:size]) {
					t.Errorf("stored are %d bytes that differ from the %d put", len(got), size)
				}
			}
			if seen.Load() < 6 {
				t.Errorf("only %d requests were made", seen.Load())
			}
		})
	}
	wantNothingOpen(t, direct)
}

func readAll(t *testing.T, s *s3blob.Store, key string) []byte {
	t.Helper()
	body, _, err := s.Get(t.Context(), key, blob.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestUploadThatChangesOnTheWayIsRefused(t *testing.T) {
	p, s, direct := disturbed(t, nil)
	put(t, direct, "k", []byte("before"))
	for _, size := range []int{1000, 17 << 20} {
		p.set(flipUpload, nil)
		_, err := s.Put(t.Context(), "k", bytes.NewReader(noise(size)), blob.PutOptions{ContentType: "a/b"})
		if !errors.Is(err, blob.ErrChecksum) {
			t.Errorf("Put of %d bytes = %v, want ErrChecksum", size, err)
		}
		if got := readAll(t, direct, "k"); string(got) != "before" {
			t.Errorf("stored are %d bytes", len(got))
		}
		wantNothingOpen(t, direct)
	}
}

func TestPutThatIsCancelledWhileItIsSentLeavesNothing(t *testing.T) {
	p, s, direct := disturbed(t, nil)
	for _, size := range []int{8 << 20, 20 << 20} {
		ctx, cancel := context.WithCancel(t.Context())
		p.set(func(_ http.ResponseWriter, r *http.Request) bool {
			r.Body = &brokenBody{ // passes some on, cancels, and then has what the client sends none the less
				Reader: io.MultiReader(io.LimitReader(r.Body, 100_000), hook(cancel), r.Body), Closer: r.Body, err: io.ErrUnexpectedEOF,
			}
			return false
		}, nil)
		_, err := s.Put(ctx, "k", bytes.NewReader(noise(size)), blob.PutOptions{ContentType: "a/b"})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Put of %d bytes = %v, want context.Canceled", size, err)
		}
		p.wait(t)
		if _, err := direct.Head(t.Context(), "k"); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Head after %d bytes = %v, want ErrNotFound", size, err)
		}
		wantNothingOpen(t, direct)
	}
}

// hook is an empty reader that calls a function when it is read.
type hook func()

func (h hook) Read([]byte) (int, error) {
	h()
	return 0, io.EOF
}

func TestUploadsAreEndedWhateverFails(t *testing.T) {
	isComplete := func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") }
	tests := []struct {
		name   string
		failed func(r *http.Request) bool
	}{
		{"the first part", func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "1" }},
		{"the last part", func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "3" }},
		{"the completion", isComplete},
		{"the first try to end it", func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "2" }},
	}
	p, s, direct := disturbed(t, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var aborts atomic.Int64
			p.set(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodDelete && aborts.Add(1) == 1 && tt.name == "the first try to end it" {
					return unavailable(w, r)
				}
				return tt.failed(r) && unavailable(w, r)
			}, nil)
			_, err := s.Put(t.Context(), "k", bytes.NewReader(noise(20<<20)), blob.PutOptions{ContentType: "a/b"})
			wantUnavailable(t, "Put", err)
			if _, err := direct.Head(t.Context(), "k"); !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("Head = %v, want ErrNotFound", err)
			}
			wantNothingOpen(t, direct)
			if aborts.Load() == 0 {
				t.Error("the upload was not ended")
			}
		})
	}
}

func TestCompletionWhoseAnswerIsLostLeavesNothingOpen(t *testing.T) {
	p, s, direct := disturbed(t, nil)
	content := noise(17 << 20)
	p.set(nil, func(r *http.Response) {
		if q := r.Request.URL.Query(); r.Request.Method == http.MethodPost && q.Has("uploadId") {
			panic(http.ErrAbortHandler) // cuts the connection
		}
	})
	_, err := s.Put(t.Context(), "k", bytes.NewReader(content), blob.PutOptions{ContentType: "a/b"})
	wantUnavailable(t, "Put", err)
	wantNothingOpen(t, direct)
	if got := readAll(t, direct, "k"); !bytes.Equal(got, content) { // it was completed nonetheless
		t.Errorf("stored are %d bytes that differ from the %d put", len(got), len(content))
	}
}

func TestWrongCredentialsAreForbidden(t *testing.T) {
	cfg := configFor(t)
	put(t, makeBucket(t, cfg), "k", noise(10))
	for name, change := range map[string]func(*s3blob.Config){
		"unknown key":  func(c *s3blob.Config) { c.AccessKeyID = "AKIDUNKNOWN" },
		"wrong secret": func(c *s3blob.Config) { c.SecretAccessKey = "wrong-but-secret" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := cfg
			change(&cfg)
			for what, err := range everyCall(t.Context(), open(t, cfg), "k") {
				if !errors.Is(err, blob.ErrForbidden) {
					t.Errorf("%s = %v, want ErrForbidden", what, err)
				}
				if err != nil && strings.Contains(err.Error(), string(cfg.SecretAccessKey)) {
					t.Errorf("%s tells the secret: %v", what, err)
				}
			}
		})
	}
}

func TestBucketThatDoesNotExistIsNoMissingObject(t *testing.T) {
	s := open(t, configFor(t))
	_, _, err := s.Get(t.Context(), "k", blob.GetOptions{})
	wantUnavailable(t, "Get", err)
	_, err = s.Put(t.Context(), "k", bytes.NewReader(noise(10)), blob.PutOptions{ContentType: "a/b"})
	wantUnavailable(t, "Put", err)
	if err := s.Ping(t.Context()); err == nil {
		t.Error("Ping of a bucket that does not exist succeeded")
	}
}
