package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/testenv"
	"github.com/reelmill/reelmill/pkg/ffmpeg/ffmpegtest"
)

const (
	// loops is how often the film is shown for a minute and a half, which is made in more than one chunk also
	// by a single worker.
	loops = 3
	// half is how many segments are there when the film is opened, each of so many seconds. Players begin three
	// segments before the end of a playlist that grows unless it says otherwise.
	half, segment = 10, 4
	// rung is the height of the only one.
	rung = 240
)

// TestAFilmPlaysWhileItIsMade opens the film once about half of it has been checked. The player begins at the beginning,
// follows the growing playlist and plays to the end of the whole film, which is complete by then.
func TestAFilmPlaysWhileItIsMade(t *testing.T) {
	browser := start(t)
	clip := ffmpegtest.Loop(t, ffmpegtest.BigBuckBunny(t), loops)
	f := &film{pictures: pictures(t, clip), times: times(t, clip)}
	mux := pages(t)
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	f.page = site.URL
	f.api = serve(t, filepath.Join(t.TempDir(), "data"), site.URL, "--slots", "1") // one chunk after the other
	mux.Handle("/proxy/", http.StripPrefix("/proxy", proxy(t, f.api)))
	f.job = submit(t, f.api, clip, fmt.Sprintf(`{"steps": [{"name": "video", "kind": "transcode", "params": {"formats": ["hls"], "video": {"heights": [%d]}}}]}`, rung))

	src := f.files(f.page+"/proxy", "video/master.m3u8")
	testenv.Eventually(t, patience, func() error { return provisional(t, f.files(f.api, fmt.Sprintf("video/%dp/index.m3u8", rung))) })
	s := play(t, browser, f.page+"/player.html?"+url.Values{"player": {"hls"}, "src": {src}, "hurry": {"3"}}.Encode())
	if s.Error != "" || !s.Ended {
		t.Fatalf("ended: %v, the player says: %s", s.Ended, s.Error)
	}
	want := f.times[len(f.times)-1] + frame
	if math.Abs(s.Duration-want) > 0.2 || math.Abs(s.Time-want) > 0.2 {
		t.Errorf("the film ended at %.3f s of %.3f s, want %.3f s", s.Time, s.Duration, want)
	}
	if s.First < half*segment || s.First > want-segment {
		t.Errorf("the film was %.3f s long when it began to play, want about half of %.3f s", s.First, want)
	}
	if len(s.Samples) < 50 || s.Samples[0].At > 0.5 || !slices.Equal(s.Heights, []int{rung}) {
		t.Errorf("%d pictures of heights %v were looked at", len(s.Samples), s.Heights)
	}
	for _, p := range s.Samples {
		if d := f.distance(p.At, p.Grey); d > 8 {
			t.Errorf("the picture at %.3f s is %.1f grey levels off the source's", p.At, d)
		}
	}
	if state := jobState(t, f.api, f.job); state != "completed" {
		t.Errorf("the job is %s", state)
	}
	t.Logf("%.3f s of %.3f s were there when it began to play, %d frames, %d of them looked at", s.First, s.Duration, s.Frames, len(s.Samples))
}

// provisional returns nil if the playlist at src is served while the job is running, and has half of the film.
func provisional(t *testing.T, src string) error {
	resp, err := http.Get(src)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK && resp.Header.Get("Reelmill-Provisional") == "":
		t.Fatal("the job completed before its film could be opened")
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("the playlist: %s", resp.Status)
	}
	text, err := io.ReadAll(resp.Body)
	if n := bytes.Count(text, []byte("#EXTINF:")); err == nil && n < half {
		err = fmt.Errorf("the playlist has %d segments", n)
	}
	return err
}

// submit creates a job of the pipeline, uploads the file, and returns the job's id.
func submit(t *testing.T, api, file, pipeline string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var job struct {
		ID     string
		Upload struct {
			URL     string
			Headers map[string]string
		}
	}
	body := fmt.Sprintf(`{"source": {"type": "upload", "file_name": "clip.mp4", "content_type": "video/mp4", "size_bytes": %d}, "pipeline": %s}`, len(content), pipeline)
	call(t, http.MethodPost, api+"/v1/jobs", []byte(body), map[string]string{"Content-Type": "application/json"}, &job)
	call(t, http.MethodPut, job.Upload.URL, content, job.Upload.Headers, nil)
	call(t, http.MethodPost, api+"/v1/jobs/"+job.ID+"/upload/complete", nil, nil, nil)
	return job.ID
}

func jobState(t *testing.T, api, id string) string {
	t.Helper()
	var job struct{ State string }
	call(t, http.MethodGet, api+"/v1/jobs/"+id, nil, nil, &job)
	return job.State
}

// call makes a request, which must succeed, and decodes the answer into answer unless that is nil.
func call(t *testing.T, method, target string, body []byte, headers map[string]string, answer any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s, %v: %s", method, target, resp.Status, err, text)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			t.Fatalf("%s %s: %v", method, target, err)
		}
	}
}
