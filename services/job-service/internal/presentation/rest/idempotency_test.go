package rest_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
)

// unsigned returns the body of an answer without what the signature of its upload changes.
func unsigned(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if up, ok := v["upload"].(map[string]any); ok {
		url, _ := up["url"].(string)
		up["url"], _, _ = strings.Cut(url, "?")
		delete(up, "expires_at")
	}
	return v
}

func TestFiftyConcurrentRequestsWithOneKeyMakeOneJob(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	request := newJob()
	request["metadata"] = map[string]any{"a": "1", "b": "2"}
	const n = 50
	answers := make([]answer, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			answers[i] = s.do(s.keys[access.Write], "POST", "/v1/jobs", request, "Idempotency-Key", "upload-7")
		})
	}
	close(start)
	wg.Wait()
	want := unsigned(t, answers[0].body)
	for _, a := range answers {
		if a.StatusCode != http.StatusCreated || a.Header.Get("Location") != answers[0].Header.Get("Location") {
			t.Fatalf("answered %d %s", a.StatusCode, a.body)
		}
		if got := unsigned(t, a.body); !reflect.DeepEqual(got, want) {
			t.Errorf("answered\n%v\nwant\n%v", got, want)
		}
	}
	if ids := s.list(""); len(ids) != 1 {
		t.Errorf("%d jobs were made: %v", len(ids), ids)
	}
}

func TestAKeyBelongsToItsRequestAndItsTenant(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	write := s.keys[access.Write]
	post := func(token string, body any) answer {
		return s.do(token, "POST", "/v1/jobs", body, "Idempotency-Key", "k")
	}
	first := s.wants(post(write, newJob()), http.StatusCreated).json(t)
	spaced := `{ "pipeline" : "thumbnail", "source": {"type":"upload"} }`
	if again := s.wants(post(write, spaced), http.StatusCreated).json(t); again["id"] != first["id"] {
		t.Error("the same request in another spelling made another job")
	}
	for name, value := range map[string]any{"media_id": "x", "priority": "high", "metadata": map[string]any{"a": "b"}, "deadline_seconds": 60} {
		other := newJob()
		other[name] = value
		refused(t, post(write, other), http.StatusUnprocessableEntity, fault.CodeIdempotencyConflict)
	}
	if foreign := s.wants(post(s.stranger[access.Write], newJob()), http.StatusCreated).json(t); foreign["id"] == first["id"] {
		t.Error("another tenant's key led to the same job")
	}
	if free := s.wants(s.do(write, "POST", "/v1/jobs", newJob()), http.StatusCreated).json(t); free["id"] == first["id"] {
		t.Error("a request without a key led to the same job")
	}
}

func TestARepeatedRequestIsAnsweredAlsoWhenTheJobWentOn(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	post := func() map[string]any {
		return s.wants(s.do(s.keys[access.Write], "POST", "/v1/jobs", newJob(), "Idempotency-Key", "k"), http.StatusCreated).json(t)
	}
	body := post()
	id, _ := body["id"].(string)
	s.upload(body, "a film")
	s.wants(s.do(s.keys[access.Write], "POST", "/v1/jobs/"+id+"/upload/complete", nil), http.StatusOK)
	if again := post(); again["id"] != id || again["state"] != "queued" || again["upload"] != nil {
		t.Errorf("the repeated request was answered %v", again)
	}
}

func TestRetriesWithOneKeyMakeOneJob(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	j := s.Fail(s.Uploaded(tenant), fault.CodeSourceCorrupt)
	retry := func(key string) answer {
		return s.do(s.keys[access.Write], "POST", "/v1/jobs/"+j.ID+"/retry", nil, "Idempotency-Key", key)
	}
	first := s.wants(retry("r"), http.StatusCreated).json(t)
	if again := s.wants(retry("r"), http.StatusCreated).json(t); again["id"] != first["id"] {
		t.Errorf("the same retry made %v and %v", first["id"], again["id"])
	}
	if other := s.wants(retry("s"), http.StatusCreated).json(t); other["id"] == first["id"] {
		t.Error("another key led to the same job")
	}
	s.wants(s.do(s.keys[access.Write], "POST", "/v1/jobs", newJob(), "Idempotency-Key", "c"), http.StatusCreated)
	refused(t, retry("c"), http.StatusUnprocessableEntity, fault.CodeIdempotencyConflict)
}
