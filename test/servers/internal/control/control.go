// Package control is the HTTP API by which tests kill, start and disturb the servers of a suite while they use them.
// Package testenv is its client.
//
//	POST /rabbitmq/{kill,start,restart,close-connections,save-queues,wipe}  POST /rabbitmq/alarm/{set,clear}
//	POST /mongo/{kill,start}  POST /s3/{kill,start}
//	GET  /status
//	GET  /hold/{server}/{shared,exclusive}
//
// Kill is SIGKILL; restart stops in good order and starts; start and restart return when the server is usable, at the same
// address and with the same data; wipe kills RabbitMQ and starts it without data; save-queues returns when RabbitMQ's list of its queues is on disk. Requests
// are carried out one after the other. Success is 204, or 200 with a body; a failure is a JSON object with "error" and the last lines of the server's log in "log_tail".
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/reelmill/reelmill/test/servers/internal/suite"
)

// actionTimeout is ten times what the slowest action, a start of RabbitMQ, needs on a quiet machine.
const actionTimeout = 3 * time.Minute

// API serves the requests for one suite.
type API struct {
	suite *suite.Suite
	mux   *http.ServeMux

	ctx    context.Context // of every action: a caller that goes away must not leave a server half started
	cancel context.CancelCauseFunc
	busy   sync.Mutex // held while an action is carried out
}

// errClosed ends the action that is carried out while the API is closed.
var errClosed = errors.New("the test servers are being stopped")

// New returns the API for s. The caller must Close it before it stops s.
func New(s *suite.Suite) *API {
	ctx, cancel := context.WithCancelCause(context.Background())
	a := &API{suite: s, mux: http.NewServeMux(), ctx: ctx, cancel: cancel}
	a.mux.HandleFunc("GET /status", a.status)
	a.mux.HandleFunc("GET /hold/{server}/{mode}", newHolds(suite.All()).serve)
	running := map[string]suite.Server{}
	for _, server := range s.Servers() {
		running[server.Name()] = server
	}
	for _, name := range []string{suite.RabbitMQ, suite.Mongo, suite.S3} {
		server, ok := running[name]
		if !ok {
			a.mux.HandleFunc("POST /"+name+"/", notPart(name))
			continue
		}
		a.handle(name, "kill", func(context.Context) error {
			server.Kill()
			return nil
		})
		a.handle(name, "start", server.Start)
	}
	if s.RabbitMQ != nil {
		a.handleRabbitMQ()
	}
	return a
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// Close cuts the present action short, waits for it, and refuses all further ones.
func (a *API) Close() {
	a.cancel(errClosed)
	a.busy.Lock()
	defer a.busy.Unlock()
}

func (a *API) handleRabbitMQ() {
	node := a.suite.RabbitMQ
	a.handle(suite.RabbitMQ, "restart", func(ctx context.Context) error {
		node.Stop()
		return node.Start(ctx)
	})
	a.handle(suite.RabbitMQ, "wipe", node.Wipe)
	a.handle(suite.RabbitMQ, "close-connections", node.CloseConnections)
	a.handle(suite.RabbitMQ, "save-queues", node.SaveQueues)
	a.handle(suite.RabbitMQ, "alarm/set", func(ctx context.Context) error { return node.SetMemoryAlarm(ctx, true) })
	a.handle(suite.RabbitMQ, "alarm/clear", func(ctx context.Context) error { return node.SetMemoryAlarm(ctx, false) })
}

// handle makes POST /server/path carry out do while no other action runs.
func (a *API) handle(server, path string, do func(context.Context) error) {
	a.mux.HandleFunc("POST /"+server+"/"+path, func(w http.ResponseWriter, _ *http.Request) {
		a.busy.Lock()
		defer a.busy.Unlock()
		ctx, cancel := context.WithTimeout(a.ctx, actionTimeout)
		defer cancel()
		err := context.Cause(ctx)
		if err == nil {
			err = do(ctx)
		}
		if err != nil {
			respond(w, http.StatusInternalServerError, failure{
				Error:   fmt.Sprintf("%s %s: %v", server, path, err),
				LogTail: a.suite.LogTail(server),
			})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// serverStatus is what GET /status says of each server.
type serverStatus struct {
	Running bool `json:"running"`
	Crashed bool `json:"crashed"` // it, or a server below it, has ended by itself
	PID     int  `json:"pid"`     // 0 while it is down
}

func (a *API) status(w http.ResponseWriter, _ *http.Request) {
	all := map[string]serverStatus{}
	for _, server := range a.suite.Servers() {
		pid := server.PID()
		all[server.Name()] = serverStatus{Running: pid != 0, Crashed: server.Crashed(), PID: pid}
	}
	respond(w, http.StatusOK, map[string]any{"servers": all})
}

type failure struct {
	Error   string `json:"error"`
	LogTail string `json:"log_tail,omitempty"`
}

func notPart(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusNotFound, failure{Error: name + " is not run by these test servers"})
	}
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller has gone away
}
