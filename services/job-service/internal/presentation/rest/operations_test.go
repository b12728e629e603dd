package rest_test

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/ident"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
)

// conforms checks an answer's body against the schema that the documentation has for it.
func (s *server) conforms(a answer, operation string) map[string]any {
	s.t.Helper()
	for _, item := range s.api.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Delete} {
			if op == nil || op.OperationID != operation {
				continue
			}
			r := op.Responses[strings.TrimSpace(strings.SplitN(a.Status, " ", 2)[0])]
			if r == nil {
				s.t.Fatalf("%s: status %s is not documented", operation, a.Status)
			}
			media := r.Content[a.Header.Get("Content-Type")]
			if media == nil {
				s.t.Fatalf("%s: content type %q of %s is not documented", operation, a.Header.Get("Content-Type"), a.Status)
			}
			body := a.json(s.t)
			res := &huma.ValidateResult{}
			huma.Validate(s.api.OpenAPI().Components.Schemas, media.Schema, huma.NewPathBuffer([]byte{}, 0), huma.ModeReadFromServer, body, res)
			for _, err := range res.Errors {
				s.t.Errorf("%s: the answer is not as documented: %v\n%s", operation, err, a.body)
			}
			return body
		}
	}
	s.t.Fatalf("there is no operation %s", operation)
	return nil
}

func TestAJobFromItsCreationToItsDeletion(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	write, read := s.keys[access.Write], s.keys[access.Read]
	request := newJob()
	request["source"] = map[string]any{"type": "upload", "file_name": "Ferien.mp4", "content_type": "video/mp4", "size_bytes": 6}
	request["media_id"], request["metadata"], request["priority"], request["deadline_seconds"] = "film-42", map[string]any{"album": "x"}, "high", 600

	created := s.wants(s.do(write, "POST", "/v1/jobs", request), http.StatusCreated)
	body := s.conforms(created, "create-job")
	id, _ := body["id"].(string)
	path := "/v1/jobs/" + id
	if created.Header.Get("Location") != path || body["state"] != "awaiting_upload" || body["media_id"] != "film-42" || body["priority"] != "high" || body["pipeline"] != "thumbnail" {
		t.Errorf("created %s at %q", created.body, created.Header.Get("Location"))
	}
	missing := refused(t, s.do(write, "POST", path+"/upload/complete", nil), http.StatusConflict, fault.CodeUploadMissing)
	if missing.Retryable {
		t.Error("a missing upload is said to mend itself")
	}
	s.upload(body, "a film")
	completed := s.conforms(s.wants(s.do(write, "POST", path+"/upload/complete", nil), http.StatusOK), "complete-upload")
	if completed["state"] != "queued" {
		t.Errorf("after the upload the job is %v", completed["state"])
	}
	refused(t, s.do(read, "GET", path+"/manifest", nil), http.StatusNotFound, fault.CodeFileNotFound)
	refused(t, s.do(write, "DELETE", path, nil), http.StatusConflict, fault.CodeNotTerminal)
	refused(t, s.do(write, "POST", path+"/retry", nil), http.StatusConflict, fault.CodeNotTerminal)

	s.Advance(id)
	if got := s.Finish(s.Load(id)); got.State != job.Completed {
		t.Fatalf("the job is %s: %+v", got.State, got.Error)
	}
	got := s.conforms(s.wants(s.do(read, "GET", path, nil), http.StatusOK), "get-job")
	if got["state"] != "completed" || got["progress"] != 100.0 || got["finished_at"] == nil {
		t.Errorf("the completed job is %v", got)
	}
	s.readOutputs(path, id)
	refused(t, s.do(write, "POST", path+"/cancel", nil), http.StatusConflict, fault.CodeAlreadyCompleted)
	refused(t, s.do(write, "POST", path+"/retry", nil), http.StatusConflict, fault.CodeAlreadyCompleted)

	receipt := s.conforms(s.wants(s.do(write, "DELETE", path, nil), http.StatusOK), "delete-job")
	if keys, _ := receipt["keys"].([]any); len(keys) != 4 || receipt["job_id"] != id { // source, two outputs, manifest
		t.Errorf("the receipt is %v", receipt)
	}
	if left := s.Keys(job.Prefix(tenant, id)); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	for _, p := range []string{path, path + "/outputs", path + "/manifest"} {
		refused(t, s.do(read, "GET", p, nil), http.StatusNotFound, fault.CodeJobNotFound)
	}
	refused(t, s.do(write, "DELETE", path, nil), http.StatusNotFound, fault.CodeJobNotFound)
}

// What browsers call a recording or a file has parameters, in more than one way of writing them.
func TestAnUploadIsBoundToTheWholeContentType(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	for _, contentType := range []string{"video/webm;codecs=vp8,opus", `video/webm; codecs="vp8, opus"`, "video/mp4;codecs=avc1.64001F,mp4a.40.2", `video/x-matroska;codecs=avc1;x=""`, "text/plain; charset=utf-8"} {
		request := newJob()
		request["source"] = map[string]any{"type": "upload", "content_type": contentType, "size_bytes": 6}
		body := s.conforms(s.wants(s.do(s.keys[access.Write], "POST", "/v1/jobs", request), http.StatusCreated), "create-job")
		up, _ := body["upload"].(map[string]any)
		if headers, _ := up["headers"].(map[string]any); headers["Content-Type"] != contentType {
			t.Errorf("the upload of %q is bound to %v", contentType, headers)
		}
		s.upload(body, "a film")
	}
}

// upload makes the presigned request of a job's body.
func (s *server) upload(body map[string]any, content string) {
	s.t.Helper()
	up, _ := body["upload"].(map[string]any)
	method, _ := up["method"].(string)
	url, _ := up["url"].(string)
	r, err := http.NewRequestWithContext(s.t.Context(), method, url, strings.NewReader(content))
	if err != nil {
		s.t.Fatal(err)
	}
	headers, _ := up["headers"].(map[string]any)
	for k, v := range headers {
		text, _ := v.(string)
		r.Header.Set(k, text)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("the upload was answered %s", resp.Status)
	}
}

func TestCancelAndRetry(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	write, read := s.keys[access.Write], s.keys[access.Read]
	j := s.Uploaded(tenant)
	path := "/v1/jobs/" + j.ID
	for range 2 { // it may be repeated
		if got := s.conforms(s.wants(s.do(write, "POST", path+"/cancel", nil), http.StatusAccepted), "cancel-job"); got["state"] != "compensating" {
			t.Errorf("the job is %v", got["state"])
		}
	}
	s.Advance(j.ID)
	got := s.conforms(s.wants(s.do(read, "GET", path, nil), http.StatusOK), "get-job")
	failure, _ := got["error"].(map[string]any)
	if got["state"] != "cancelled" || failure["code"] != "cancelled" || got["progress"] == 100.0 {
		t.Errorf("the cancelled job is %v", got)
	}
	again := s.wants(s.do(write, "POST", path+"/retry", nil), http.StatusCreated)
	body := s.conforms(again, "retry-job")
	next, _ := body["id"].(string)
	if next == j.ID || body["retry_of"] != j.ID || body["state"] != "queued" || body["upload"] != nil || again.Header.Get("Location") != "/v1/jobs/"+next {
		t.Errorf("the retry is %v", body)
	}
	s.Advance(next)
	if done := s.Finish(s.Load(next)); done.State != job.Completed {
		t.Errorf("the retried job is %s", done.State)
	}
	s.wants(s.do(write, "DELETE", path, nil), http.StatusOK) // with it goes the source
	failed := s.Fail(s.Uploaded(tenant), fault.CodeSourceCorrupt)
	refused(t, s.do(write, "POST", "/v1/jobs/"+failed.ID+"/cancel", nil), http.StatusConflict, fault.CodeAlreadyTerminal)
	if err := s.Blobs.Delete(t.Context(), failed.Source.Key); err != nil {
		t.Fatal(err)
	}
	refused(t, s.do(write, "POST", "/v1/jobs/"+failed.ID+"/retry", nil), http.StatusConflict, fault.CodeSourceGone)
}

func TestAFailedJobShowsItsReasonAndItsAttempts(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	j := s.Fail(s.Uploaded(tenant), fault.CodeSourceTruncated)
	a := s.wants(s.do(s.keys[access.Read], "GET", "/v1/jobs/"+j.ID, nil), http.StatusOK)
	s.conforms(a, "get-job")
	var got struct {
		State string
		Error fault.Record
		Steps []struct {
			Name, State string
			Tasks       []struct {
				State    string
				Attempts []struct{ Worker, Outcome string }
			}
		}
	}
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatal(err)
	}
	if got.State != "failed" || got.Error.Code != fault.CodeSourceTruncated || got.Error.Class != "invalid" || got.Error.Detail == "" {
		t.Errorf("the job is %+v", got)
	}
	if len(got.Steps) != 1 || got.Steps[0].State != "failed" || len(got.Steps[0].Tasks) != 1 || got.Steps[0].Tasks[0].Attempts[0].Outcome != "failed" {
		t.Errorf("steps are %+v", got.Steps)
	}
	refused(t, s.do(s.keys[access.Read], "GET", "/v1/jobs/"+j.ID+"/files/thumbnails/poster.jpg", nil), http.StatusNotFound, fault.CodeFileNotFound)
}

func TestAnUploadOfAnotherLengthIsRefusedAndMayBeRepeated(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	request := newJob()
	request["source"] = map[string]any{"type": "upload", "size_bytes": 6}
	body := s.wants(s.do(s.keys[access.Write], "POST", "/v1/jobs", request), http.StatusCreated).json(t)
	id, _ := body["id"].(string)
	j := s.Load(id)
	s.PutObject(t, j.Source.Key, "short")
	path := "/v1/jobs/" + id + "/upload/complete"
	refused(t, s.do(s.keys[access.Write], "POST", path, nil), http.StatusUnprocessableEntity, fault.CodeSourceTruncated)
	s.upload(body, "a film")
	for range 2 { // saying it again is no error
		s.wants(s.do(s.keys[access.Write], "POST", path, nil), http.StatusOK)
	}
	s.PutObject(t, j.Source.Key, "a movi")
	refused(t, s.do(s.keys[access.Write], "POST", path, nil), http.StatusConflict, fault.CodeUploadNotExpected)
}

func TestPriorityAndPipelineComeBack(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	for _, priority := range []string{"low", "normal", "high", ""} {
		request := newJob()
		if priority != "" {
			request["priority"] = priority
		}
		body := s.wants(s.do(s.keys[access.Write], "POST", "/v1/jobs", request), http.StatusCreated).json(t)
		if want := cmp.Or(priority, "normal"); body["priority"] != want {
			t.Errorf("priority %q came back as %v", priority, body["priority"])
		}
	}
	request := newJob()
	request["pipeline"] = map[string]any{"steps": []any{
		map[string]any{"name": "second", "kind": "thumbnail", "needs": []any{"first"}, "optional": true, "params": map[string]any{"storyboard": map[string]any{}}},
		map[string]any{"name": "first", "kind": "thumbnail", "params": map[string]any{"posters": []any{map[string]any{"at": 12.5}}}},
	}}
	body := s.conforms(s.wants(s.do(s.keys[access.Write], "POST", "/v1/jobs", request), http.StatusCreated), "create-job")
	var names []any
	steps, _ := body["steps"].([]any)
	for _, step := range steps {
		m, _ := step.(map[string]any)
		names = append(names, m["name"])
	}
	if !slices.Equal(names, []any{"first", "second"}) || body["pipeline"] != "inline" {
		t.Errorf("the job has steps %v of pipeline %v", names, body["pipeline"])
	}
}

func TestIdentifiersOfNoJobAreNotFound(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	for _, id := range []string{"x", ident.New(), ident.Derive("x"), "%00", "%ff%fe", strings.Repeat("a", 2000), "..%2f..", "0199a3a0-6f4e-7d30-9d0c-3b6f6f6c6a1G"} {
		refused(t, s.do(s.keys[access.Read], "GET", "/v1/jobs/"+id, nil), http.StatusNotFound, fault.CodeJobNotFound)
		refused(t, s.do(s.keys[access.Read], "GET", "/v1/jobs/"+id+"/files/x", nil), http.StatusNotFound, fault.CodeJobNotFound)
		refused(t, s.do(s.keys[access.Write], "DELETE", "/v1/jobs/"+id, nil), http.StatusNotFound, fault.CodeJobNotFound)
	}
}
