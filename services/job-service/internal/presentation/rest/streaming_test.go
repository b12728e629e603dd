package rest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/task"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
)

// streamed is the request for a job that makes an HLS stream with two subtitle files.
func streamed() map[string]any {
	return map[string]any{
		"source": map[string]any{"type": "upload", "subtitles": []any{
			map[string]any{"language": "de-AT", "label": "Deutsch", "file_name": "de.srt", "size_bytes": 3}, map[string]any{}}},
		"pipeline": map[string]any{"steps": []any{map[string]any{"name": "video", "kind": "transcode", "params": map[string]any{"formats": []any{"hls"}}}}},
	}
}

// succeed lets a worker record the result of a task whose outputs are stored.
func (s *server) succeed(id, step string, r contract.TaskResult) {
	s.t.Helper()
	j := s.Load(id)
	for i := range r.Outputs {
		o := &r.Outputs[i]
		o.Key, o.SHA256, o.SizeBytes = j.OutputPrefix()+"1-1/"+o.Path, strings.Repeat("ab", 32), int64(len(o.Path))
		s.PutObject(s.t, o.Key, o.Path)
	}
	result, err := json.Marshal(r)
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = s.Tasks.Update(s.t.Context(), task.ID(id, step, 0), func(t *task.Task) error {
		if err := t.Claim("worker/1", t.Attempt, time.Now(), time.Minute); err != nil {
			return err
		}
		return t.Succeed(t.Fence, result, time.Now())
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Advance(id)
}

func TestAStreamFromItsUploadToItsEnd(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	write, read := s.keys[access.Write], s.keys[access.Read]
	body := s.conforms(s.wants(s.do(write, "POST", "/v1/jobs", streamed()), http.StatusCreated), "create-job")
	id, _ := body["id"].(string)
	path := "/v1/jobs/" + id
	upload, _ := body["upload"].(map[string]any)
	files, _ := upload["subtitles"].([]any)
	if len(files) != 2 {
		t.Fatalf("the upload is %v", upload)
	}
	s.upload(body, "a film")
	missing := refused(t, s.do(write, "POST", path+"/upload/complete", nil), http.StatusConflict, fault.CodeUploadMissing)
	if !strings.Contains(missing.Detail, "source.subtitles[0]") {
		t.Errorf("the detail is %q", missing.Detail)
	}
	for _, f := range files {
		s.upload(map[string]any{"upload": f}, "srt")
	}
	queued := s.conforms(s.wants(s.do(write, "POST", path+"/upload/complete", nil), http.StatusOK), "complete-upload")
	source, _ := queued["source"].(map[string]any)
	shown, _ := source["subtitles"].([]any)
	if len(shown) != 2 {
		t.Fatalf("the source is %v", source)
	}
	if first, _ := shown[0].(map[string]any); first["language"] != "de-AT" || first["label"] != "Deutsch" || first["file_name"] != "de.srt" || first["size_bytes"] != 3.0 {
		t.Errorf("the first subtitle file is %v", first)
	}
	s.Advance(id)

	master := path + "/files/video/master.m3u8"
	if early := refused(t, s.do(read, "GET", master, nil), http.StatusNotFound, fault.CodeFileNotFound); !strings.Contains(early.Detail, "inspected") {
		t.Errorf("the detail is %q", early.Detail)
	}
	s.succeed(id, "video-plan", contract.TaskResult{Plan: &contract.TranscodePlan{Video: &contract.VideoPlan{Rungs: []contract.Rung{{Name: "360p", Codecs: "avc1.64001e"}},
		Chunks: []contract.Chunk{{Cuts: []contract.Seconds{0}, End: contract.Seconds(time.Second)}, {Cuts: []contract.Seconds{contract.Seconds(time.Second)}, End: contract.Seconds(2 * time.Second)}}}}})
	s.succeed(id, "video-chunks", contract.TaskResult{Outputs: []contract.Output{{Path: "video/360p/init.mp4", Kind: contract.OutputInit, MediaType: contract.MediaTypeMP4},
		{Path: "video/360p/c000/00001.m4s", Kind: contract.OutputSegment, MediaType: contract.MediaTypeSegment, Segment: &contract.Segment{Rendition: "360p", Number: 1, Duration: contract.Seconds(time.Second)}}}})
	s.watchEarly(path)
	s.showsTasks(path)
}

// watchEarly looks at the stream while it is encoded.
func (s *server) watchEarly(path string) {
	s.t.Helper()
	read := s.keys[access.Read]
	for _, name := range []string{"master.m3u8", "360p/index.m3u8"} {
		a := s.wants(s.do(read, "GET", path+"/files/video/"+name, nil), http.StatusOK)
		h := a.Header
		if !strings.HasPrefix(string(a.body), "#EXTM3U\n") || h.Get("Content-Type") != contract.MediaTypeHLS || h.Get("Cache-Control") != "no-store" ||
			h.Get("Reelmill-Provisional") != "true" || h.Get("ETag") != "" {
			s.t.Errorf("%s is %q with %v", name, a.body, h)
		}
		s.wants(s.do(read, "HEAD", path+"/files/video/"+name, nil), http.StatusOK)
	}
	segment := s.wants(s.do(read, "GET", path+"/files/video/360p/c000/00001.m4s", nil), http.StatusFound)
	if segment.Header.Get("Reelmill-Provisional") != "true" || segment.Header.Get("Cache-Control") != "no-store" || s.fetch(segment.Header.Get("Location")) != "video/360p/c000/00001.m4s" {
		s.t.Errorf("the segment is answered with %v", segment.Header)
	}
	refused(s.t, s.do(read, "GET", path+"/files/video/360p/c001/00002.m4s", nil), http.StatusNotFound, fault.CodeFileNotFound)
	refused(s.t, s.do(s.stranger[access.Read], "GET", path+"/files/video/master.m3u8", nil), http.StatusNotFound, fault.CodeJobNotFound)
}

// showsTasks looks at the job with one of its two chunks encoded.
func (s *server) showsTasks(path string) {
	s.t.Helper()
	body := s.conforms(s.wants(s.do(s.keys[access.Read], "GET", path, nil), http.StatusOK), "get-job")
	steps, _ := body["steps"].([]any)
	got := map[any][2]any{}
	for _, step := range steps {
		m, _ := step.(map[string]any)
		got[m["name"]] = [2]any{m["tasks_done"], m["tasks_total"]}
	}
	want := map[any][2]any{"video-plan": {1.0, 1.0}, "video-tracks": {0.0, 0.0}, "video-chunks": {1.0, 2.0}, "video-package": {0.0, 0.0}, "video-verify": {0.0, 0.0}}
	for name := range want {
		if got[name] != want[name] {
			s.t.Errorf("step %s has %v tasks, want %v", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		s.t.Errorf("steps are %v", got)
	}
}

func TestPartsOfStreamsAreListedWhenAskedFor(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	body := newJob()
	body["pipeline"] = streamed()["pipeline"]
	created := s.wants(s.do(s.keys[access.Write], "POST", "/v1/jobs", body), http.StatusCreated).json(t)
	id, _ := created["id"].(string)
	path := "/v1/jobs/" + id
	s.upload(created, "a film")
	s.wants(s.do(s.keys[access.Write], "POST", path+"/upload/complete", nil), http.StatusOK)
	s.Advance(id)
	s.succeed(id, "video-plan", contract.TaskResult{Plan: &contract.TranscodePlan{Video: &contract.VideoPlan{Chunks: []contract.Chunk{{}}}}})
	s.succeed(id, "video-chunks", contract.TaskResult{Outputs: []contract.Output{{Path: "video/360p/c000/00001.m4s", Kind: contract.OutputSegment, MediaType: contract.MediaTypeSegment}}})
	s.succeed(id, "video-package", contract.TaskResult{Outputs: []contract.Output{{Path: "video/master.m3u8", Kind: contract.OutputMultivariant, MediaType: contract.MediaTypeHLS}}})
	s.succeed(id, "video-verify", contract.TaskResult{})
	for query, want := range map[string]int{"": 1, "?segments=false": 1, "?segments=true": 2} {
		listed := s.conforms(s.wants(s.do(s.keys[access.Read], "GET", path+"/outputs"+query, nil), http.StatusOK), "list-outputs")
		if outputs, _ := listed["outputs"].([]any); len(outputs) != want {
			t.Errorf("%q lists %v, want %d", query, listed, want)
		}
	}
	p := refused(t, s.do(s.keys[access.Read], "GET", path+"/outputs?segments=perhaps", nil), http.StatusUnprocessableEntity, fault.CodeRequestInvalid)
	if len(p.fields()) != 1 || p.fields()[0] != "query.segments" {
		t.Errorf("fields are %q", p.fields())
	}
	a := s.wants(s.do(s.keys[access.Read], "GET", path+"/files/video/master.m3u8", nil), http.StatusOK)
	if a.Header.Get("Reelmill-Provisional") != "" || a.Header.Get("ETag") == "" || a.Header.Get("Content-Type") != contract.MediaTypeHLS || string(a.body) != "video/master.m3u8" {
		t.Errorf("the published playlist is %q with %v", a.body, a.Header)
	}
}
