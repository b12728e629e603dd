package rest

import (
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
)

// NewWithAPI is New, with the description of the operations beside the handler.
func NewWithAPI(service Jobs, auth Authenticator, log *slog.Logger, cfg Config, middlewares ...func(http.Handler) http.Handler) (*chi.Mux, huma.API) {
	return newRouter(service, auth, log, cfg, middlewares...)
}
