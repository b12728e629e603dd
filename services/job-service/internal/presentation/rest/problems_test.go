package rest_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/propagation"

	"github.com/reelmill/reelmill/pkg/chassis/httpserver"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry/telemetrytest"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/pkg/core/ident"
	"github.com/reelmill/reelmill/services/job-service/internal/application/jobs"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/access"
	"github.com/reelmill/reelmill/services/job-service/internal/infrastructure/jobstest"
	"github.com/reelmill/reelmill/services/job-service/internal/presentation/rest"
)

func TestWrongBodiesNameTheField(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	const source, named = `"source":{"type":"upload"}`, `"pipeline":"thumbnail"`
	with := func(members string) string { return `{` + source + `,` + named + `,` + members + `}` }
	of := func(src string) string { return `{"source":` + src + `,` + named + `}` }
	steps := func(s string) string { return `{` + source + `,"pipeline":` + s + `}` }
	step := func(members string) string {
		return steps(`{"steps":[{"name":"a","kind":"thumbnail",` + members + `}]}`)
	}
	params := func(p string) string { return step(`"params":` + p) }
	for name, tc := range map[string]struct {
		body   string
		fields []string
	}{
		"nothing in it":                    {`{}`, []string{"body.pipeline", "body.source"}},
		"no source":                        {`{` + named + `}`, []string{"body.source"}},
		"no pipeline":                      {`{` + source + `}`, []string{"body.pipeline"}},
		"an unknown field":                 {with(`"priorty":"high"`), []string{"body.priorty"}},
		"a field in other case":            {with(`"Media_ID":"x"`), []string{"body.Media_ID"}},
		"several at once":                  {with(`"a":1,"b":2,"priority":"urgent"`), []string{"body.a", "body.b", "body.priority"}},
		"an unknown priority":              {with(`"priority":"urgent"`), []string{"body.priority"}},
		"a deadline in the past":           {with(`"deadline_seconds":0`), []string{"body.deadline_seconds"}},
		"a deadline too far":               {with(`"deadline_seconds":2592001`), []string{"body.deadline_seconds"}},
		"a deadline in words":              {with(`"deadline_seconds":"1h"`), []string{"body.deadline_seconds"}},
		"a media id too long":              {with(`"media_id":"` + strings.Repeat("x", 201) + `"`), []string{"body.media_id"}},
		"a media id with a NUL":            {with(`"media_id":"a\u0000b"`), []string{"body.media_id"}},
		"a media id with a line":           {with(`"media_id":"a\nb"`), []string{"body.media_id"}},
		"metadata that is no text":         {with(`"metadata":{"a":1}`), []string{"body.metadata.a"}},
		"metadata without a name":          {with(`"metadata":{"":"x"}`), []string{"body.metadata"}},
		"metadata with a long value":       {with(`"metadata":{"a":"` + strings.Repeat("x", 1001) + `"}`), []string{"body.metadata"}},
		"metadata with too many entries":   {with(`"metadata":` + entries(51, "x")), []string{"body.metadata"}},
		"metadata too large when escaped":  {with(`"metadata":` + entries(30, strings.Repeat("<", 200))), []string{"body.metadata"}},
		"an unknown field of the source":   {of(`{"type":"upload","url":"http://x"}`), []string{"body.source.url"}},
		"an unknown kind of source":        {of(`{"type":"url"}`), []string{"body.source.type"}},
		"a source without its kind":        {of(`{}`), []string{"body.source.type"}},
		"a negative size":                  {of(`{"type":"upload","size_bytes":-1}`), []string{"body.source.size_bytes"}},
		"a size in words":                  {of(`{"type":"upload","size_bytes":"6"}`), []string{"body.source.size_bytes"}},
		"a subtitle file's language":       {of(`{"type":"upload","subtitles":[{"language":"de"},{"language":"german!"}]}`), []string{"body.source.subtitles[1].language"}},
		"a subtitle file's label":          {of(`{"type":"upload","subtitles":[{"label":"a\nb"}]}`), []string{"body.source.subtitles[0].label"}},
		"a subtitle file's size":           {of(`{"type":"upload","subtitles":[{"size_bytes":-1}]}`), []string{"body.source.subtitles[0].size_bytes"}},
		"an unknown field of a subtitle":   {of(`{"type":"upload","subtitles":[{"url":"http://x"}]}`), []string{"body.source.subtitles[0].url"}},
		"too many subtitle files":          {of(`{"type":"upload","subtitles":[` + strings.Repeat(`{},`, jobs.MaxSubtitleFiles) + `{}]}`), []string{"body.source.subtitles"}},
		"a content type that is none":      {of(`{"type":"upload","content_type":"video"}`), []string{"body.source.content_type"}},
		"a size that no file has":          {of(`{"type":"upload","size_bytes":1e30}`), []string{"body.source.size_bytes"}},
		"a size with an exponent":          {of(`{"type":"upload","size_bytes":1e3}`), []string{"body.source.size_bytes"}},
		"a subtitle size that no file has": {of(`{"type":"upload","subtitles":[{"size_bytes":1e30}]}`), []string{"body.source.subtitles.size_bytes"}},
		"a parameter without a value":      {of(`{"type":"upload","content_type":"video/webm;codecs="}`), []string{"body.source.content_type"}},
		"a parameter without an end":       {of(`{"type":"upload","content_type":"video/webm;codecs=\"vp8"}`), []string{"body.source.content_type"}},
		"a parameter with a line break":    {of(`{"type":"upload","content_type":"video/webm;codecs=\"vp8\r\nX: y\""}`), []string{"body.source.content_type"}},
		"a content type with wide spaces":  {of(`{"type":"upload","content_type":"video/webm;  codecs=vp8"}`), []string{"body.source.content_type"}},
		"a content type with a line break": {of(`{"type":"upload","content_type":"video/mp4\r\nX: y"}`), []string{"body.source.content_type"}},
		"a pipeline that is a number":      {steps(`7`), []string{"body.pipeline"}},
		"a pipeline that is null":          {steps(`null`), []string{"body.pipeline"}},
		"a pipeline that is a list":        {steps(`[]`), []string{"body.pipeline"}},
		"a pipeline without steps":         {steps(`{}`), []string{"body.pipeline.steps"}},
		"an empty list of steps":           {steps(`{"steps":[]}`), []string{"body.pipeline.steps"}},
		"steps that are no list":           {steps(`{"steps":{}}`), []string{"body.pipeline.steps"}},
		"a step that is no object":         {steps(`{"steps":["a"]}`), []string{"body.pipeline.steps[0]"}},
		"an unknown field of a pipeline":   {steps(`{"steps":[{"name":"a","kind":"thumbnail","params":{"stills":{"count":1}}}],"name":"x"}`), []string{"body.pipeline.name"}},
		"an unknown field of a step":       {step(`"parms":{}`), []string{"body.pipeline.steps[0].parms"}},
		"a step of an unknown kind":        {steps(`{"steps":[{"name":"a","kind":"narrate"}]}`), []string{"body.pipeline.steps[0].kind"}},
		"a step without pictures":          {params(`{}`), []string{"body.pipeline.steps[0].params"}},
		"an unknown parameter":             {params(`{"posters":[{"widht":1}]}`), []string{"body.pipeline.steps[0].params.posters[0].widht"}},
		"a parameter of another type":      {params(`{"posters":[{},{"width":"wide"}]}`), []string{"body.pipeline.steps[0].params.posters[1].width"}},
		"a parameter out of bounds":        {params(`{"posters":[{"width":5}]}`), []string{"body.pipeline.steps[0].params.posters[0].width"}},
		"an instant that is none":          {params(`{"posters":[{"at":"noon"}]}`), []string{"body.pipeline.steps[0].params.posters[0].at"}},
		"a fraction of a still":            {params(`{"stills":{"count":1.5}}`), []string{"body.pipeline.steps[0].params.stills.count"}},
		"two mistakes in two places":       {params(`{"stills":{"count":0,"widths":[1]}}`), []string{"body.pipeline.steps[0].params.stills.count", "body.pipeline.steps[0].params.stills.widths[0]"}},
		"an unknown codec":                 {steps(`{"steps":[{"name":"a","kind":"transcode","params":{"video":{"codec":"av2"}}}]}`), []string{"body.pipeline.steps[0].params.video.codec"}},
		"what a user may not set":          {steps(`{"steps":[{"name":"a","kind":"transcode","folder":"b"}]}`), []string{"body.pipeline.steps[0]"}},
		"a need that is no step":           {step(`"needs":["b"],"params":{"storyboard":{}}`), []string{"body.pipeline.steps[0].needs[0]"}},
		"a step that needs itself":         {step(`"needs":["a"],"params":{"storyboard":{}}`), []string{"body.pipeline.steps[0].needs[0]"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.do(s.keys[access.Write], "POST", "/v1/jobs", tc.body)
			code := fault.CodeRequestInvalid
			if strings.Contains(string(a.body), "pipeline_invalid") {
				code = fault.CodePipelineInvalid
			}
			p := refused(t, a, http.StatusUnprocessableEntity, code)
			got := p.fields()
			slices.Sort(got)
			if !slices.Equal(got, tc.fields) || p.Retryable {
				t.Errorf("fields %q, want %q: %s", got, tc.fields, a.body)
			}
			for _, e := range p.Errors {
				if e.Detail == "" || strings.Contains(e.Detail, "unmarshal") || strings.Contains(e.Detail, " Go ") {
					t.Errorf("%s has the detail %q, want one in our own words", e.Field, e.Detail)
				}
			}
		})
	}
	list := s.wants(s.do(s.keys[access.Read], "GET", "/v1/jobs", nil), http.StatusOK).json(t)
	if made, ok := list["jobs"].([]any); !ok || len(made) > 0 {
		t.Errorf("refused requests made jobs: %v", list)
	}
}

// entries returns a JSON object with n members of that value.
func entries(n int, value string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"` + ident.Derive(string(rune(i))) + `":"` + value + `"`)
	}
	return "{" + b.String()[1:] + "}"
}

func TestRequestsThatCannotBeRead(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	write := s.keys[access.Write]
	p := refused(t, s.do(write, "POST", "/v1/jobs", `{"deadline_seconds":1e400}`), http.StatusBadRequest, fault.CodeRequestInvalid)
	if len(p.Errors) != 1 || p.Errors[0].Detail != "1e400 is not a number that can be held" {
		t.Errorf("errors %v", p.Errors)
	}
	large := `{"media_id":"` + strings.Repeat("x", 64<<10) + `"}`
	refused(t, s.do(write, "POST", "/v1/jobs", large), http.StatusRequestEntityTooLarge, fault.CodeRequestTooLarge)
	for name, body := range map[string]string{"no JSON": "source=upload", "half of it": `{"source":`, "nothing": ""} {
		a := s.do(write, "POST", "/v1/jobs", body)
		if p := refused(t, a, http.StatusBadRequest, fault.CodeRequestInvalid); p.Detail == "" {
			t.Errorf("%s: no detail", name)
		}
	}
	refused(t, s.do(write, "POST", "/v1/jobs", "source: {}", "Content-Type", "application/yaml"), http.StatusUnsupportedMediaType, fault.CodeRequestInvalid)
	p = refused(t, s.do(write, "POST", "/v1/jobs", newJob(), "Idempotency-Key", strings.Repeat("k", 256)), http.StatusUnprocessableEntity, fault.CodeRequestInvalid)
	if !slices.Equal(p.fields(), []string{"header.Idempotency-Key"}) {
		t.Errorf("fields %q", p.fields())
	}
	p = refused(t, s.do(write, "POST", "/v1/jobs?dry_run=1", newJob()), http.StatusUnprocessableEntity, fault.CodeRequestInvalid)
	if !slices.Equal(p.fields(), []string{"query.dry_run"}) {
		t.Errorf("fields %q", p.fields())
	}
}

func TestRefusalsOfTheUseCasesKeepTheirCodes(t *testing.T) {
	s := newServer(t, jobstest.Config{Jobs: jobs.Config{MaxSourceBytes: 1000}})
	write := s.keys[access.Write]
	request := newJob()
	request["pipeline"] = "none"
	if p := refused(t, s.do(write, "POST", "/v1/jobs", request), http.StatusUnprocessableEntity, fault.CodePipelineUnknown); !strings.Contains(p.Detail, "thumbnail") {
		t.Errorf("the detail does not name the pipelines: %s", p.Detail)
	}
	request = newJob()
	for field, source := range map[string]map[string]any{
		"body.source.size_bytes":              {"type": "upload", "size_bytes": 1001},
		"body.source.subtitles[1].size_bytes": {"type": "upload", "subtitles": []any{map[string]any{"size_bytes": 1}, map[string]any{"size_bytes": jobs.MaxSubtitleBytes + 1}}},
	} {
		request["source"] = source
		p := refused(t, s.do(write, "POST", "/v1/jobs", request), http.StatusUnprocessableEntity, fault.CodeSourceTooLarge)
		if !slices.Equal(p.fields(), []string{field}) || p.Errors[0].Detail != p.Detail {
			t.Errorf("errors %v, want %s with %q", p.Errors, field, p.Detail)
		}
	}
}

func TestPathsAndMethodsThatDoNotExist(t *testing.T) {
	s := newServer(t, jobstest.Config{})
	for _, path := range []string{"/", "/v1", "/v1/job", "/v2/jobs", "/v1/jobs/", "/v1/jobs/x/y", "/favicon.ico"} {
		refused(t, s.do("", "GET", path, nil), http.StatusNotFound, fault.CodeRouteNotFound)
	}
	for path, allow := range map[string][]string{"/v1/jobs": {"GET", "POST"}, "/v1/jobs/x": {"GET", "DELETE"}, "/v1/jobs/x/cancel": {"POST"}} {
		a := s.do("", "PUT", path, nil)
		refused(t, a, http.StatusMethodNotAllowed, fault.CodeMethodNotAllowed)
		if got := a.Header.Values("Allow"); !slices.Equal(got, allow) {
			t.Errorf("PUT %s allows %q, want %q", path, got, allow)
		}
	}
}

// broken fails every call, or panics.
type broken struct {
	rest.Jobs
	err error
}

func (b broken) Create(context.Context, string, string, map[string]string, jobs.CreateRequest) (jobs.Created, error) {
	if b.err == nil {
		panic("a mistake of ours: secret-text")
	}
	return jobs.Created{}, b.err
}

func (b broken) File(context.Context, string, string, string) (jobs.File, error) {
	if b.err == nil {
		panic("a mistake of ours: secret-text")
	}
	return jobs.File{}, b.err
}

// everybody lets every token do everything.
type everybody struct{}

func (everybody) Authenticate(string, time.Time) (access.Principal, error) {
	return access.Principal{KeyID: "k", Tenant: tenant, Role: access.Admin}, nil
}

func TestWhatIsOursIsNotShown(t *testing.T) {
	secret := errors.New("dial mongodb://root:secret-text@10.0.0.1")
	for name, tc := range map[string]struct {
		err    error
		status int
		code   fault.Code
		logged bool
	}{
		"an error that nobody classified": {secret, http.StatusInternalServerError, fault.CodeInternal, true},
		"a database that is away":         {fault.Wrap(fault.CodeStoreUnavailable, secret, ""), http.StatusServiceUnavailable, fault.CodeStoreUnavailable, true},
		"a change at the same time":       {fault.New(fault.CodeConcurrentChange, ""), http.StatusConflict, fault.CodeConcurrentChange, false},
		"a panic":                         {nil, http.StatusInternalServerError, fault.CodeInternal, false}, // logged by the middleware
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, jobstest.Config{})
			stack, err := httpserver.Stack{Log: slog.New(slog.DiscardHandler), TracerProvider: telemetrytest.NewRecorder(t).TracerProvider,
				Propagator: propagation.TraceContext{}, Registerer: prometheus.NewRegistry(), RenderPanic: rest.RenderPanic}.Middlewares()
			if err != nil {
				t.Fatal(err)
			}
			s.router = rest.New(broken{err: tc.err}, everybody{}, slog.New(slog.NewTextHandler(s.log, nil)), rest.Config{}, stack...)
			for _, a := range []answer{s.do("x", "POST", "/v1/jobs", newJob()), s.do("x", "GET", "/v1/jobs/x/files/y", nil)} {
				p := refused(t, a, tc.status, tc.code)
				if !p.Retryable || strings.Contains(string(a.body), "secret-text") {
					t.Errorf("answered %s", a.body)
				}
			}
			if got := strings.Contains(s.log.String(), "secret-text"); got != tc.logged {
				t.Errorf("the cause is in the log: %t, want %t\n%s", got, tc.logged, s.log)
			}
		})
	}
}
