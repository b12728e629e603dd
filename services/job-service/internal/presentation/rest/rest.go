// Package rest is the HTTP interface of job-service for web back ends: JSON over /v1, problem details
// for every error, OpenAPI 3.1 made from the code. It translates and authenticates; what happens is
// said in package jobs.
package rest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/cors"
	"go.opentelemetry.io/otel/propagation"

	"github.com/reelmill/reelmill/pkg/blob"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/application/jobs"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/job"
)

// maxBodyBytes bounds request bodies: media goes to object storage, never through here.
const maxBodyBytes = 64 << 10

// Jobs are the use cases that the interface offers.
type Jobs interface {
	Create(ctx context.Context, tenant, idempotencyKey string, trace map[string]string, r jobs.CreateRequest) (jobs.Created, error)
	CompleteUpload(ctx context.Context, tenant, id string) (job.Job, error)
	Get(ctx context.Context, tenant, id string) (jobs.View, error)
	List(ctx context.Context, tenant string, f job.Filter) (list []job.Job, next string, err error)
	Cancel(ctx context.Context, tenant, id string) (job.Job, error)
	Retry(ctx context.Context, tenant, id, idempotencyKey string, trace map[string]string) (jobs.Created, error)
	Delete(ctx context.Context, tenant, id string) (jobs.Receipt, error)
	Outputs(ctx context.Context, tenant, id string, sel jobs.Selection) ([]jobs.SignedOutput, error)
	Manifest(ctx context.Context, tenant, id string) (contract.Manifest, error)
	File(ctx context.Context, tenant, id, path string) (jobs.File, error)
	Stored(ctx context.Context, f jobs.File) (blob.Object, error)
}

// Authenticator knows whose API key a token is.
type Authenticator interface {
	Authenticate(token string, now time.Time) (access.Principal, error)
}

// Config holds the settings of the interface.
type Config struct {
	Version string
	// Anonymous, where not nil, is who everybody without a key is: for a server on loopback alone.
	Anonymous *access.Principal
	// CORSOrigins are the origins whose scripts may call; none where empty.
	CORSOrigins []string
}

type server struct {
	jobs Jobs
	auth Authenticator
	cfg  Config
	log  *slog.Logger
}

// New returns the handler of all routes, wrapped in middlewares from the outermost to the innermost.
func New(service Jobs, auth Authenticator, log *slog.Logger, cfg Config, middlewares ...func(http.Handler) http.Handler) *chi.Mux {
	r, _ := newRouter(service, auth, log, cfg, middlewares...)
	return r
}

func newRouter(service Jobs, auth Authenticator, log *slog.Logger, cfg Config, middlewares ...func(http.Handler) http.Handler) (*chi.Mux, huma.API) {
	useProblems()
	s := &server{jobs: service, auth: auth, cfg: cfg, log: log}
	r := chi.NewRouter()
	r.Use(middlewares...)
	if len(cfg.CORSOrigins) > 0 {
		r.Use(cors.Handler(cors.Options{AllowedOrigins: cfg.CORSOrigins, AllowedMethods: []string{"GET", "HEAD", "POST", "DELETE", "OPTIONS"},
			AllowedHeaders: []string{"Authorization", "Content-Type", "Idempotency-Key", "Range"}, ExposedHeaders: []string{"Location", provisional}, MaxAge: 600}))
	}
	r.Use(s.sameOrigin, middleware.GetHead)
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, r, fault.New(fault.CodeRouteNotFound, ""))
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, req *http.Request) {
		for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			if r.Match(chi.NewRouteContext(), m, req.URL.Path) {
				w.Header().Add("Allow", m)
			}
		}
		writeProblem(w, req, fault.New(fault.CodeMethodNotAllowed, ""))
	})
	api := humachi.New(r, apiConfig(cfg.Version))
	api.UseMiddleware(s.authorize(api))
	s.register(api)
	s.registerFiles(r, api)
	r.Get("/docs", docsHandler(api))
	return r, api
}

func apiConfig(version string) huma.Config {
	c := huma.DefaultConfig("Reelmill", version)
	c.CreateHooks = nil
	schemas := huma.NewMapRegistry("#/components/schemas/", schemaName)
	schemas.RegisterTypeAlias(typeOf[contract.Seconds](), typeOf[float64]())
	c.Components.Schemas = schemas
	c.DocsPath = ""
	c.Info.Description = "Process media: create a job, upload the source to the URL in the answer, complete the upload, and follow the job until it is completed."
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"key": {Type: "http", Scheme: "bearer", Description: "An API key, rm_<id>_<secret>."}}
	c.Servers = []*huma.Server{{URL: "/"}}
	c.Security = []map[string][]string{{"key": {}}}
	return c
}

// schemaNames are the names that schemas have for users, where they are not those of the types.
var schemaNames = map[string]string{
	"createBody": "NewJob", "sourceBody": "NewSource", "stepBody": "PipelineStep", "jobBody": "Job", "sourceView": "Source", "stepView": "Step",
	"subtitleBody": "NewSubtitleFile", "subtitleView": "SubtitleFile", "uploadBody": "Upload", "taskView": "Task", "attemptView": "Attempt", "signed": "SignedRequest", "outputBody": "PublishedOutput", "receiptBody": "Receipt", "listBody": "JobList", "outputsBody": "OutputList", "errorView": "Failure",
}

func schemaName(t reflect.Type, hint string) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if name, ok := schemaNames[t.Name()]; ok {
		return name
	}
	return huma.DefaultSchemaNamer(t, hint)
}

type principalKey struct{}

// principal returns who makes the request; authorize has put it there.
func principal(ctx context.Context) access.Principal {
	p, _ := ctx.Value(principalKey{}).(access.Principal)
	return p
}

const roleMetadata = "role"

// authorize finds out who makes a request of huma's and whether the operation's role is theirs.
func (s *server) authorize(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		role, _ := ctx.Operation().Metadata[roleMetadata].(access.Role)
		p, err := s.authenticate(ctx.Host(), ctx.Header("Authorization"), role)
		if err != nil {
			problem := problemOf(ctx.Context(), err)
			if problem.Status == http.StatusUnauthorized {
				ctx.SetHeader("WWW-Authenticate", `Bearer realm="reelmill"`)
			}
			ctx.SetHeader("Content-Type", problemType)
			ctx.SetStatus(problem.Status)
			if err := api.Marshal(ctx.BodyWriter(), "application/json", problem); err != nil {
				s.log.WarnContext(ctx.Context(), "problem not written", slog.Any("error", err))
			}
			return
		}
		next(huma.WithValue(ctx, principalKey{}, p))
	}
}

// authenticate returns whose request it is, if it has the role.
func (s *server) authenticate(host, header string, role access.Role) (access.Principal, error) {
	var p access.Principal
	scheme, token, _ := strings.Cut(header, " ")
	switch {
	case header == "" && s.cfg.Anonymous != nil:
		if !loopback(host) {
			// A page of another site can make its own name mean this machine.
			return p, fault.New(fault.CodeForbidden, "without an API key only requests to a loopback address are answered, not to %.100q", host)
		}
		p = *s.cfg.Anonymous
	case !strings.EqualFold(scheme, "Bearer"):
		return p, fault.New(fault.CodeUnauthenticated, "")
	default:
		var err error
		if p, err = s.auth.Authenticate(strings.TrimSpace(token), time.Now()); err != nil {
			return p, fault.Wrap(fault.CodeUnauthenticated, err, "%s", err)
		}
	}
	if !p.May(role) {
		return p, fault.New(fault.CodeForbidden, "the key's role is %s, this needs %s", p.Role, role)
	}
	return p, nil
}

// loopback reports whether the Host of a request names this machine to itself.
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// fail logs what users are not told and returns what they are.
func (s *server) fail(ctx context.Context, err error) error {
	p := problemOf(ctx, err)
	if p.Status >= http.StatusInternalServerError {
		s.log.ErrorContext(ctx, "request failed", slog.String("code", p.Code), slog.Any("error", err))
	}
	return p
}

// traceOf returns the request's trace context, for the job to be part of its trace.
func traceOf(ctx context.Context) map[string]string {
	c := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, c)
	return c
}
