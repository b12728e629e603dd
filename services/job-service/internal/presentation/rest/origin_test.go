package rest_test

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
	"github.com/reelmill/reelmill/services/job-service/internal/presentation/rest"
)

const loopback = "http://127.0.0.1:8080"

// anonymous makes the server one without keys that listens on loopback.
func (s *server) anonymous(origins ...string) {
	s.t.Helper()
	s.router = rest.New(s.Service, must(access.NewRing(nil)), slog.New(slog.DiscardHandler),
		rest.Config{Anonymous: &access.Principal{KeyID: "anonymous", Tenant: tenant, Role: access.Admin}, CORSOrigins: origins}, s.stack()...)
}

// asPage makes a request as a browser does for a page of the origin: fetch(path, {method, mode: "no-cors", body: new Blob([...])}),
// which it sends without asking first.
func (s *server) asPage(origin, site, method, path string) answer {
	s.t.Helper()
	headers := []string{"Origin", origin, "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "no-cors", "Content-Type", ""}
	if site == "" { // a browser from before 2023
		headers = []string{"Origin", origin, "Content-Type", ""}
	}
	var body any
	if path == "/v1/jobs" && method == "POST" {
		body = newJob()
	}
	return s.do("", method, loopback+path, body, headers...)
}

func TestForeignPagesChangeNothingWithoutAKey(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	s.anonymous("https://app.example")
	j := s.Uploaded(tenant)
	for _, r := range s.routes(j.ID) {
		if r.method == http.MethodGet {
			continue
		}
		for _, page := range []struct{ origin, site string }{
			{"https://evil.example", "cross-site"}, {"https://evil.example", ""}, {"null", "cross-site"}, {"http://localhost:3000", "same-site"},
		} {
			t.Run(r.name+" by "+page.origin+" "+page.site, func(t *testing.T) {
				refused(t, s.asPage(page.origin, page.site, r.method, r.path), http.StatusForbidden, fault.CodeOriginForbidden)
			})
		}
	}
	if after := s.Load(j.ID); after.Version != j.Version {
		t.Error("the job was changed by a foreign page")
	}
	list := s.wants(s.do("", "GET", loopback+"/v1/jobs", nil), http.StatusOK).json(t)
	if made, _ := list["jobs"].([]any); len(made) != 1 {
		t.Errorf("foreign pages made jobs: %v", list)
	}
}

func TestWhoMayChangeThingsWithoutAKey(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	const app = "http://page.example:3000"
	s.anonymous(app)
	for name, a := range map[string]answer{
		"a program":                       s.do("", "POST", loopback+"/v1/jobs", newJob()),
		"the server's own page":           s.asPage(loopback, "same-origin", "POST", "/v1/jobs"),
		"its own page, in an old browser": s.asPage(loopback, "", "POST", "/v1/jobs"),
		"a page that is configured":       s.asPage(app, "cross-site", "POST", "/v1/jobs"),
		"the same, in an old browser":     s.asPage(app, "", "POST", "/v1/jobs"),
	} {
		if a.StatusCode != http.StatusCreated {
			t.Errorf("%s was answered %d %s", name, a.StatusCode, a.body)
		}
	}
	s.anonymous("HTTP://Page.Example:3000")
	s.wants(s.asPage(app, "cross-site", "POST", "/v1/jobs"), http.StatusCreated)
	s.anonymous("*")
	s.wants(s.asPage("https://any.example", "cross-site", "POST", "/v1/jobs"), http.StatusCreated)
}

func TestForeignPagesMayRead(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	s.anonymous()
	j := s.Finish(s.Uploaded(tenant))
	s.wants(s.asPage("https://evil.example", "cross-site", "GET", "/v1/jobs/"+j.ID), http.StatusOK)
	s.wants(s.asPage("https://evil.example", "cross-site", "HEAD", "/v1/jobs/"+j.ID), http.StatusOK)
}

func TestAKeyCountsWhateverPageSendsIt(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	page := []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}
	s.wants(s.do(s.keys[access.Write], "POST", loopback+"/v1/jobs", newJob(), page...), http.StatusCreated)
	refused(t, s.do("", "POST", loopback+"/v1/jobs", newJob(), page...), http.StatusUnauthorized, fault.CodeUnauthenticated)
	s.anonymous()
	refused(t, s.do("rm_x_y", "POST", loopback+"/v1/jobs", newJob(), page...), http.StatusUnauthorized, fault.CodeUnauthenticated)
}
