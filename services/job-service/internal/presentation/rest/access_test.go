package rest_test

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
	"github.com/reelmill/reelmill/services/job-service/internal/presentation/rest"
)

// open are the routes that anybody may see: the description of the interface.
var open = []string{"GET /docs", "GET /openapi.json", "GET /openapi.yaml", "GET /openapi-3.0.json", "GET /openapi-3.0.yaml", "GET /schemas/{schema}"}

// route is a route of the router, ready to be requested.
type route struct {
	name, method, path string
	// ofJob says that the path names a job.
	ofJob bool
	body  any
	// role is the least that may use it.
	role access.Role
}

// routes returns every route that needs a key, for the job of that id.
func (s *server) routes(id string) []route {
	s.t.Helper()
	var all []route
	err := chi.Walk(s.router, func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		name := method + " " + pattern
		if slices.Contains(open, name) {
			return nil
		}
		r := route{name: name, method: method, ofJob: strings.Contains(pattern, "{id}"), role: access.Read,
			path: strings.NewReplacer("{id}", id, "*", "thumbnails/poster.jpg").Replace(pattern)}
		if method != http.MethodGet {
			r.role = access.Write
		}
		if name == "POST /v1/jobs" {
			r.body = newJob()
		}
		all = append(all, r)
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(all) < 10 {
		s.t.Fatalf("only %d routes were found: %v", len(all), all)
	}
	return all
}

func TestNoRouteAnswersForAnotherTenantsJob(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	completed := s.Finish(s.Uploaded(tenant))
	for state, id := range map[string]string{
		"awaiting_upload": s.Create(tenant).Job.ID, "queued": s.Uploaded(tenant).ID, "completed": completed.ID,
		"failed": s.Fail(s.Uploaded(tenant), fault.CodeSourceCorrupt).ID,
	} {
		before := s.Load(id)
		for _, role := range []access.Role{access.Read, access.Write, access.Admin} {
			for _, r := range s.routes(id) {
				if !r.ofJob || role == access.Read && r.role == access.Write {
					continue
				}
				t.Run(state+" by "+string(role)+" "+r.name, func(t *testing.T) {
					refused(t, s.do(s.stranger[role], r.method, r.path, r.body), http.StatusNotFound, fault.CodeJobNotFound)
				})
			}
		}
		if after := s.Load(id); after.Version != before.Version {
			t.Errorf("the %s job was changed by another tenant", state)
		}
	}
	if list := s.do(s.stranger[access.Admin], "GET", "/v1/jobs", nil); strings.Contains(string(list.body), completed.ID) {
		t.Errorf("another tenant's listing names the job: %s", list.body)
	}
}

func TestNoRouteAnswersWithoutAValidKey(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	j := s.Finish(s.Uploaded(tenant))
	valid := s.keys[access.Admin]
	for name, header := range map[string]string{
		"no key": "", "an unknown key": "Bearer rm_000000000000_" + strings.Repeat("A", 43), "half of a key": "Bearer " + valid[:len(valid)-1],
		"another scheme": "Basic " + valid, "no scheme": valid, "an empty key": "Bearer ", "another key's secret": "Bearer " + valid[:15] + "_" + strings.Repeat("A", 43),
	} {
		for _, r := range s.routes(j.ID) {
			t.Run(name+" "+r.name, func(t *testing.T) {
				p := refused(t, s.do("", r.method, r.path, r.body, "Authorization", header), http.StatusUnauthorized, fault.CodeUnauthenticated)
				if strings.Contains(p.Detail, "rm_") {
					t.Errorf("the answer shows the key: %s", p.Detail)
				}
			})
		}
	}
	if after := s.Load(j.ID); after.Version != j.Version {
		t.Error("the job was changed without a key")
	}
}

func TestEveryRouteWantsItsRole(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	j := s.Finish(s.Uploaded(tenant))
	for _, r := range s.routes(j.ID) {
		if r.role == access.Write {
			t.Run(r.name, func(t *testing.T) {
				p := refused(t, s.do(s.keys[access.Read], r.method, r.path, r.body), http.StatusForbidden, fault.CodeForbidden)
				if !strings.Contains(p.Detail, "read") || !strings.Contains(p.Detail, "write") {
					t.Errorf("detail %q does not say which role is there and which is needed", p.Detail)
				}
			})
		}
	}
	for _, role := range []access.Role{access.Read, access.Write, access.Admin} {
		s.wants(s.do(s.keys[role], "GET", "/v1/jobs/"+j.ID, nil), http.StatusOK)
	}
	s.wants(s.do(s.keys[access.Admin], "POST", "/v1/jobs", newJob()), http.StatusCreated)
	s.wants(s.do("", "GET", "/v1/jobs", nil, "Authorization", "bearer  "+s.keys[access.Read]), http.StatusOK) // RFC 9110: schemes know no case
}

func TestTheOpenRoutesNeedNoKey(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	for _, name := range open {
		method, path, _ := strings.Cut(name, " ")
		s.wants(s.do("", method, strings.Replace(path, "{schema}", "Job.json", 1), nil), http.StatusOK)
	}
}

func TestKeysExpire(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	token, key, err := access.Generate(tenant, access.Read, time.Now().Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := access.NewRing([]access.Key{key})
	if err != nil {
		t.Fatal(err)
	}
	s.router = rest.New(s.Service, ring, slog.New(slog.DiscardHandler), rest.Config{})
	a := s.do(token, "GET", "/v1/jobs", nil)
	if a.StatusCode != http.StatusUnauthorized || !strings.Contains(string(a.body), "expired") {
		t.Errorf("answered %d %s", a.StatusCode, a.body)
	}
}

func TestWithoutKeysOnlyLoopbackNamesAreAnswered(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	anonymous := access.Principal{KeyID: "anonymous", Tenant: "default", Role: access.Admin}
	s.router = rest.New(s.Service, must(access.NewRing(nil)), slog.New(slog.DiscardHandler), rest.Config{Anonymous: &anonymous})
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "127.0.0.1": 200, "[::1]:8080": 200, "[::1]": 200, "localhost:8080": 200, "LOCALHOST": 200, "127.1.2.3": 200,
		"evil.example:8080": 403, "localhost.evil.example": 403, "10.0.0.1": 403, "127.0.0.1.evil.example": 403, "": 403,
	} {
		for _, path := range []string{"/v1/jobs", "/v1/jobs/x/files/y"} {
			a := s.do("", "GET", "http://"+host+path, nil)
			if path != "/v1/jobs" && want == 200 {
				want = http.StatusNotFound // it was asked for no job
			}
			if a.StatusCode != want {
				t.Errorf("GET %s of host %q was answered %d %s, want %d", path, host, a.StatusCode, a.body, want)
			}
		}
	}
	if a := s.do("rm_x_y", "GET", "http://localhost/v1/jobs", nil); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong key was answered %d where none is needed", a.StatusCode)
	}
}

func must(r *access.Ring, err error) *access.Ring {
	if err != nil {
		panic(err)
	}
	return r
}

func TestCORSIsForTheConfiguredOriginsAlone(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	preflight := func(origin, method string) string {
		return s.do("", "OPTIONS", "/v1/jobs/x/files/y", nil, "Origin", origin, "Access-Control-Request-Method", method,
			"Access-Control-Request-Headers", "authorization,content-type,idempotency-key,range").Header.Get("Access-Control-Allow-Origin")
	}
	const app = "https://app.example"
	if a := s.do("", "GET", "/v1/jobs", nil, "Origin", app); preflight(app, "POST") != "" || a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Vary") != "" {
		t.Errorf("without configuration the headers are %v", a.Header)
	}
	s.router = rest.New(s.Service, everybody{}, slog.New(slog.DiscardHandler), rest.Config{CORSOrigins: []string{app}})
	for _, method := range []string{"GET", "HEAD", "POST", "DELETE"} {
		if got := preflight(app, method); got != app {
			t.Errorf("the configured origin may not %s: %q", method, got)
		}
		if got := preflight("https://evil.example", method); got != "" {
			t.Errorf("another origin may %s: %q", method, got)
		}
	}
	if got := preflight(app, "PUT"); got != "" {
		t.Errorf("a method that there is not is allowed: %q", got)
	}
	a := s.do("token", "GET", "/v1/jobs", nil, "Origin", app)
	if a.Header.Get("Access-Control-Allow-Origin") != app || !strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "Reelmill-Provisional") || a.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("the answer to the configured origin has the headers %v", a.Header)
	}
	if a := s.do("token", "GET", "/v1/jobs", nil, "Origin", "https://evil.example"); a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("the answer to another origin has the headers %v", a.Header)
	}
}
