package ops_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"

	"github.com/reelmill/reelmill/pkg/chassis/httpserver"
	"github.com/reelmill/reelmill/pkg/chassis/lifecycle"
	"github.com/reelmill/reelmill/pkg/chassis/metrics"
	"github.com/reelmill/reelmill/pkg/chassis/ops"
)

// A process as services compose it: while the API finishes its last request,
// the operations server still answers, and says that it is draining.
func TestAProcessIsUnreadyButVisibleWhileItDrains(t *testing.T) {
	health, err := ops.NewHealth()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	arrived, finish := make(chan struct{}), make(chan struct{})
	api, err := httpserver.New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-finish
		w.WriteHeader(http.StatusTeapot)
	}), httpserver.Config{}, log)
	if err != nil {
		t.Fatal(err)
	}
	server, err := ops.New(ops.Config{Addr: "127.0.0.1:0"}, ops.Deps{Health: health, Gatherer: metrics.NewRegistry(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(api.Listen(t.Context()), server.Listen(t.Context())); err != nil {
		t.Fatal(err)
	}
	ready := "http://" + server.Addr().String() + "/readyz"
	ctx, stop := context.WithCancel(t.Context())
	stopping := make(chan struct{})
	result := make(chan error, 1)
	go func() {
		result <- lifecycle.Run(ctx, lifecycle.Config{OnStop: func() { health.Drain(); close(stopping) }},
			lifecycle.Component{Name: "ops", Run: server.Run, Support: true},
			lifecycle.Component{Name: "api", Run: api.Run})
	}()

	if err := ops.Healthcheck(t.Context(), ready); err == nil {
		t.Error("ready before Start")
	}
	health.Start()
	if err := ops.Healthcheck(t.Context(), ready); err != nil {
		t.Errorf("not ready after Start: %v", err)
	}
	answer := make(chan int, 1)
	go func() {
		status, _, _ := get(t, "http://"+api.Addr().String()+"/")
		answer <- status
	}()
	<-arrived
	stop()
	<-stopping
	if status, body, _ := get(t, ready); status != http.StatusServiceUnavailable || body != `{"status":"draining","checks":[]}`+"\n" {
		t.Errorf("/readyz while draining = %d %s", status, body)
	}
	close(finish)
	if status := <-answer; status != http.StatusTeapot {
		t.Errorf("the last request got %d, want its answer", status)
	}
	if err := <-result; err != nil {
		t.Errorf("Run = %v", err)
	}
	if err := ops.Healthcheck(t.Context(), ready); err == nil {
		t.Error("the operations server answers after the end")
	}
}
