package s3server_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/blob/s3blob"
	"github.com/reelmill/reelmill/services/standalone/internal/s3server"
)

func TestMain(m *testing.M) {
	// The HTTP library of versitygw keeps a clock for the life of the process, and each server's idle
	// workers are looked after for another ten seconds.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

func start(t *testing.T, cfg s3server.Config) *s3server.Server {
	t.Helper()
	s, err := s3server.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func store(t *testing.T, endpoint, accessKey, secretKey string) *s3blob.Store {
	t.Helper()
	b, err := s3blob.New(s3blob.Config{Endpoint: endpoint, Bucket: "things", PathStyle: true, MaxAttempts: 1,
		AccessKeyID: accessKey, SecretAccessKey: s3blob.Secret(secretKey)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestObjectsOutliveTheServer(t *testing.T) {
	dir := t.TempDir()
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, s3server.Config{Dir: dir})
	accessKey, secretKey := s.Credentials()
	b := store(t, s.Endpoint(), accessKey, secretKey)
	if err := b.EnsureBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), "a/b", strings.NewReader("content"), blob.PutOptions{ContentType: "text/plain"}); err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	for range 2 { // closing again is no error
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.Getwd(); err != nil || got != home {
		t.Errorf("the working directory is %s, %v, want %s", got, err, home)
	}

	s = start(t, s3server.Config{Dir: dir, AccessKey: accessKey, SecretKey: secretKey})
	b = store(t, s.Endpoint(), accessKey, secretKey)
	r, o, err := b.Get(t.Context(), "a/b", blob.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if text, err := io.ReadAll(r); err != nil || string(text) != "content" || o.ContentType != "text/plain" {
		t.Errorf("after a restart the object has %q, %+v, %v", text, o, err)
	}
	for path, want := range map[string]os.FileMode{"objects": 0o700 | os.ModeDir, "objects/things": 0o700 | os.ModeDir, "objects/things/a/b": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want mode %v", path, info, err, want)
		}
	}
}

func TestOnlyTheAccountHasAccess(t *testing.T) {
	s := start(t, s3server.Config{Dir: t.TempDir()})
	accessKey, secretKey := s.Credentials()
	b := store(t, s.Endpoint(), accessKey, secretKey)
	if err := b.EnsureBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), "k", strings.NewReader("x"), blob.PutOptions{ContentType: "text/plain"}); err != nil {
		t.Fatal(err)
	}
	if err := store(t, s.Endpoint(), accessKey, "another").Ping(t.Context()); !errors.Is(err, blob.ErrForbidden) {
		t.Errorf("with another secret: %v, want ErrForbidden", err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	client := http.Client{Transport: transport, Timeout: time.Minute}
	signed, err := b.PresignGet(t.Context(), blob.Download{Key: "k"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	plain, _, _ := strings.Cut(signed.URL, "?")
	for url, want := range map[string]int{signed.URL: http.StatusOK, plain: http.StatusForbidden, s.Endpoint() + "/": http.StatusForbidden} {
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("GET %.60s: %s, want %d", url, res.Status, want)
		}
	}
	other, otherSecret := s3server.NewCredentials()
	if other == accessKey || otherSecret == secretKey {
		t.Error("credentials repeat")
	}
}

func TestAnAddressInUseIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s3server.Start(s3server.Config{Dir: t.TempDir(), Addr: l.Addr().String()}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Start = %v, want that the address is in use", err)
	}
	if got, err := os.Getwd(); err != nil || got != home {
		t.Errorf("the working directory is %s, %v, want %s", got, err, home)
	}
	start(t, s3server.Config{Dir: t.TempDir()}) // the failure left nothing behind
}

func TestOneServerRunsAtATime(t *testing.T) {
	s := start(t, s3server.Config{Dir: t.TempDir()})
	if _, err := s3server.Start(s3server.Config{Dir: t.TempDir()}); err == nil {
		t.Error("a second server started")
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(s.Endpoint())
	if err != nil {
		t.Fatalf("the first one answers no more: %v", err)
	}
	_ = res.Body.Close()
	select {
	case <-s.Ended():
		t.Error("the first one has ended")
	default:
	}
}

func TestWrongConfigurationsAreRefused(t *testing.T) {
	for name, cfg := range map[string]s3server.Config{
		"no port":        {Dir: t.TempDir(), Addr: "127.0.0.1"},
		"half a secret":  {Dir: t.TempDir(), AccessKey: "a"},
		"below a device": {Dir: "/dev/null/x"},
	} {
		if _, err := s3server.Start(cfg); err == nil {
			t.Errorf("%s: Start succeeded", name)
		}
	}
}

func TestTheEndpointOfAnOpenAddressIsReachable(t *testing.T) {
	s := start(t, s3server.Config{Dir: t.TempDir(), Addr: "0.0.0.0:0"})
	if !strings.HasPrefix(s.Endpoint(), "http://127.0.0.1:") {
		t.Errorf("Endpoint = %s", s.Endpoint())
	}
	accessKey, secretKey := s.Credentials()
	if err := store(t, s.Endpoint(), accessKey, secretKey).EnsureBucket(t.Context()); err != nil {
		t.Error(err)
	}
}
