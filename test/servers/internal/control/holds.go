package control

import (
	"fmt"
	"math"
	"net/http"

	"golang.org/x/sync/semaphore"
)

// holds keeps the test that kills a server apart from those that only use it, which may be other packages' test
// programs running at the same time: users hold the server shared, the killer exclusively.
//
// A hold is a GET request: its answer begins when the hold is granted, and the hold ends with the request, so a test
// program that dies lets go. Holds are granted in the order in which they were asked for.
type holds map[string]*semaphore.Weighted

func newHolds(servers []string) holds {
	h := holds{}
	for _, name := range servers {
		h[name] = semaphore.NewWeighted(math.MaxInt64)
	}
	return h
}

func (h holds) serve(w http.ResponseWriter, r *http.Request) {
	server, known := h[r.PathValue("server")]
	weight, mode := map[string]int64{"shared": 1, "exclusive": math.MaxInt64}[r.PathValue("mode")]
	if !known || !mode {
		respond(w, http.StatusNotFound, failure{Error: fmt.Sprintf("no such hold: %s", r.URL.Path)})
		return
	}
	if err := server.Acquire(r.Context(), weight); err != nil {
		return // the caller has gone away
	}
	defer server.Release(weight)
	w.WriteHeader(http.StatusOK)
	if err := http.NewResponseController(w).Flush(); err != nil {
		return
	}
	<-r.Context().Done()
}
