package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/services/job-service/internal/application/jobs"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
)

// document is what this file reads of OpenAPI.
type document struct {
	OpenAPI string
	Info    struct{ Title, Version string }
	Paths   map[string]map[string]struct {
		OperationID string
		Parameters  []struct {
			Name, In, Style string
			Explode         *bool
			Example         any
			Schema          struct {
				Type     string
				Examples []any
			}
		}
		RequestBody *struct {
			Content map[string]struct {
				Schema   json.RawMessage
				Examples map[string]struct{ Value json.RawMessage }
			}
		}
		Responses map[string]struct {
			Content map[string]json.RawMessage
		}
		Security []map[string][]string
	}
	Components struct {
		Schemas map[string]json.RawMessage
	}
	Security []map[string][]string
}

func (s *server) document() document {
	s.t.Helper()
	a := s.wants(s.do("", "GET", "/openapi.json", nil), http.StatusOK)
	var d document
	if err := json.Unmarshal(a.body, &d); err != nil {
		s.t.Fatal(err)
	}
	return d
}

func TestTheDescriptionIsServed(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	d := s.document()
	if !strings.HasPrefix(d.OpenAPI, "3.1.") || d.Info.Version != "test" || len(d.Security) != 1 {
		t.Errorf("OpenAPI %q of version %q with security %v", d.OpenAPI, d.Info.Version, d.Security)
	}
	yaml := s.wants(s.do("", "GET", "/openapi.yaml", nil), http.StatusOK)
	if !strings.Contains(string(yaml.body), "\nopenapi: 3.1.") || !strings.Contains(string(yaml.body), "/v1/jobs/{id}/files/{path}:") {
		t.Errorf("the YAML is %.300s", yaml.body)
	}
	var got []string
	for path, item := range d.Paths {
		for method, op := range item {
			got = append(got, strings.ToUpper(method)+" "+path)
			if op.OperationID == "" || op.Responses["401"].Content["application/problem+json"] == nil {
				t.Errorf("%s %s has no id or does not describe its errors", method, path)
			}
		}
	}
	slices.Sort(got)
	want := []string{"DELETE /v1/jobs/{id}", "GET /v1/jobs", "GET /v1/jobs/{id}", "GET /v1/jobs/{id}/files/{path}", "GET /v1/jobs/{id}/manifest",
		"GET /v1/jobs/{id}/outputs", "POST /v1/jobs", "POST /v1/jobs/{id}/cancel", "POST /v1/jobs/{id}/retry", "POST /v1/jobs/{id}/upload/complete"}
	if !slices.Equal(got, want) {
		t.Errorf("operations %q, want %q", got, want)
	}
	for _, name := range []string{"NewJob", "Job", "Problem", "Manifest", "Receipt", "SignedRequest", "PipelineStep"} {
		if d.Components.Schemas[name] == nil {
			t.Errorf("there is no schema %s", name)
		}
	}
}

func TestTheDescriptionTellsWhatIsTrueOfTheCode(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	d := s.document()
	var newJobSchema struct {
		Required   []string
		Properties struct {
			Pipeline struct {
				OneOf []struct {
					Type string
					Enum []string
				}
			}
		}
	}
	if err := json.Unmarshal(d.Components.Schemas["NewJob"], &newJobSchema); err != nil {
		t.Fatal(err)
	}
	if forms := newJobSchema.Properties.Pipeline.OneOf; len(forms) != 2 || forms[0].Type != "string" || forms[1].Type != "object" || !slices.Equal(forms[0].Enum, pipeline.Names()) {
		t.Errorf("a pipeline is described as %+v", forms)
	}
	var jobSchema struct {
		Properties struct {
			State struct{ Enum []job.State }
			Steps struct{ Items any }
		}
	}
	if err := json.Unmarshal(d.Components.Schemas["Job"], &jobSchema); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(jobSchema.Properties.State.Enum, job.States()) {
		t.Errorf("the states of a job are described as %v, want %v", jobSchema.Properties.State.Enum, job.States())
	}
	var step struct {
		Properties struct {
			State struct{ Enum []job.StepState }
		}
	}
	if err := json.Unmarshal(d.Components.Schemas["Step"], &step); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(step.Properties.State.Enum, job.StepStates()) {
		t.Errorf("the states of a step are described as %v, want %v", step.Properties.State.Enum, job.StepStates())
	}
	var pipelineStep struct {
		Properties struct {
			Kind struct{ Enum []contract.Kind }
		}
	}
	if err := json.Unmarshal(d.Components.Schemas["PipelineStep"], &pipelineStep); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(pipelineStep.Properties.Kind.Enum, contract.Kinds()) {
		t.Errorf("the kinds of steps are described as %v, want %v", pipelineStep.Properties.Kind.Enum, contract.Kinds())
	}
	var source struct {
		Properties struct{ Subtitles struct{ MaxItems int } }
	}
	if err := json.Unmarshal(d.Components.Schemas["NewSource"], &source); err != nil {
		t.Fatal(err)
	}
	if source.Properties.Subtitles.MaxItems != jobs.MaxSubtitleFiles {
		t.Errorf("up to %d subtitle files are described, want %d", source.Properties.Subtitles.MaxItems, jobs.MaxSubtitleFiles)
	}
	for _, p := range d.Paths["/v1/jobs"]["get"].Parameters {
		switch p.Name {
		case "state":
			if p.Explode == nil || *p.Explode {
				t.Error("lists in a query are separated by commas, the description says otherwise")
			}
		case "metadata":
			if p.Style != "deepObject" {
				t.Errorf("metadata is described in style %q", p.Style)
			}
		}
	}
	for _, id := range []string{"post", "get"} {
		for _, p := range d.Paths["/v1/jobs/{id}/retry"][id].Parameters {
			if p.Name == "Idempotency-Key" && p.In != "header" {
				t.Errorf("the idempotency key stands in %s", p.In)
			}
		}
	}
	if n := len(d.Paths["/v1/jobs/{id}/retry"]["post"].Parameters); n != 2 {
		t.Errorf("a retry has %d parameters, want the id and the idempotency key", n)
	}
}

func TestEveryDocumentedExampleWorks(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	d := s.document()
	bodies, parameters := 0, 0
	for path, item := range d.Paths {
		for method, op := range item {
			success := "200"
			for status := range op.Responses {
				if strings.HasPrefix(status, "2") {
					success = status
				}
			}
			if op.RequestBody != nil {
				for name, example := range op.RequestBody.Content["application/json"].Examples {
					bodies++
					a := s.do(s.keys[access.Admin], strings.ToUpper(method), path, string(example.Value))
					if fmt.Sprint(a.StatusCode) != success {
						t.Errorf("example %q of %s %s was answered %d %s", name, method, path, a.StatusCode, a.body)
					}
				}
			}
			for _, p := range op.Parameters {
				for _, example := range append(p.Schema.Examples, p.Example) {
					if p.In != "query" || example == nil {
						continue
					}
					parameters++
					a := s.do(s.keys[access.Admin], strings.ToUpper(method), path+"?"+url.Values{p.Name: {queryText(example)}}.Encode(), nil)
					if fmt.Sprint(a.StatusCode) != success {
						t.Errorf("example %v of parameter %s was answered %d %s", example, p.Name, a.StatusCode, a.body)
					}
				}
			}
		}
	}
	if bodies < 4 || parameters < 5 {
		t.Errorf("only %d examples of bodies and %d of parameters were found", bodies, parameters)
	}
}

// queryText writes an example's value as it stands in a query.
func queryText(v any) string {
	if list, ok := v.([]any); ok {
		var parts []string
		for _, item := range list {
			parts = append(parts, fmt.Sprint(item))
		}
		return strings.Join(parts, ",")
	}
	return fmt.Sprint(v)
}

func TestTheReferenceNeedsNothingFromElsewhere(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	a := s.wants(s.do("", "GET", "/docs", nil), http.StatusOK)
	page := string(a.body)
	if !strings.Contains(a.Header.Get("Content-Security-Policy"), "default-src 'none'") || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		t.Errorf("headers %v", a.Header)
	}
	// Text that tells of URLs does no harm; what a browser would fetch or follow does.
	for _, m := range regexp.MustCompile(`(?i)<[^>]*\b(?:src|href|action|data|poster|srcset)\s*=\s*["']?([^"'\s>]+)`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(m[1], "/") && !strings.HasPrefix(m[1], "#") || strings.HasPrefix(m[1], "//") {
			t.Errorf("the page refers to %s", m[1])
		}
	}
	if regexp.MustCompile(`(?i)<(script|iframe|object|embed|link)\b|@import|url\(`).MatchString(page) {
		t.Error("the page loads something")
	}
	for _, want := range []string{"POST</span> <code>/v1/jobs</code>", "create-job", "/v1/jobs/{id}/files/{path}", "Idempotency-Key"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not contain %q", want)
		}
	}
	if again := s.do("", "GET", "/docs", nil); string(again.body) != page {
		t.Error("the page is another when it is asked for again")
	}
}
