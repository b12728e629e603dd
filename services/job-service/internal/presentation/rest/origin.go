package rest

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/reelmill/reelmill/pkg/core/fault"
)

// sameOrigin refuses what pages of other origins ask for without a key, unless theirs is among the configured
// ones. CORS does not: browsers send a POST that has no content type without asking first, and only keep the
// answer from the page. Requests that only read are let through, and so are those that no browser sent.
func (s *server) sameOrigin(next http.Handler) http.Handler {
	if s.cfg.Anonymous == nil || slices.Contains(s.cfg.CORSOrigins, "*") {
		return next
	}
	protection := http.NewCrossOriginProtection()
	for _, o := range s.cfg.CORSOrigins {
		if err := protection.AddTrustedOrigin(strings.ToLower(o)); err != nil { // browsers send lower case
			s.log.Warn("no page has this origin", slog.Any("error", err))
		}
	}
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, r, fault.New(fault.CodeOriginForbidden, "without an API key pages of %.100q may only read", r.Header.Get("Origin")))
	}))
	protected := protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			next.ServeHTTP(w, r) // it stands or falls with its key
			return
		}
		protected.ServeHTTP(w, r)
	})
}
