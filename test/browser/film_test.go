package browser

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

// The film: the beginning of the real one, cut by copying, which leaves out a few frames at its end.
const (
	filmSeconds = "12"
	// frame is how long one is shown, the sides are of what pictures are compared at (see player.html).
	frame                       = 1.0 / 24
	pictureWidth, pictureHeight = 32, 18
)

// streams is the pipeline: three rungs that are quick to encode, and no file to download.
const streams = `{"steps": [{"name": "video", "kind": "transcode", "params": {"formats": ["hls", "dash"], "video": {"heights": [480, 360, 240]}}}]}`

// film is a film that was processed once, and everything that serves it.
type film struct {
	// page is where the players are, and below /folder/ what `reelmill process` left; /proxy/ leads to api.
	page string
	// api is the REST interface, on another origin than page.
	api string
	job string
	// pictures are all frames of the source in grey, pictureWidth x pictureHeight, times their instants in seconds.
	pictures [][]byte
	times    []float64
}

// processed processes the film and serves it until t ends.
func processed(t *testing.T) *film {
	t.Helper()
	dir := t.TempDir()
	clip, pipeline := filepath.Join(dir, "clip.mp4"), filepath.Join(dir, "streams.json")
	tool(t, "ffmpeg", "-nostdin", "-v", "error", "-i", ffmpegtest.BigBuckBunny(t), "-t", filmSeconds, "-c", "copy", clip)
	if err := os.WriteFile(pipeline, []byte(streams), 0o600); err != nil {
		t.Fatal(err)
	}
	var report struct {
		Job struct{ ID, State string }
	}
	told := tool(t, program, "process", clip, "--pipeline", pipeline, "--data", filepath.Join(dir, "data"), "-o", filepath.Join(dir, "out"), "--json")
	if err := json.Unmarshal(told, &report); err != nil || report.Job.State != "completed" {
		t.Fatalf("the film was not made: %v\n%s", err, told)
	}
	f := &film{job: report.Job.ID, pictures: pictures(t, clip), times: times(t, clip)}
	if len(f.times) != len(f.pictures) {
		t.Fatalf("the source has %d frames at %d instants", len(f.pictures), len(f.times))
	}
	mux := pages(t)
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	f.page = site.URL
	f.api = serve(t, filepath.Join(dir, "data"), site.URL)
	mux.Handle("/folder/", http.StripPrefix("/folder", http.FileServer(http.Dir(filepath.Join(dir, "out")))))
	mux.Handle("/proxy/", http.StripPrefix("/proxy", proxy(t, f.api)))
	return f
}

// pages serves the page and the players' scripts.
func pages(t *testing.T) *http.ServeMux {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/player.html", http.FileServer(http.Dir("testdata")))
	for path, p := range map[string]player{"/players/hls.js": hlsJS, "/players/dash.js": dashJS} {
		script := p.script(t)
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, path, time.Time{}, bytes.NewReader(script))
		})
	}
	return mux
}

// proxy is what a web back end is to the API: redirects reach the browser as they are.
func proxy(t *testing.T, api string) http.Handler {
	t.Helper()
	target, err := url.Parse(api)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
}

// files is the URL of a file of the job below a base, that of the API or of the proxy.
func (f *film) files(base, path string) string { return base + "/v1/jobs/" + f.job + "/files/" + path }

// pictures returns every frame of a film.
func pictures(t *testing.T, path string) [][]byte {
	t.Helper()
	raw := tool(t, "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-an", "-vf", "scale=32:18:flags=area,format=gray", "-fps_mode", "passthrough", "-f", "rawvideo", "-")
	const size = pictureWidth * pictureHeight
	var all [][]byte
	for ; len(raw) >= size; raw = raw[size:] {
		all = append(all, raw[:size])
	}
	return all
}

// times returns the instants of every frame of a film.
func times(t *testing.T, path string) []float64 {
	t.Helper()
	var told struct {
		Frames []struct {
			At string `json:"pts_time"`
		}
	}
	if err := json.Unmarshal(tool(t, "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts_time", "-of", "json", path), &told); err != nil {
		t.Fatal(err)
	}
	var all []float64
	for _, f := range told.Frames {
		at, err := strconv.ParseFloat(f.At, 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, at)
	}
	return all
}

// tool runs a program to its end and returns what it prints.
func tool(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		missing(t, "%v", err)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, out, stderr.Bytes())
	}
	return out
}

// serve runs `reelmill serve` on a data folder until t ends and returns the URL of its API. Pages of the origin
// may call it. flags are further ones.
func serve(t *testing.T, data, origin string, flags ...string) string {
	t.Helper()
	args := []string{"serve", "--json", "--data", data, "--addr", "127.0.0.1:0", "--s3-addr", "127.0.0.1:0", "--cors-origin", origin, "--drain", "1s"}
	cmd := exec.Command(program, append(args, flags...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	// A pipe of our own: Wait must not close it while it is read.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("stop the server: %v", err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server: %v\n%s", err, stderr.Bytes())
		}
	})
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var told struct {
		API string `json:"api"`
	}
	if err := json.NewDecoder(io.LimitReader(r, 1<<16)).Decode(&told); err != nil {
		t.Fatalf("the server does not tell its address: %v", err)
	}
	return told.API
}
