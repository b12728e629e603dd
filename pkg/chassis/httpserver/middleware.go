package httpserver

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/chassis/telemetry"
)

// Middleware wraps a handler, as chi's Use takes it.
type Middleware = func(http.Handler) http.Handler

// Stack is what the middlewares of an API need. All fields are required.
type Stack struct {
	Log            *slog.Logger
	TracerProvider trace.TracerProvider
	Propagator     propagation.TextMapPropagator
	Registerer     prometheus.Registerer
	// RenderPanic answers a request whose handler panicked.
	RenderPanic func(w http.ResponseWriter, r *http.Request, err *lifecycle.PanicError)
}

// Middlewares returns, outermost first, Trace, RequestID, AccessLog, Metrics and
// Recover. Pass them to Use of the root router: route patterns are known to
// middlewares of the router only.
func (s Stack) Middlewares() (chi.Middlewares, error) {
	if s.Log == nil || s.TracerProvider == nil || s.Propagator == nil || s.Registerer == nil || s.RenderPanic == nil {
		return nil, errors.New("HTTP middlewares: a field of the stack is missing")
	}
	metrics, err := Metrics(s.Registerer)
	if err != nil {
		return nil, err
	}
	return chi.Middlewares{
		Trace(s.TracerProvider, s.Propagator), RequestID(), AccessLog(s.Log), metrics, Recover(s.Log, s.RenderPanic),
	}, nil
}

// Unmatched is the route of requests that no pattern matches.
const Unmatched = "unmatched"

// Route returns the pattern of the route that a chi router chose for r, such as
// "/v1/jobs/{id}", or Unmatched. A middleware knows it only after its next
// handler has returned. The number of routes is bounded, that of paths is not.
func Route(r *http.Request) string {
	if routing := chi.RouteContext(r.Context()); routing != nil {
		if pattern := routing.RoutePattern(); pattern != "" {
			return pattern
		}
	}
	return Unmatched
}

// observed returns w with its status and size; a writer that another middleware
// has wrapped already is used again.
func observed(w http.ResponseWriter, r *http.Request) middleware.WrapResponseWriter {
	if wrapped, ok := w.(middleware.WrapResponseWriter); ok {
		return wrapped
	}
	return middleware.NewWrapResponseWriter(w, r.ProtoMajor)
}

// statusOf returns the status of an answer; 0 means that none was sent because
// the handler aborted. A handler that returns without a word sends 200.
func statusOf(w middleware.WrapResponseWriter, returned bool) int {
	if status := w.Status(); status != 0 || !returned {
		return status
	}
	return http.StatusOK
}

// Recover turns a panic of a handler into an answer by render and an error in
// log, with the stack. If the answer had begun already, the connection is cut,
// so that the client cannot take half an answer for a whole one.
// http.ErrAbortHandler is passed on.
func Recover(log *slog.Logger, render func(w http.ResponseWriter, r *http.Request, err *lifecycle.PanicError)) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ww := observed(w, r)
			defer func() {
				value := recover()
				if value == nil {
					return
				}
				if value == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
					panic(value)
				}
				failure := &lifecycle.PanicError{Value: value, Stack: debug.Stack()}
				trace.SpanFromContext(r.Context()).RecordError(failure)
				log.ErrorContext(r.Context(), "request handler panicked", slog.String("method", methods.Bound(r.Method)),
					slog.String("route", Route(r)), slog.Any("error", failure), slog.String("stack", string(failure.Stack)))
				if ww.Status() != 0 {
					panic(http.ErrAbortHandler)
				}
				render(ww, r, failure)
			}()
			next.ServeHTTP(ww, r)
		})
	}
}

// RequestIDHeader carries the identifier of a request.
const RequestIDHeader = "X-Request-Id"

// maxRequestIDBytes keeps foreign identifiers from filling logs.
const maxRequestIDBytes = 64

// RequestID takes the identifier of a request from RequestIDHeader, if it is 1
// to 64 letters, digits, '.', '_' or '-', and makes one otherwise. It is sent
// back in the same header and added to log lines.
func RequestID() Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := r.Header.Get(RequestIDHeader)
			if !validRequestID(id) {
				id = rand.Text()
			}
			w.Header().Set(RequestIDHeader, id)
			next.ServeHTTP(w, r.WithContext(telemetry.With(r.Context(), telemetry.RequestID(id))))
		})
	}
}

func validRequestID(id string) bool {
	const accepted = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return id != "" && len(id) <= maxRequestIDBytes &&
		!strings.ContainsFunc(id, func(c rune) bool { return !strings.ContainsRune(accepted, c) })
}

// AccessLog writes one line for each request when it is answered, with method,
// route, status, bytes and milliseconds, at level warn from status 500 on. Raw
// paths and queries are not logged: they hold identifiers and credentials. Lines
// carry what [Annotate] added.
func AccessLog(log *slog.Logger) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begun, ww, notes, returned := time.Now(), observed(w, r), &annotations{}, false
			r = r.WithContext(context.WithValue(r.Context(), annotationsKey{}, notes))
			defer func() {
				status, level := statusOf(ww, returned), slog.LevelInfo
				if status >= http.StatusInternalServerError || !returned {
					level = slog.LevelWarn
				}
				log.LogAttrs(r.Context(), level, "request answered", append(notes.all(),
					slog.String("method", methods.Bound(r.Method)), slog.String("route", Route(r)), slog.Int("status", status),
					slog.Int("bytes", ww.BytesWritten()), slog.Bool("aborted", !returned),
					slog.Float64("duration_ms", float64(time.Since(begun).Microseconds())/1000))...)
			}()
			next.ServeHTTP(ww, r)
			returned = true
		})
	}
}

// annotationsKey is the context key of the attributes of [Annotate].
type annotationsKey struct{}

type annotations struct {
	mu    sync.Mutex
	attrs []slog.Attr
}

func (a *annotations) all() []slog.Attr {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]slog.Attr(nil), a.attrs...)
}

// Annotate adds attributes to the access-log line of the request of ctx: what
// only inner handlers learn, such as the tenant. Without AccessLog it does
// nothing. It is safe for concurrent use.
func Annotate(ctx context.Context, attrs ...slog.Attr) {
	if notes, ok := ctx.Value(annotationsKey{}).(*annotations); ok {
		notes.mu.Lock()
		defer notes.mu.Unlock()
		notes.attrs = append(notes.attrs, attrs...)
	}
}

// WriteDeadline gives each answer d to be written. Handlers that write for
// longer, such as event streams, move the deadline by http.ResponseController.
func WriteDeadline(d time.Duration) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// A writer without deadlines, as in tests, has no slow client either.
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d))
			next.ServeHTTP(w, r)
		})
	}
}
