package rest_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
)

func (s *server) readOutputs(path, id string) {
	s.t.Helper()
	read := s.keys[access.Read]
	listed := s.conforms(s.wants(s.do(read, "GET", path+"/outputs", nil), http.StatusOK), "list-outputs")
	outputs, _ := listed["outputs"].([]any)
	if len(outputs) != 2 {
		s.t.Fatalf("outputs are %v", listed)
	}
	poster, _ := outputs[0].(map[string]any)
	if poster["path"] != "thumbnails/poster.jpg" || poster["at_seconds"] != 1.5 {
		s.t.Errorf("the first output is %v", poster)
	}
	download, _ := poster["download"].(map[string]any)
	url, _ := download["url"].(string)
	if got := s.fetch(url); got != "jpeg" {
		s.t.Errorf("the download gave %q", got)
	}
	manifest := s.conforms(s.wants(s.do(read, "GET", path+"/manifest", nil), http.StatusOK), "get-manifest")
	if manifest["job_id"] != id || manifest["schema"] != 1.0 {
		s.t.Errorf("the manifest is %v", manifest)
	}
	s.readFiles(path)
}

func (s *server) readFiles(path string) {
	s.t.Helper()
	read := s.keys[access.Read]
	redirect := s.wants(s.do(read, "GET", path+"/files/thumbnails/poster.jpg", nil), http.StatusFound)
	if redirect.Header.Get("Cache-Control") != "no-store" || s.fetch(redirect.Header.Get("Location")) != "jpeg" {
		s.t.Errorf("the redirect leads to %q with %q", redirect.Header.Get("Location"), redirect.Header.Get("Cache-Control"))
	}
	vtt := path + "/files/thumbnails/storyboard.vtt"
	inline := s.wants(s.do(read, "GET", vtt, nil), http.StatusOK)
	if string(inline.body) != jobstest.VTT || inline.Header.Get("Content-Type") != "text/vtt; charset=utf-8" || inline.Header.Get("X-Content-Type-Options") != "nosniff" {
		s.t.Errorf("the cues are %q, %v", inline.body, inline.Header)
	}
	s.wants(s.do(read, "GET", vtt, nil, "If-None-Match", inline.Header.Get("ETag")), http.StatusNotModified)
	part := s.wants(s.do(read, "GET", vtt, nil, "Range", "bytes=0-5"), http.StatusPartialContent)
	if string(part.body) != "WEBVTT" {
		s.t.Errorf("the range is %q", part.body)
	}
	s.wants(s.do(read, "HEAD", vtt, nil), http.StatusOK)
	for _, escaped := range []string{"thumbnails%2Fposter.jpg", "thumbnails/poster%2Ejpg", "%74humbnails%2fposter%2Ejpg"} {
		a := s.wants(s.do(read, "GET", path+"/files/"+escaped, nil), http.StatusFound)
		if s.fetch(a.Header.Get("Location")) != "jpeg" {
			s.t.Errorf("%s leads to %q", escaped, a.Header.Get("Location"))
		}
	}
	for _, wrong := range []string{"", "poster.jpg", "thumbnails/none.jpg", "thumbnails/../thumbnails/poster.jpg", "thumbnails/poster.jpg/", "%00", "..%2f..%2fsource",
		"thumbnails/%2e%2e/thumbnails/poster.jpg", "thumbnails%252Fposter.jpg", "thumbnails/poster%252Ejpg", "thumbnails%2F%252E%2Fposter.jpg", "thumbnails%2fposter.jpg%00"} {
		refused(s.t, s.do(read, "GET", path+"/files/"+wrong, nil), http.StatusNotFound, fault.CodeFileNotFound)
	}
}

func (s *server) fetch(url string) string {
	s.t.Helper()
	return string(s.get(url).body)
}

// get makes a request that was signed.
func (s *server) get(url string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{Response: resp, body: b}
}

func TestNothingIsPublishedBeforeTheJobIsCompleted(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	j := s.Uploaded(tenant)
	s.Claim(j)
	s.Advance(j.ID)
	body := s.wants(s.do(s.keys[access.Read], "GET", "/v1/jobs/"+j.ID+"/outputs", nil), http.StatusOK).json(t)
	if outputs, ok := body["outputs"].([]any); !ok || len(outputs) != 0 {
		t.Errorf("outputs of a running job are %v", body)
	}
}

func TestHeadTellsOfAFileWhatGetWouldAnswerInTheEnd(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	j := s.Finish(s.Uploaded(tenant))
	read, poster := s.keys[access.Read], "/v1/jobs/"+j.ID+"/files/thumbnails/poster.jpg"
	head := func(headers ...string) answer { return s.do(read, "HEAD", poster, nil, headers...) }

	got := s.wants(head(), http.StatusOK)
	want := s.get(s.wants(s.do(read, "GET", poster, nil), http.StatusFound).Header.Get("Location"))
	for _, name := range []string{"Content-Type", "Content-Length", "Etag", "Accept-Ranges"} {
		if got.Header.Get(name) != want.Header.Get(name) || got.Header.Get(name) == "" {
			t.Errorf("%s is %q, of the object it is %q", name, got.Header.Get(name), want.Header.Get(name))
		}
	}
	if len(got.body) > 0 || got.Header.Get("Location") != "" || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("HEAD is answered %q with %v", got.body, got.Header)
	}
	s.wants(head("If-None-Match", got.Header.Get("Etag")), http.StatusNotModified)
	if part := s.wants(head("Range", "bytes=1-2"), http.StatusPartialContent); part.Header.Get("Content-Range") != "bytes 1-2/4" || len(part.body) > 0 {
		t.Errorf("the range is answered with %v", part.Header)
	}
	if a := s.wants(s.do(s.stranger[access.Read], "HEAD", poster, nil), http.StatusNotFound); a.Header.Get("Etag") != "" {
		t.Errorf("a stranger is told %v", a.Header)
	}
	for _, key := range s.Keys(j.OutputPrefix()) {
		if err := s.Blobs.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	s.wants(head(), http.StatusNotFound)
}
