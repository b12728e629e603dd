package app_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/media"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
	"github.com/reelmill/reelmill/pkg/ffmpeg/sandbox"
	"github.com/reelmill/reelmill/services/standalone/internal/app"
	"github.com/reelmill/reelmill/services/standalone/internal/client"
	"github.com/reelmill/reelmill/services/standalone/internal/datadir"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	goleak.VerifyTestMain(m, ofStorage()...)
}

// ofStorage ignores goroutines that the HTTP library of the S3 server leaves for good, or for ten
// seconds.
func ofStorage() []goleak.Option {
	return []goleak.Option{goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2")}
}

const patience = 3 * time.Minute

func data(t *testing.T) *datadir.Dir {
	t.Helper()
	d, err := datadir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// run opens and runs an app until the function that is returned is called, which tells how it ended.
func run(t *testing.T, cfg app.Config) (a *app.App, stop func() error) {
	t.Helper()
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	a, err := app.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	return a, func() error {
		cancel()
		return errors.Join(<-ended, a.Close())
	}
}

// process does a job of the file and returns it.
func process(t *testing.T, api *client.Client, file string) client.Job {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	j, err := api.Create(t.Context(), client.CreateRequest{Pipeline: json.RawMessage(`"thumbnail"`), Source: client.Source{Type: "upload", SizeBytes: info.Size()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(api.Upload(t.Context(), j.Upload.Signed, f, info.Size()), api.CompleteUpload(t.Context(), j.ID)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !j.Terminal() {
		if j, err = api.Get(ctx, j.ID); err != nil {
			t.Fatal(err)
		}
		<-tick.C
	}
	return j
}

func TestAJobGoesFromUploadToOutputs(t *testing.T) {
	file := ffmpegtest.Testsrc(t, ffmpegtest.Options{Duration: 2 * time.Second, Size: media.Resolution{Width: 160, Height: 120}})
	d := data(t)
	var before string
	for range 2 { // the second app finds what the first one left
		a, stop := run(t, app.Config{Data: d, OpsAddr: "127.0.0.1:0", Slots: 2})
		api := client.New(a.URL())
		j := process(t, api, file)
		if j.State != client.StateCompleted || j.Error != nil {
			t.Fatalf("the job ended %s: %+v", j.State, j.Error)
		}
		list, err := api.Outputs(t.Context(), j.ID)
		if err != nil || len(list) == 0 {
			t.Fatalf("outputs: %v, %v", list, err)
		}
		for _, o := range list {
			body, err := api.Download(t.Context(), *o.Download)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.New()
			n, err := io.Copy(sum, body)
			_ = body.Close()
			if err != nil || n != o.SizeBytes || hex.EncodeToString(sum.Sum(nil)) != o.SHA256 {
				t.Errorf("%s came with %d bytes: %v", o.Path, n, err)
			}
		}
		if before != "" {
			if old, err := api.Get(t.Context(), before); err != nil || old.State != client.StateCompleted {
				t.Errorf("the job of before is %s, %v", old.State, err)
			}
		}
		before = j.ID
		checkOps(t, a.OpsURL())
		api.Close()
		if err := stop(); err != nil {
			t.Errorf("Run and Close = %v", err)
		}
	}
}

// checkOps fails t unless the process is ready and counts a job and an attempt.
func checkOps(t *testing.T, url string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	for path, want := range map[string][]string{
		"/readyz":  {`"ready"`, `"storage"`, `"database"`},
		"/metrics": {`reelmill_attempts_total{code="",kind="thumbnail",outcome="succeeded"} 1`, "reelmill_build_info"},
	} {
		res, err := c.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v", path, res.Status, err)
		}
		for _, text := range want {
			if !strings.Contains(string(b), text) {
				t.Errorf("%s lacks %s", path, text)
			}
		}
	}
}

func TestOpenFailsWithoutLeavingAnything(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	d := data(t)
	for name, tt := range map[string]struct {
		cfg app.Config
		is  func(error) bool
	}{
		"API address taken":     {app.Config{Addr: taken}, func(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }},
		"storage address taken": {app.Config{S3Addr: taken}, func(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }},
		"probe address taken":   {app.Config{OpsAddr: taken}, func(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }},
		"open to all":           {app.Config{Addr: "0.0.0.0:0"}, misconfigured},
		"keys that are none":    {app.Config{APIKeysFile: "/dev/null/keys"}, misconfigured},
		"public URL of nothing": {app.Config{S3PublicURL: "nothing"}, misconfigured},
	} {
		t.Run(name, func(t *testing.T) {
			tt.cfg.Data, tt.cfg.Log = d, slog.New(slog.DiscardHandler)
			if _, err := app.Open(t.Context(), tt.cfg); err == nil || !tt.is(err) {
				t.Errorf("Open = %v", err)
			}
			goleak.VerifyNone(t, ofStorage()...)
		})
	}
	t.Run("no ffmpeg", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if _, err := app.Open(t.Context(), app.Config{Data: d, Log: slog.New(slog.DiscardHandler)}); fault.CodeOf(err) != fault.CodeFFmpegMissing {
			t.Errorf("Open = %v, want ffmpeg_missing", err)
		}
	})
	_, stop := run(t, app.Config{Data: d}) // the failures left nothing behind
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func misconfigured(err error) bool {
	s, ok := errors.AsType[interface {
		error
		ExitStatus() int
	}](err)
	return ok && s.ExitStatus() == lifecycle.StatusMisconfigured
}
