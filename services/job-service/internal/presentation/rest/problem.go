package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"go.opentelemetry.io/otel/trace"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/core/contract"
	"github.com/reelmill/reelmill/pkg/core/fault"
	"github.com/reelmill/reelmill/services/job-service/internal/application/jobs"
	"github.com/reelmill/reelmill/services/job-service/internal/domain/pipeline"
)

const problemType = "application/problem+json"

// Problem is the body of every error, RFC 9457.
type Problem struct {
	Type      string                `json:"type" doc:"Always about:blank: code is what tells problems apart." example:"about:blank"`
	Title     string                `json:"title" doc:"What kind of problem it is." example:"the request is not valid"`
	Status    int                   `json:"status" doc:"The HTTP status." example:"422"`
	Code      string                `json:"code" doc:"The stable code of the error; see the catalogue in the documentation." example:"request_invalid"`
	Detail    string                `json:"detail,omitempty" doc:"What happened, for a person."`
	Hint      string                `json:"hint,omitempty" doc:"What can be done about it."`
	Retryable bool                  `json:"retryable" doc:"Whether the same request may succeed later."`
	TraceID   string                `json:"trace_id,omitempty" doc:"Names the request in logs and traces."`
	Errors    []contract.FieldError `json:"errors,omitempty" doc:"The fields that are wrong."`
}

// Error returns the code and the detail.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the media type of problem details.
func (p *Problem) ContentType(string) string { return problemType }

// statuses are the codes whose HTTP status does not follow from their class.
var statuses = map[fault.Code]int{
	fault.CodeUnauthenticated:  http.StatusUnauthorized,
	fault.CodeForbidden:        http.StatusForbidden,
	fault.CodeOriginForbidden:  http.StatusForbidden,
	fault.CodeRequestTooLarge:  http.StatusRequestEntityTooLarge,
	fault.CodeMethodNotAllowed: http.StatusMethodNotAllowed,
	fault.CodeInternal:         http.StatusInternalServerError,
}

// statusOf returns the HTTP status of a code: its class decides, but for the few above.
func statusOf(code fault.Code) int {
	if s, ok := statuses[code]; ok {
		return s
	}
	switch fault.Lookup(code).Class {
	case fault.Invalid, fault.Permanent:
		return http.StatusUnprocessableEntity
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict, fault.Cancelled:
		return http.StatusConflict
	default:
		return http.StatusServiceUnavailable
	}
}

// maxFieldErrors is how many wrong fields one answer names.
const maxFieldErrors = 50

// problemOf returns what a user is told of err. The text of unclassified errors stays in the logs.
func problemOf(ctx context.Context, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	code := fault.CodeOf(err)
	e := fault.Lookup(code)
	p := &Problem{Type: "about:blank", Title: e.Title, Status: statusOf(code), Code: string(code), Detail: fault.DetailOf(err),
		Hint: e.Hint, Retryable: e.Class.Retryable() || code == fault.CodeConcurrentChange, TraceID: traceID(ctx)}
	if inv, ok := errors.AsType[*pipeline.Invalid](err); ok {
		for _, f := range inv.Fields[:min(len(inv.Fields), maxFieldErrors)] {
			p.Errors = append(p.Errors, contract.FieldError{Field: "body.pipeline." + f.Field, Detail: f.Detail})
		}
	}
	if f, ok := errors.AsType[*jobs.FieldFault](err); ok {
		p.Errors = append(p.Errors, contract.FieldError{Field: "body." + f.Field, Detail: p.Detail})
	}
	return p
}

func traceID(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		return sc.TraceID().String()
	}
	return ""
}

// writeProblem answers a request outside of huma's operations.
func writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(r.Context(), err)
	w.Header().Set("Content-Type", problemType)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="reelmill"`)
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone if this fails
}

// useProblems makes huma answer with Problem. It is a global setting of that library, the same for every
// server of a process.
var useProblems = sync.OnceFunc(func() {
	huma.DefaultArrayNullable = false
	huma.ValidateStrictCasing = true
	huma.NewErrorWithContext = func(hctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		ctx := context.Background()
		if hctx != nil {
			ctx = hctx.Context()
		}
		return fromHuma(ctx, status, msg, errs)
	}
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return fromHuma(context.Background(), status, msg, errs)
	}
})

// fromHuma translates what huma itself found wrong with a request.
func fromHuma(ctx context.Context, status int, msg string, errs []error) huma.StatusError {
	code := fault.CodeRequestInvalid
	switch status {
	case http.StatusRequestEntityTooLarge:
		code = fault.CodeRequestTooLarge
	case http.StatusNotFound:
		code = fault.CodeRouteNotFound
	case http.StatusMethodNotAllowed:
		code = fault.CodeMethodNotAllowed
	}
	if status >= http.StatusInternalServerError {
		return problemOf(ctx, fault.New(fault.CodeInternal, ""))
	}
	p := problemOf(ctx, fault.New(code, "%s", msg))
	if code == fault.CodeRequestInvalid && status != http.StatusUnprocessableEntity {
		p.Status = status // what cannot be read at all is 400 or 415, not 422
	}
	for _, err := range errs[:min(len(errs), maxFieldErrors)] {
		if d, ok := errors.AsType[*huma.ErrorDetail](err); ok {
			p.Errors = append(p.Errors, fieldError(d))
		} else if err != nil {
			p.Errors = append(p.Errors, contract.FieldError{Field: "body", Detail: strings.TrimPrefix(err.Error(), "json: ")})
		}
	}
	return p
}

// fieldError translates huma's finding. Of a property that is missing huma names the object around it.
func fieldError(d *huma.ErrorDetail) contract.FieldError {
	name, missing := strings.CutPrefix(d.Message, "expected required property ")
	if name, ok := strings.CutSuffix(name, " to be present"); missing && ok {
		return contract.FieldError{Field: d.Location + "." + name, Detail: "is required"}
	}
	if m := unmarshalError.FindStringSubmatch(d.Message); m != nil {
		return contract.FieldError{Field: d.Location + m[2], Detail: unreadable(m[1], m[3])}
	}
	return contract.FieldError{Field: d.Location, Detail: d.Message}
}

// unmarshalError is the text of a json.UnmarshalTypeError, which is all that huma passes on of what its schema
// lets through and Go's types do not hold: the value, the field and the type.
var unmarshalError = regexp.MustCompile(`^json: cannot unmarshal (?:number )?(\S+) into Go (?:struct field \w+(\.\S+)|value) of type (\S+)$`)

// unreadable says why a value cannot be read as a Go type. Only numbers come here: all else the schema refuses.
func unreadable(value, goType string) string {
	if strings.HasPrefix(goType, "int") {
		return fmt.Sprintf("want a whole number in digits alone, at most %d, got %.40s", math.MaxInt64, value)
	}
	return fmt.Sprintf("%.40s is not a number that can be held", value)
}

// RenderPanic answers a request whose handler panicked.
func RenderPanic(w http.ResponseWriter, r *http.Request, _ *lifecycle.PanicError) {
	writeProblem(w, r, fault.New(fault.CodeInternal, ""))
}
